"""Errors that nobody expected: a sentence for the artist, and the traceback in a log."""

from __future__ import annotations

import logging
from functools import cached_property
from logging.handlers import RotatingFileHandler

from ..client import state_folder
from ..errors import BridgeError, Problem

LOG_BYTES = 1_000_000


class FaultLog:
    """Where a host's faults are written.

    Args:
        host: Names the file: ``blender`` for ``blender.log`` in the state folder.
        where: What has gone wrong, for people: ``add-on``, ``plugin``.
    """

    def __init__(self, host: str, where: str) -> None:
        self._host, self._where = host, where

    @property
    def file(self) -> str:
        """The log's path."""
        return str(state_folder() / f"{self._host}.log")

    def problem_from(self, error: Exception) -> Problem:
        """Describe an error; one that was not raised on purpose is logged with its traceback."""
        if isinstance(error, BridgeError):
            return error.problem
        file = self.file
        self._log.error("an error that nobody expected", exc_info=error)
        return Problem(
            "internal_error",
            f"something went wrong in the {self._where} ({type(error).__name__}: {error})",
            f"Please report it, with {file}.",
        )

    @cached_property
    def _log(self) -> logging.Logger:
        logger = logging.getLogger(f"{__package__}.{self._host}")
        logger.propagate = False
        handler: logging.Handler
        try:
            state_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            handler = _QuietHandler(self.file, maxBytes=LOG_BYTES, backupCount=1, delay=True)
        except OSError:  # no place to write: the message itself must do
            handler = logging.NullHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
        return logger


class _QuietHandler(RotatingFileHandler):
    """Writes where it can: a log that cannot be written is no reason for a traceback on the console."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say nothing."""
