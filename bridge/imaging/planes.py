"""Planes of the wire and arrays of numpy, both ways."""

import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import DTYPES, Array
from bridge.imaging.exr_plane import unpack_exr
from bridge.imaging.picture import open_picture
from bridge.protocol import Plane

_FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}


def decode_plane(plane: Plane) -> Array:
    """Unpack a plane.

    Returns:
        An array of the plane's shape and dtype; a raw plane is not copied, and read-only.

    Raises:
        InputError: ``size_mismatch`` where the bytes are more, less or of another size than described;
            ``bad_image`` where a codec cannot read them.
    """
    if plane.codec == "raw":
        return _raw(plane)
    if plane.codec == "exr":
        return unpack_exr(plane)
    picture = open_picture(plane.data, (_FORMATS[plane.codec],), f"plane {plane.name!r}")
    height, width = plane.shape[:2]
    if picture.size != (width, height):
        found = f"{picture.size[0]}×{picture.size[1]}"
        raise InputError(
            f"plane {plane.name!r} is described as {width}×{height}, its {plane.codec} is {found}",
            code="size_mismatch",
        )
    if picture.mode == "RGBA" and plane.shape[2:] == (3,):  # a captured alpha that means nothing
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    if pixels.shape != plane.shape or pixels.dtype != DTYPES[plane.dtype]:
        raise InputError(
            f"plane {plane.name!r} is described as {plane.shape} {plane.dtype}, "
            f"its {plane.codec} holds {pixels.shape} {pixels.dtype}",
            code="size_mismatch",
        )
    return pixels


def to_plane(name: str, array: Array, near: float | None = None, far: float | None = None) -> Plane:
    """Describe an array as a raw plane; copied only where it is not contiguous.

    Args:
        name: ``color``, ``depth``, ``image`` …
        array: Shape (H, W) or (H, W, C), of a dtype in ``DTYPES``; floats of 64 bits become 32.
        near: Metres, for depth as u16.
        far: Metres, for depth as u16.

    Raises:
        InputError: ``bad_plane`` where no plane can hold such an array.
    """
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    little = array.dtype.newbyteorder("<")
    dtype = next((key for key, known in DTYPES.items() if known == little), None)
    if dtype is None or array.ndim not in (2, 3) or not array.size:
        raise InputError(
            f"{name!r} of shape {array.shape} and type {array.dtype} cannot be a plane",
            code="bad_plane",
            hint=f"Planes have shape (H, W) or (H, W, C) and hold {', '.join(DTYPES)}.",
        )
    packed = np.ascontiguousarray(array, little)
    return Plane(name, packed.shape, dtype, packed.data.cast("B"), near=near, far=far)


def _raw(plane: Plane) -> Array:
    if len(plane.data) != plane.raw_bytes:
        raise InputError(
            f"plane {plane.name!r} of shape {plane.shape} as {plane.dtype} is {plane.raw_bytes} B, "
            f"but {len(plane.data)} B came",
            code="size_mismatch",
        )
    return np.frombuffer(plane.data, DTYPES[plane.dtype]).reshape(plane.shape)
