# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults, as the artist sees them: no traceback reaches the console; a bug's goes to a log."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from typing import Any

import bpy

from ._bridge.client import state_folder
from ._bridge.errors import BridgeError, Problem

LOG_BYTES = 1_000_000

MOST_LETTERS = 600
"""Of a message; a panel draws it at every redraw."""


def problem_from(error: Exception) -> Problem:
    """Describe an error; one that was not raised on purpose is logged with its traceback."""
    if isinstance(error, BridgeError):
        return error.problem
    file = log_file()
    _log().error("an error that nobody expected", exc_info=error)
    return Problem(
        "internal_error",
        f"something went wrong in the add-on ({type(error).__name__}: {error})",
        f"Please report it, with {file}.",
    )


def reported(execute: Callable[[Any, bpy.types.Context], set[str]]) -> Callable[..., set[str]]:
    """Wrap an operator's ``execute``: what is raised becomes a message of Blender's, with its hint."""

    @functools.wraps(execute)
    def wrapped(operator: bpy.types.Operator, context: bpy.types.Context) -> set[str]:
        try:
            return execute(operator, context)
        except Exception as error:  # an operator's last boundary
            say(operator, problem_from(error))
            return {"CANCELLED"}

    return wrapped


def say(operator: bpy.types.Operator, problem: Problem) -> None:
    """Show a problem as Blender shows an operator's."""
    operator.report({"WARNING" if problem.is_warning else "ERROR"}, sentence(problem))


def sentence(problem: Problem) -> str:
    """Return a problem as text: what happened, and what to do; not more of it than anybody reads."""
    text, hint = problem.message[:MOST_LETTERS], problem.hint[:MOST_LETTERS]
    text = text[:1].upper() + text[1:]
    return f"{text}. {hint}" if hint else f"{text}."


def counted(number: int, what: str) -> str:
    """Return a number of things in words: ``1 object``, ``2 objects``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def log_file() -> str:
    """Return where the add-on's log is."""
    return str(state_folder() / "blender.log")


class _QuietHandler(RotatingFileHandler):
    """Writes where it can: a log that cannot be written is no reason for a traceback on the console."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say nothing."""


@functools.cache
def _log() -> logging.Logger:
    logger = logging.getLogger(f"{__package__}.report")
    logger.propagate = False
    try:
        state_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        handler: logging.Handler = _QuietHandler(log_file(), maxBytes=LOG_BYTES, backupCount=1, delay=True)
    except OSError:  # no place to write: the message itself must do
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    return logger
