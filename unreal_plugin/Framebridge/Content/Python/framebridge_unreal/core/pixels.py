"""Pictures that come back, as PNG files: what an editor imports."""

from __future__ import annotations

from collections.abc import Mapping

from .._bridge.errors import InputError
from .._bridge.host.png import png_of
from .._bridge.protocol import Plane

UNFILTERED = b"\0"


def png_of_picture(picture: Plane, texts: Mapping[str, str] | None = None) -> bytes:
    """Return a picture as a PNG file.

    Args:
        picture: u8 (H, W, 3) or (H, W, 4), raw, sRGB, rows downwards.
        texts: Keyword → text, kept in the file.

    Raises:
        InputError: ``bad_image`` if it is none of that.
    """
    is_picture = len(picture.shape) == 3 and picture.shape[2] in (3, 4) and min(picture.shape) > 0
    data = bytes(picture.data)
    if not is_picture or picture.dtype != "u8" or picture.codec != "raw" or len(data) != picture.raw_bytes:
        raise InputError(
            f"what came back is no picture: {picture.shape} {picture.dtype}, {picture.codec}",
            code="bad_image",
            hint="The plugin and the daemon may be of different versions: update both.",
        )
    height, width, channels = picture.shape
    stride = width * channels
    rows = (data[start : start + stride] for start in range(0, len(data), stride))
    return png_of(width, height, b"".join(part for row in rows for part in (UNFILTERED, row)), texts)
