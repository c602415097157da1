# SPDX-License-Identifier: GPL-3.0-or-later
"""Several pictures of one capture, one after another; what fails is told at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ._bridge import protocol
from ._bridge.errors import Problem
from ._bridge.host.recipe import Recipe
from ._bridge.host.words import counted
from .picture import Picture
from .report import problem_from
from .viewport import Viewport

if TYPE_CHECKING:
    from .studio import Studio


class Serial(Picture):
    """Pictures on their way; subclasses say what each is of.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured once.
        count: How many there are to be, at least one.

    Raises:
        BridgeError: As ``Picture``.
    """

    WHAT = "picture"
    """What one of them is of."""

    def __init__(self, studio: Studio, viewport: Viewport, count: int) -> None:
        self._count, self._place = count, 0
        self._frame: protocol.Frame | None = None
        self._failed: dict[int, Problem] = {}
        super().__init__(studio, viewport)

    @property
    def progress(self) -> tuple[float, str]:
        """How far all of them are, 0..1, and the one that is made in words."""
        fraction, words = super().progress
        number = min(self._place + 1, self._count)
        return (self._place + fraction) / self._count, f"{number} of {self._count}: {words}"

    def _next(self, recipe: Recipe, scene: bpy.types.Scene) -> Recipe:
        """Return the recipe of the picture whose turn it is.

        Args:
            recipe: Of the one before; at first, what the panel asks for.
            scene: Whose settings hold.
        """
        raise NotImplementedError

    def _numbers(self, places: list[int]) -> str:
        """Say which pictures these are, in words."""
        return ", ".join(str(place + 1) for place in places)

    def _close(self, problem: Problem | None, notice: str) -> None:
        """End, with all that is made."""
        super()._end(problem, notice)

    def _submit(self, frame: protocol.Frame) -> None:
        self._frame = frame
        scene = self._scene.scene()
        recipe = replace(self._next(self._recipe, scene), dynamic=(), templates={})
        self._recipe = recipe.with_dynamic() if scene.framebridge.is_dynamic else recipe
        super()._submit(frame)

    def _end(self, problem: Problem | None = None, notice: str = "") -> None:
        """Go on with the next one, unless this was the last or all were given up."""
        task = self._task
        if task is None or self._frame is None or not self._studio.link.is_connected:
            self._close(problem, notice)
        elif task.wants_cancel or task.state == "cancelled":
            self._close(None, f"Cancelled after {self._place} of {counted(self._count, self.WHAT)}")
        else:
            if problem is not None:
                self._failed[self._place] = problem
            self._place += 1
            if self._place < self._count:
                self._go_on(self._frame)
            else:
                self._close(self._fault, f"{counted(self._count - len(self._failed), 'picture')} made")

    def _go_on(self, frame: protocol.Frame) -> None:
        try:
            self._submit(frame)
        except Exception as error:  # as in ``Picture.tick``
            self._close(problem_from(error), "")

    @property
    def _fault(self) -> Problem | None:
        """Say which failed, and why the first did."""
        if not self._failed:
            return None
        which = self._numbers(list(self._failed)[:10])
        first = next(iter(self._failed.values()))
        begin = f"{len(self._failed)} of {counted(self._count, self.WHAT)} failed"
        return replace(first, message=f"{begin}, {which}: {first.message}")
