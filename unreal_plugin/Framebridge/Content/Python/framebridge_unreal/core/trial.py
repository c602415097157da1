"""What Diagnose tries in the editor: a capture, and a texture in the content browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._bridge import protocol
from .._bridge.errors import BridgeError, Problem
from .._bridge.host.preset import Preset
from .._bridge.host.recipe import Recipe
from .capture import frame_of
from .pixels import png_of_picture

if TYPE_CHECKING:
    from .studio import Studio


class UnrealTrial:
    """The editor's side of Diagnose.

    Args:
        studio: Whose connection and editor are tried.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def connect(self) -> None:
        """Begin to connect."""
        self._studio.connect()

    def recipe(self) -> tuple[Recipe, Preset]:
        """Return what the panel asks for."""
        return self._studio.choices.recipe, self._studio.choices.preset

    def capture(self, side: int) -> tuple[protocol.Frame, str]:
        """Capture a square of what is looked from."""
        eye = self._studio.editor.eye
        view = eye.view(replace(self._studio.choices.look, size=(side, side)))
        return frame_of(eye.capture(view)), ""

    def write_back(self, picture: protocol.Plane) -> None:
        """Keep a picture, compare, and delete it again."""
        shelf, png = self._studio.editor.shelf, png_of_picture(picture)
        asset = shelf.keep(png, "", "", "")
        try:
            if shelf.picture(asset) != png:
                raise BridgeError("a texture's picture is not the one that was imported", code="bad_image")
        finally:
            shelf.delete(asset)

    def problem_from(self, error: Exception) -> Problem:
        """Describe an error."""
        return self._studio.problem_from(error)
