# SPDX-License-Identifier: GPL-3.0-or-later
"""Which result lies over the viewports, through undo and redo, which take images away and bring them back."""

from __future__ import annotations

import bpy

from . import display
from .overlay import Overlay


class ShownResult:
    """The result that the overlay shows.

    Args:
        overlay: Shows other pictures, too; those of the live view are none of the history.
    """

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._name = ""  # a reference would not survive undo
        self._undone: list[str] = []
        self._has_to_follow = False

    def show(self, image: bpy.types.Image) -> None:
        """Show a result from now on.

        Raises:
            BridgeError: ``bad_view``.
        """
        self._undone.clear()
        if display.has_view(image):
            self._show(image)
        else:
            self.hide()

    def hide(self, image: bpy.types.Image | None = None) -> None:
        """Show nothing; of an image that is named, nothing if it is the one that is shown."""
        if image is None or image.name == self._name:
            self._overlay.clear()
            self.forget()

    def forget(self) -> None:
        """Note that what the overlay shows from now on is no result."""
        self._name = ""
        self._undone.clear()

    def note_undo(self) -> None:
        """Note that undo or redo was at work; for their handlers."""
        self._has_to_follow = True

    def tick(self, scene: bpy.types.Scene) -> None:
        """After an undo or redo, show what was shown then; of an image that is gone, nothing stays."""
        is_gone = bool(self._name) and self._name not in bpy.data.images
        if not self._has_to_follow and not is_gone:
            return
        self._has_to_follow = False
        images = {image.name: image for image in display.results()}
        if self._undone and self._undone[-1] in images:
            self._show(images[self._undone.pop()])
        elif self._name and self._name not in images:
            self._undone.append(self._name)
            before = display.looked_at(scene)
            if before is not None and display.has_view(before):
                self._show(before)
            else:
                self._name = ""
                self._overlay.clear()

    def _show(self, image: bpy.types.Image) -> None:
        self._name = image.name
        self._overlay.show(display.picture_rows(image), display.view_of(image))
