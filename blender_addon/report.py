# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults, as the artist sees them: no traceback reaches the console; a bug's goes to a log."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import bpy

from ._bridge.errors import Problem
from ._bridge.host.faults import FaultLog
from ._bridge.host.words import sentence

_FAULTS = FaultLog("blender", "add-on")

problem_from = _FAULTS.problem_from


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


def log_file() -> str:
    """Return where the add-on's log is."""
    return _FAULTS.file
