"""Planes of the wire as small files, for clients that show them without unpacking anything."""

from dataclasses import replace

import cv2

from bridge.imaging.planes import decode_plane
from bridge.protocol import Plane

JPEG_QUALITY = 90
PNG_LEVEL = 1
"""zlib's level; see ``encode_png``."""

_OPTIONS = {
    "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]),
    "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]),
}


def packed(plane: Plane, codec: str) -> Plane:
    """Return a raw picture as a file; any other plane as it is.

    Args:
        plane: ``color``, ``image`` or ``preview``: u8, shape (H, W, 3) or (H, W, 4).
        codec: ``jpeg``, which has no alpha, or ``png``.
    """
    if plane.codec != "raw":
        return plane
    pixels = decode_plane(plane)
    has_alpha = pixels.shape[2] == 4 and codec == "png"
    turned = cv2.cvtColor(pixels[..., : 4 if has_alpha else 3], _BLUE_FIRST[has_alpha])
    suffix, options = _OPTIONS[codec]
    _, data = cv2.imencode(suffix, turned, options)
    height, width = plane.shape[:2]
    return replace(plane, data=data.tobytes(), codec=codec, shape=(height, width, 4 if has_alpha else 3))


_BLUE_FIRST = {False: cv2.COLOR_RGB2BGR, True: cv2.COLOR_RGBA2BGRA}
