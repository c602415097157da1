"""The daemon's log. Nobody writes prompts or tokens into it."""

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from pathlib import Path

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
    console = logging.StreamHandler()
    console.setLevel(logging.INFO if sys.stderr.isatty() else logging.WARNING)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    root = logging.getLogger()
    logging.getLogger("bridge").setLevel(logging.INFO)
    for handler in (file, console):
        handler.setFormatter(formatter)
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in (file, console):
            root.removeHandler(handler)
            handler.close()
