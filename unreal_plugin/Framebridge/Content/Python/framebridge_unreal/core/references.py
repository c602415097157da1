"""The pictures that an artist chose for a preset: files that travel as they are, for the daemon to read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .._bridge.errors import BridgeError
from .._bridge.host.preset import Picture, Preset
from .._bridge.protocol import Frame, Plane
from .capture import color_plane
from .choices import Choices

LARGEST = 64 * 1024 * 1024
"""Bytes of a file."""


def with_references(frame: Frame, choices: Choices, preset: Preset) -> Frame:
    """Return a frame with the pictures that were chosen for a preset.

    Raises:
        BridgeError: ``no_picture`` if none is chosen, or it cannot be read; ``bad_picture`` if it is no PNG.
    """
    planes = {
        picture.name: _plane(picture, choices.picture(preset, picture.name)) for picture in preset.pictures
    }
    return replace(frame, planes={**frame.planes, **planes}) if planes else frame


def _plane(picture: Picture, file: str) -> Plane:
    if not file.strip():
        raise BridgeError(
            f"{picture.label} is empty: no picture is chosen",
            code="no_picture",
            hint=f"Type the path of a PNG file beside {picture.label}.",
        )
    path = Path(file.strip()).expanduser()
    try:
        if path.stat().st_size > LARGEST:
            raise BridgeError(
                f"{path.name} is larger than {LARGEST >> 20} MB",
                code="bad_picture",
                hint="Choose a smaller picture: what looks at it sees a few hundred pixels.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise BridgeError(
            f"{path} cannot be read: {error.strerror or error}",
            code="no_picture",
            hint="Choose another file.",
        ) from error
    try:
        return color_plane(picture.name, data)
    except BridgeError as error:
        raise BridgeError(
            f"{path.name} is no PNG file", code="bad_picture", hint="Save the picture as PNG."
        ) from error
