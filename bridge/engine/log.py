"""How daemon and worker log: one JSON object a line, with the ids of what it is about.

1. A line has ``ts`` (UTC), ``level``, ``logger`` and ``event``; the ids ``job``, ``session``, ``node`` and
   ``attempt`` where they are known; ``trace`` where something was raised.
2. Ids come from the context: ``log_ids`` for a block of code, and whatever node is running.
3. The worker writes such lines to its standard error. The daemon reads them back, adds what only it knows,
   and takes every other line (of a library, a node, a dying interpreter) as a text of the worker's.
"""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from bridge.engine.job import current_job, current_node

IDS = ("job", "session", "node", "attempt")

SESSION_CHARACTERS = 6
"""How much of a session's name a log shows: the name is its client's secret."""

_ids: ContextVar[Mapping[str, str]] = ContextVar("log ids")


class log_ids:  # noqa: N801 - reads as a statement: with log_ids(job=job)
    """Have what is logged in a block carry these ids, unless empty, besides those from around it.

    One may be entered again, though not within itself.
    """

    def __init__(self, **ids: object) -> None:
        self._known = {name: str(value) for name, value in ids.items() if value}
        if "session" in self._known:
            self._known["session"] = self._known["session"][:SESSION_CHARACTERS]

    def __enter__(self) -> None:
        self._token = _ids.set({**_ids.get({}), **self._known})

    def __exit__(self, *error: object) -> None:
        _ids.reset(self._token)


def current_ids() -> dict[str, str]:
    """Return the ids of what runs right now."""
    ids = dict(_ids.get({}))
    try:
        ids["job"] = current_job().id
    except LookupError:
        return ids
    return {**ids, "node": current_node()} if current_node() else ids


class IdsFilter(logging.Filter):
    """Notes the current ids on each record that has none; lets everything through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add ``ids`` to a record."""
        if not hasattr(record, "ids"):
            record.ids = current_ids()
        return True


class JsonFormatter(logging.Formatter):
    """Writes a record as one line (rule 1)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "ids", {}),
        }
        trace = record.exc_text or (record.exc_info and self.formatException(record.exc_info))
        return json.dumps({**line, "trace": trace} if trace else line, ensure_ascii=False)


def record_of(line: str, logger: str) -> logging.LogRecord:
    """Return what a line of the worker says (rule 3).

    Args:
        line: As it came.
        logger: Whose a line is that is no record.
    """
    try:
        data = json.loads(line)
        level = logging.getLevelNamesMapping()[data["level"].upper()]
        name, event, trace = str(data["logger"]), str(data["event"]), data.get("trace")
        created = datetime.fromisoformat(data["ts"]).timestamp()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return logging.makeLogRecord(
            {"name": logger, "levelno": logging.INFO, "levelname": "INFO", "msg": line}
        )
    return logging.makeLogRecord(
        {
            "name": name,
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "msg": event,
            "created": created,
            "exc_text": trace if isinstance(trace, str) else None,
            "ids": {name: str(data[name]) for name in IDS if name in data},
        }
    )
