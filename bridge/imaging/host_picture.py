"""A picture that a host sends: what its viewport shows, or one that the artist chose."""

import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import Image
from bridge.imaging.colour import over, to_floats
from bridge.imaging.planes import decode_plane
from bridge.imaging.resize import latent_size, resize
from bridge.protocol import Frame


def host_picture(frame: Frame, name: str, width: int = 0, height: int = 0) -> Image:
    """Return one plane of a frame as a picture; unlike a capture it needs no depth.

    Args:
        frame: Of the host.
        name: ``color``, or a ``reference`` that the artist chose.
        width: Pixels; see ``latent_size``.
        height: Pixels; see ``latent_size``.

    Returns:
        float32 (H, W, 3), 0..1; transparent parts lie over grey.

    Raises:
        InputError: ``no_picture`` if the frame has no such plane; ``bad_plane`` if it is no picture.
    """
    if name not in frame.planes:
        raise InputError(
            f'no picture "{name}" came with the view',
            code="no_picture",
            hint=f"Choose one in the panel, or give it on the command line: --picture {name}=FILE.",
        )
    pixels = decode_plane(frame.planes[name])
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise InputError(
            f'the picture "{name}" has shape {pixels.shape} and type {pixels.dtype}, not (H, W, 3) and u8',
            code="bad_plane",
        )
    size = latent_size((pixels.shape[1], pixels.shape[0]), width, height)
    is_smaller = size[0] * size[1] < pixels.shape[0] * pixels.shape[1]
    return to_floats(resize(over(pixels), *size, "area" if is_smaller else "bilinear"))
