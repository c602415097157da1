"""A job as everybody may see it, in any state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.errors import Problem

LIVE_STATES = ("waiting", "running")
"""Of jobs that have not ended."""

ENDED_STATES = ("done", "failed", "cancelled")
"""Of jobs that have had their last word."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job in any state.

    Args:
        id: Names it in every message.
        session: Whose it is.
        number: Its place in the queue, lowest first.
        prompt: API JSON as it was submitted.
        extra: Kept with its pictures as ``extra_pnginfo``.
        outputs: The output nodes that run.
        state: ``waiting``, ``running``, ``done``, ``failed`` or ``cancelled``.
        queued_at: When it was submitted, in Unix seconds; for display only, as all three: clocks jump.
            None is less than the one before.
        began_at: When it (last) began; 0 if it has not.
        ended_at: When it ended; 0 if it has not.
        attempts: How often it has begun.
        shown: Node id → what it shows, in ComfyUI's form.
        problems: Why it failed, or what was odd.
        timings: Phase → seconds: ``queue``, and what the worker tells.
        ending: The number of its end: one that ended later has a higher one. 0 if it is not in the history.
    """

    id: str
    session: str
    number: float
    prompt: Mapping[str, Any]
    extra: Mapping[str, Any]
    outputs: tuple[str, ...]
    state: str
    queued_at: float
    began_at: float = 0.0
    ended_at: float = 0.0
    attempts: int = 0
    shown: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    ending: int = 0
