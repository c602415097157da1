# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts besides the one in the panel: the last ones, many at once, and what a dynamic one became."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import display
from ._bridge.errors import BridgeError
from ._bridge.host.preset import Preset
from ._bridge.host.prompt_book import PromptBook
from ._bridge.host.prompt_file import Line, listed_prompts, read_prompts
from ._bridge.host.recipe import PROMPT
from .controls import attribute_of, values_of
from .properties import Settings

book = PromptBook()
"""The artist's, for all files."""


def lines_of(settings: Settings) -> list[Line]:
    """Return the prompts that are to be made one by one.

    Raises:
        BridgeError: ``no_prompts``, or why the file cannot be used.
    """
    if settings.batch_from == "FILE":
        if not settings.batch_file.strip():
            raise BridgeError("no file is chosen", code="no_prompts", hint="Choose a text file of prompts.")
        return read_prompts(Path(bpy.path.abspath(settings.batch_file)).expanduser())
    if settings.batch_text is None:
        raise BridgeError(
            "no text is chosen", code="no_prompts", hint="Choose a text of this file's Text Editor."
        )
    text = settings.batch_text
    return listed_prompts("\n".join(line.body for line in text.lines), f'the text "{text.name}"')


def drawn_text(settings: Settings, preset: Preset, scene: bpy.types.Scene) -> str:
    """Return what the panel's dynamic prompt became in the result that is looked at, if it did."""
    image = display.looked_at(scene)
    if preset.find(PROMPT) is None:
        return ""
    typed = getattr(values_of(settings, preset), attribute_of(PROMPT))
    if image is None or ("{" not in typed and "__" not in typed):
        return ""
    try:
        recipe = display.recipe_of(image)
    except BridgeError:
        return ""
    return str(recipe.values.get(PROMPT, "")) if recipe.templates.get(PROMPT) == typed else ""
