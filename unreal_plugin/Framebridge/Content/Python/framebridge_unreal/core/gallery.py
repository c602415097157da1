"""Pictures that only the panel shows, as files: previews, control maps, the live view."""

from __future__ import annotations

from pathlib import Path

from .._bridge.errors import BridgeError
from .._bridge.host.png import write_file
from .._bridge.protocol import Plane
from .items import Picture
from .pixels import png_of_picture


class Gallery:
    """The newest picture of each name.

    Args:
        folder: Of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: dict[str, int] = {}
        self._serial = 0

    def show(self, name: str, picture: Plane) -> None:
        """Show a picture; an odd one, or a full disk, is no reason to lose what it is a preview of."""
        try:
            write_file(self.file(name), png_of_picture(picture))
        except (BridgeError, OSError):
            return
        self._serial += 1
        self._shown[name] = self._serial

    def drop(self, name: str) -> None:
        """Show it no more."""
        self._shown.pop(name, None)

    def clear(self) -> None:
        """Show nothing any more."""
        self._shown.clear()

    def item(self, name: str, width: int = 256) -> Picture | None:
        """Return the picture as an item of the panel, if it is shown."""
        serial = self._shown.get(name)
        return Picture(str(self.file(name)), serial, width) if serial is not None else None

    def file(self, name: str) -> Path:
        """Return where the picture of this name is."""
        return self._folder / f"{name}.png"
