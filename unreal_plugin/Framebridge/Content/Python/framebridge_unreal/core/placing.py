"""Where a finished picture goes: to the content browser, and wherever else the artist wants to see it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .._bridge import protocol
from .._bridge.errors import BridgeError
from .._bridge.host.objects import with_objects
from .._bridge.host.preset import SELECTION, Preset
from .._bridge.host.recipe import RECIPE_TEXT, Recipe
from .axes import View, view_from_json
from .choices import Choices
from .editor import BASE_COLOR, NORMAL, OBJECT_ID, Editor, Eye, Kept
from .pixels import png_of_picture

SURFACE_MAPS = frozenset({"normal", "edges"})
"""Maps that are drawn better from the engine's normals than from depth alone."""


@dataclass(frozen=True)
class Scenery:
    """Where a picture belongs.

    Args:
        level: Path of the level that was captured.
        view: Where it was seen from.
    """

    level: str
    view: View


def passes_for(choices: Choices) -> frozenset[str]:
    """Return what a capture needs besides colour and depth.

    Raises:
        BridgeError: See ``Choices.preset``.
    """
    units = (unit for unit in choices.preset.units if choices.is_used(unit))
    wanted = {
        NORMAL: any(unit.map in SURFACE_MAPS for unit in units),
        OBJECT_ID: choices["masks"],
        BASE_COLOR: choices["is_unlit"],
    }
    return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


def with_selection(recipe: Recipe, preset: Preset, eye: Eye) -> Recipe:
    """Return a recipe that says which actors are selected, where its preset asks for it.

    Raises:
        BridgeError: ``no_selection`` if it asks, and none is.
    """
    if preset.find(SELECTION) is None:
        return recipe
    selection = [protocol.Binding("object", label, paint="only") for label in eye.selected()]
    return with_objects(recipe, preset, None, selection)


def keep(editor: Editor, picture: protocol.Plane, recipe: Recipe, preset: Preset | None, view: View) -> str:
    """Add a picture to the history; returns its asset.

    Raises:
        BridgeError: See ``Shelf.keep``; ``bad_image``.
    """
    png = png_of_picture(picture, {RECIPE_TEXT: recipe.to_json()})
    workflow = json.dumps(preset.workflow) if preset is not None else ""
    return editor.shelf.keep(png, recipe.to_json(), view.to_json(), workflow)


def place(editor: Editor, choices: Choices, asset: str, view: View) -> None:
    """Show a result where the settings say.

    Raises:
        BridgeError: See ``Stage``.
    """
    if choices["to_blend"]:
        editor.stage.show_blend(asset, choices["overlay_opacity"], choices["overlay_split"])
    if choices["to_plate"]:
        editor.stage.show_plate(asset, view)
    if choices["to_decal"]:
        editor.stage.show_decal(asset, view)


def result_named(editor: Editor, asset: str = "") -> Kept:
    """Return the result of this path, or the newest.

    Raises:
        BridgeError: ``no_result``.
    """
    results = editor.shelf.results()
    found = next((kept for kept in results if asset in ("", kept.asset)), None)
    if found is None:
        raise BridgeError(
            f"{asset} is no result" if asset else "there is no result yet",
            code="no_result",
            hint="Generate a picture first.",
        )
    return found


def view_of(kept: Kept) -> View:
    """Return where a result was seen from.

    Raises:
        BridgeError: ``bad_view``.
    """
    return view_from_json(kept.view)
