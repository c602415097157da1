# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture for each of many prompts, of one capture; what fails is told at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ._bridge import protocol
from ._bridge.errors import BridgeError, Problem
from ._bridge.host.prompt_file import Line
from ._bridge.host.recipe import PROMPT, SEED
from ._bridge.host.words import counted
from .controls import attribute_of, preset_of, values_of
from .picture import Picture
from .recipe import advance_seed, draw_seed
from .report import problem_from
from .viewport import Viewport

if TYPE_CHECKING:
    from .studio import Studio


class Batch(Picture):
    """Pictures on their way, one after another.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured once.
        lines: The prompts, at least one.

    Raises:
        BridgeError: ``no_prompt`` if the preset takes none, or as ``Picture``.
    """

    def __init__(self, studio: Studio, viewport: Viewport, lines: Sequence[Line]) -> None:
        preset = preset_of(viewport.scene.framebridge)
        if preset.find(PROMPT) is None:
            raise BridgeError(
                f'the preset "{preset.title}" takes no prompt',
                code="no_prompt",
                hint="Choose a preset with a prompt.",
            )
        self._lines, self._place = lines, 0
        self._frame: protocol.Frame | None = None
        self._failed: list[tuple[Line, Problem]] = []
        super().__init__(studio, viewport)

    @property
    def progress(self) -> tuple[float, str]:
        """How far all of them are, 0..1, and the one that is made in words."""
        fraction, words = super().progress
        number, count = min(self._place + 1, len(self._lines)), len(self._lines)
        return (self._place + fraction) / count, f"{number} of {count}: {words}"

    def _submit(self, frame: protocol.Frame) -> None:
        """Send the prompt whose turn it is."""
        self._frame = frame
        scene = bpy.data.scenes[self._scene]
        recipe = self._recipe.with_values(**{PROMPT: self._lines[self._place].text})
        if self._place and self._preset.find(SEED):
            draw_seed(scene)
            group = values_of(scene.framebridge, self._preset)
            recipe = recipe.with_values(**{SEED: getattr(group, attribute_of(SEED))})
            advance_seed(scene)
        plain = replace(recipe, dynamic=(), templates={})
        self._recipe = plain.with_dynamic() if scene.framebridge.is_dynamic else plain
        super()._submit(frame)

    def _end(self, problem: Problem | None = None, notice: str = "") -> None:
        """Go on with the next prompt, unless this was the last or all were given up."""
        task, count = self._task, len(self._lines)
        if task is None or self._frame is None or not self._studio.link.is_connected:
            super()._end(problem, notice)
        elif task.wants_cancel or task.state == "cancelled" or self._scene not in bpy.data.scenes:
            super()._end(notice=f"Cancelled after {self._place} of {count} prompts")
        else:
            if problem is not None:
                self._failed.append((self._lines[self._place], problem))
            self._place += 1
            if self._place < count:
                self._go_on(self._frame)
            else:
                super()._end(self._fault, f"{counted(count - len(self._failed), 'picture')} made")

    def _go_on(self, frame: protocol.Frame) -> None:
        try:
            self._submit(frame)
        except Exception as error:  # as in ``Picture.tick``
            super()._end(problem_from(error))

    @property
    def _fault(self) -> Problem | None:
        """Say which prompts failed, and why the first did."""
        if not self._failed:
            return None
        numbers = ", ".join(str(line.number) for line, _ in self._failed[:10])
        first = self._failed[0][1]
        message = (
            f"{len(self._failed)} of {len(self._lines)} prompts failed, in line {numbers}: {first.message}"
        )
        return replace(first, message=message)
