"""``--picture``: pictures that a preset or workflow wants besides the captured view."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.errors import InputError
from bridge.imaging import read_picture, to_bytes, to_plane
from bridge.protocol import Frame

REFERENCE = "reference"
"""What a picture without a name is."""

NAMES = ("color", REFERENCE)
"""How names of pictures begin: what a host shows, and what an artist chooses."""


def with_pictures(frame: Frame | None, pictures: Sequence[str]) -> Frame | None:
    """Return a frame with pictures added; they alone make one, too.

    Args:
        frame: The captured view, if there is one.
        pictures: ``FILE`` or ``NAME=FILE``; the name is that of the plane.

    Raises:
        InputError: ``bad_picture_name``, or why a file is no picture.
    """
    if not pictures:
        return frame
    planes = dict(frame.planes) if frame else {}
    for text in pictures:
        name, file = _named(text)
        planes[name] = to_plane(name, to_bytes(read_picture(file).image))
    return replace(frame, planes=planes) if frame else Frame(planes)


def _named(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or Path(text).is_file():
        return REFERENCE, Path(text)
    if not name.startswith(NAMES):
        raise InputError(
            f'"{name[:80]}" is no picture that a preset takes',
            code="bad_picture_name",
            hint="Name what the workflow asks for: reference=FILE, or color=FILE in place of the view.",
        )
    return name, Path(file)
