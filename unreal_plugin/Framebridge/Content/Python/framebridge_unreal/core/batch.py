"""One picture for each prompt of a text file; what fails is told at the end.

All are of one capture and one recipe: what the artist chooses meanwhile is for later pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .._bridge.errors import Problem
from .._bridge.host.prompt_file import Line
from .._bridge.host.recipe import PROMPT, SEED
from .._bridge.host.words import counted
from .picture import Picture, asked

if TYPE_CHECKING:
    from .studio import Studio


class Batch:
    """Pictures on their way, one after another, each a result of its own.

    Args:
        studio: Whose connection and editor are used; connected.
        lines: The prompts, at least one.

    Attributes:
        is_over: Whether nothing more will happen.
        problem: Which failed, and why the first did.
        notice: What is worth knowing, and no fault.

    Raises:
        BridgeError: As ``Picture``.
    """

    def __init__(self, studio: Studio, lines: Sequence[Line]) -> None:
        self.is_over = False
        self.problem: Problem | None = None
        self.notice = ""
        self._studio, self._lines, self._place = studio, lines, 0
        self._failed: list[tuple[Line, Problem]] = []
        self._is_given_up = False
        self._asked = asked(studio)
        self._seeds = studio.choices.take_seeds(len(lines))
        self._picture = self._next()

    @property
    def progress(self) -> tuple[float, str]:
        """How far all of them are, 0..1, and the one that is made in words."""
        fraction, words = self._picture.progress
        count = len(self._lines)
        return (self._place + fraction) / count, f"{self._place + 1} of {count}: {words}"

    def cancel(self) -> None:
        """Give up the one that is made, and those that follow; what is made stays."""
        self._is_given_up = True
        self._picture.cancel()

    def tick(self) -> None:
        """Go on with the next prompt once one is done with."""
        self._picture.tick()
        if not self._picture.is_over or self.is_over:
            return
        if self._picture.problem is not None:
            self._failed.append((self._lines[self._place], self._picture.problem))
        if self._is_given_up or not self._studio.link.is_connected:
            self._end(f"Cancelled after {self._place} of {counted(len(self._lines), 'prompt')}")
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Begin the next prompt that can be, or end after the last."""
        while self._place < len(self._lines) - 1:
            self._place += 1
            try:
                self._picture = self._next()
            except Exception as error:  # the lines after it are still worth trying
                self._failed.append((self._lines[self._place], self._studio.problem_from(error)))
            else:
                return
        self._end(f"{counted(len(self._lines) - len(self._failed), 'picture')} made")

    def _next(self) -> Picture:
        values: dict[str, object] = {PROMPT: self._lines[self._place].text}
        if self._seeds:
            values[SEED] = self._seeds[self._place]
        recipe = self._asked.recipe.with_values(**values).with_dynamic()
        return Picture(self._studio, replace(self._asked, recipe=recipe))

    def _end(self, notice: str) -> None:
        self.is_over, self.notice = True, notice
        if not self._failed or self._is_given_up:
            return
        numbers = ", ".join(str(line.number) for line, _ in self._failed[:10])
        first = self._failed[0][1]
        count = counted(len(self._lines), "prompt")
        message = f"{len(self._failed)} of {count} failed, in line {numbers}: {first.message}"
        self.problem = replace(first, message=message)
