"""The daemon's log: one JSON object a line in a file that rotates, readable text on a terminal.

1. A record has the ids of what it is about; a run's session and attempt are added from the notes on runs.
2. Nobody writes prompts, tokens or keys into it: what runs were given, and what looks like a secret, is taken
   out of every record, the worker's included, before anything is written.
"""

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from pathlib import Path

from bridge.engine import SESSION_CHARACTERS, IdsFilter, JsonFormatter
from bridge.errors import shown
from bridge.jobs import RUN_NOTES

LOG_BYTES = 5_000_000
LOG_FILES = 3


@contextlib.contextmanager
def keeping_log(path: Path) -> Iterator[None]:
    """Write what the daemon has to say into a file that rotates, and to standard error, while the block runs.

    Standard error gets all of it on a terminal, else only warnings: it may be a file that grows for ever.
    """
    # Opened at the first message: a daemon that comes second leaves the first one's log alone.
    file = logging.handlers.RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=True
    )
    file.setFormatter(JsonFormatter())
    handlers: list[logging.Handler] = [file]
    if sys.stderr is not None:  # Windows without a console has none
        console = logging.StreamHandler()
        console.setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
        console.setFormatter(ReadableFormatter())
        handlers.append(console)
    root = logging.getLogger()
    logging.getLogger("bridge").setLevel(logging.INFO)
    for handler in handlers:
        for each in (IdsFilter(), DiscreetFilter()):
            handler.addFilter(each)
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class DiscreetFilter(logging.Filter):
    """Takes out of a record what a log must not show, adds whose run it is about, and lets it through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record for good; a second pass changes nothing more."""
        record.msg, record.args = RUN_NOTES.redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = RUN_NOTES.redact(record.exc_text)
        record.exc_info = None
        ids: dict[str, str] = getattr(record, "ids", {})
        note = RUN_NOTES.find(ids.get("job", ""))
        if note:
            told = {"session": note.session[:SESSION_CHARACTERS], "attempt": str(note.attempt)}
            record.ids = {**told, **ids}
        return True


class ReadableFormatter(logging.Formatter):
    """Writes a record as people read it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(about)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the text, without its end and without what would command a terminal."""
        ids: dict[str, str] = getattr(record, "ids", {})
        about = ", ".join(f"{name} {value:.12}" for name, value in ids.items())
        record.about = f" ({about})" if about else ""
        return shown(super().format(record))
