"""What is said to artists, alike in every host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ..errors import Problem
from .preset import Preset
from .recipe import Recipe
from .tasks import Task

MOST_LETTERS = 600
"""Of a message; a panel draws it at every redraw."""

ASPECT_TOLERANCE = 0.1
"""How far the proportions of a result may be from its capture's before it is worth a word."""

PHASES = ("load", "encode", "sample", "decode", "save", "other")
"""Of a job, in the order in which they come."""

DISCONNECTED = Problem(
    "disconnected", "the connection was closed before the picture was made", "Generate again."
)
NO_ANSWER = Problem("timeout", "the daemon did not answer in time", "Diagnose says more.")
NO_PICTURE = Problem(
    "no_picture", "the preset ran and sent no picture", "Its workflow needs a SendToHost node."
)


def sentence(problem: Problem) -> str:
    """Return a problem as text: what happened, and what to do; not more of it than anybody reads."""
    text, hint = problem.message[:MOST_LETTERS], problem.hint[:MOST_LETTERS]
    text = text[:1].upper() + text[1:]
    return f"{text}. {hint}" if hint else f"{text}."


def counted(number: int, what: str) -> str:
    """Return a number of things in words: ``1 object``, ``2 objects``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def of_preset(problem: Problem, title: str) -> Problem:
    """Return a problem of a preset's workflow with what an artist can do, who has not seen that workflow."""
    if problem.code != "unknown_node":
        return problem
    remedy = f'The preset "{title}" needs it: install what brings that node, or make the preset anew.'
    return replace(problem, hint=f"{problem.hint} {remedy}".strip())


def wrapped(text: str, letters: int) -> list[str]:
    """Return a text in lines of so many letters; addresses and paths are broken after their signs."""
    lines = [""]
    for word in text.split():
        gap = " " if lines[-1] else ""
        for piece in _pieces(word, letters):
            if len(lines[-1]) + len(gap) + len(piece) <= letters:
                lines[-1] += gap + piece
            else:
                lines.append(piece)
            gap = ""
    return lines


def _pieces(word: str, letters: int) -> Iterator[str]:
    """Yield what of a word must stay together: all of it, unless it is longer than a line."""
    if len(word) <= letters:
        yield word
        return
    for part in re.findall(r"[^/\\_?&=-]*[/\\_?&=-]*", word):
        yield from (part[start : start + letters] for start in range(0, len(part), letters))


def progress_of(task: Task, preset: Preset, recipe: Recipe) -> tuple[float, str]:
    """Return how far a picture is, 0..1, and in words."""
    if task.state == "sent":
        return 0.0, "Sending…"
    if task.state == "queued":
        return 0.0, f"Waiting, {task.position} ahead" if task.position else "Waiting…"
    steps = recipe.values.get("steps")
    words = preset.progress_words(task.node, task.value, task.maximum, steps)
    return task.fraction, f"{words}: {task.detail}" if task.detail else words


def summary_of(recipe: Recipe, width: int, height: int) -> str:
    """Return what is worth knowing of a result, for people."""
    shown = [
        f"{name} {recipe.values[name]}" for name in ("seed", "steps", "strength") if name in recipe.values
    ]
    return ", ".join([f"{width} × {height}", recipe.preset, *shown])


def spent(timings: Mapping[str, float]) -> str:
    """Say how long a job took, and on what: ``12.3 s (load 4.1, sample 7.2)``; nothing where nobody measured.

    Args:
        timings: Of ``protocol.Finished``. What took less than a twentieth is not worth a word.
    """
    total = timings.get("run", 0.0)
    parts = [
        f"{phase} {timings[phase]:.1f}"
        for phase in PHASES
        if timings.get(phase, 0.0) >= max(total / 20, 0.05)
    ]
    told = f"{total:.1f} s" if total else ""
    return f"{told} ({', '.join(parts)})" if told and parts else told


def oddity(shape: tuple[int, ...], width: int, height: int) -> str:
    """Say what is odd about a picture's size, if anything is.

    Args:
        shape: Of the picture: (H, W, C).
        width: Of its capture, pixels.
        height: Likewise.
    """
    if abs(shape[1] / shape[0] / (width / height) - 1) <= ASPECT_TOLERANCE:
        return ""
    return f"The picture came back as {shape[1]} × {shape[0]}, not in the proportions of {width} × {height}"
