# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture for each of many prompts, of one capture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import bpy

from ._bridge.errors import BridgeError
from ._bridge.host.prompt_file import Line
from ._bridge.host.recipe import PROMPT, SEED, Recipe
from .controls import attribute_of, preset_of, values_of
from .recipe import advance_seed, draw_seed
from .serial import Serial
from .viewport import Viewport

if TYPE_CHECKING:
    from .studio import Studio


class Batch(Serial):
    """Pictures of prompts on their way, each a result of its own.

    Args:
        studio: Whose connection is used; ready.
        viewport: Names the scene, and is captured once.
        lines: The prompts, at least one.

    Raises:
        BridgeError: ``no_prompt`` if the preset takes none, or as ``Picture``.
    """

    WHAT = "prompt"

    def __init__(self, studio: Studio, viewport: Viewport, lines: Sequence[Line]) -> None:
        preset = preset_of(viewport.scene.framebridge)
        if preset.find(PROMPT) is None:
            raise BridgeError(
                f'the preset "{preset.title}" takes no prompt',
                code="no_prompt",
                hint="Choose a preset with a prompt.",
            )
        self._lines = lines
        super().__init__(studio, viewport, len(lines))

    def _next(self, recipe: Recipe, scene: bpy.types.Scene) -> Recipe:
        recipe = recipe.with_values(**{PROMPT: self._lines[self._place].text})
        if self._place and self._preset.find(SEED):
            draw_seed(scene)
            group = values_of(scene.framebridge, self._preset)
            recipe = recipe.with_values(**{SEED: getattr(group, attribute_of(SEED))})
            advance_seed(scene)
        return recipe

    def _numbers(self, places: list[int]) -> str:
        return f"in line {', '.join(str(self._lines[place].number) for place in places)}"
