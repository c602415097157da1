# SPDX-License-Identifier: GPL-3.0-or-later
"""A grid: pictures over the values of one or two controls, of one capture, as one labelled image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
import numpy as np

from . import display, results
from ._bridge.errors import Problem
from ._bridge.host.grid import Grid, plan_grid
from ._bridge.host.recipe import Recipe
from ._bridge.host.tasks import Task
from .controls import preset_of
from .picture import keep, undo_step
from .report import problem_from
from .serial import Serial
from .sheet import draw_sheet
from .viewport import Viewport
from .wire import plane_of

if TYPE_CHECKING:
    from .properties import Settings
    from .studio import Studio


def planned_grid(settings: Settings) -> Grid:
    """Return the grid that the panel describes.

    Raises:
        BridgeError: ``bad_axis``, or as ``preset_of``.
    """
    x, y = ((settings.grid_x, settings.grid_x_values), (settings.grid_y, settings.grid_y_values))
    return plan_grid(preset_of(settings), x, y)


class GridPicture(Serial):
    """The cells of a grid on their way, and the sheet that they make.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured once.
        grid: What is compared.

    Raises:
        BridgeError: As ``Picture``.
    """

    WHAT = "cell"

    def __init__(self, studio: Studio, viewport: Viewport, grid: Grid) -> None:
        self._grid = grid
        self._cells: dict[int, np.ndarray] = {}
        super().__init__(studio, viewport, len(grid.values))

    def _next(self, recipe: Recipe, scene: bpy.types.Scene) -> Recipe:
        if not self._place:
            self._asked = recipe
        return recipe.with_values(**self._grid.values[self._place])

    def _take_in(self, task: Task, scene: bpy.types.Scene | None) -> None:
        self._cells[self._place] = display.rows_of(task.pictures[0])

    def _close(self, problem: Problem | None, notice: str) -> None:
        """Keep the sheet, also of a grid that was given up, and show it."""
        scene = self._scene.find()
        is_in_another_file = scene is None and self._task is not None and self._task.wants_cancel
        if self._cells and not is_in_another_file:
            try:
                notice = self._keep_sheet(scene) or notice
            except Exception as error:  # as in ``Picture``: the artist must hear of it
                problem = problem_from(error)
        super()._close(problem, notice)

    def _keep_sheet(self, scene: bpy.types.Scene | None) -> str:
        """Keep, write and show it; returns what is worth knowing."""
        words = {place: f"failed: {fault.message}" for place, fault in self._failed.items()}
        sheet = draw_sheet(self._grid, self._cells, words)
        image = keep(plane_of("image", "u8", sheet), None, self._name, self._asked, scene)
        with undo_step("Framebridge Grid"):
            if scene is None:
                return f"Its scene is gone; the grid is kept as {image.name}"
            self._studio.show(image, scene)
            if not scene.framebridge.to_folder:
                return ""
            return f"Saved {results.save_numbered(image, scene.framebridge.folder).name}"

    @property
    def _name(self) -> str:
        names = dict.fromkeys(name for values in self._grid.values for name in values)
        labels = (control.label for name in names if (control := self._preset.find(name)) is not None)
        return f"Grid {' × '.join(labels)}"
