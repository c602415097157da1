"""Colour: bytes and floats, display and linear light, straight alpha."""

import numpy as np

from bridge.imaging.arrays import Array, Image, ImageBytes

AT_ONCE = 1 << 15
"""Values that are turned into bytes at once, or a row: what a core's own cache holds."""

GREY = 0.5
"""What shows through where a picture is transparent, unless the caller says otherwise."""


def to_bytes(image: Array) -> ImageBytes:
    """Turn 0..1 into 0..255, rounding to the nearest; values outside are clipped, NaN becomes 0.

    Args:
        image: Any shape, float, 0..1.

    Returns:
        Same shape, u8. ``to_bytes(to_floats(x)) == x`` for every u8 array.
    """
    return _to_bytes(image, 0.5)


def cut_to_bytes(image: Array) -> ImageBytes:
    """Turn 0..1 into 0..255, cutting off what lies between two values, as the files of ComfyUI do.

    Args:
        image: Any shape, float, 0..1; values outside are clipped, NaN becomes 0.

    Returns:
        Same shape, u8. ``cut_to_bytes(to_floats(x)) == x`` for every u8 array.
    """
    return _to_bytes(image, 0.0)


def _to_bytes(image: Array, rounding: float) -> ImageBytes:
    """Scale, clip and cut off, a few rows at a time: fresh memory costs more than what is done in it."""
    result = np.empty(image.shape, np.uint8)
    rows = max(1, AT_ONCE * len(image) // max(1, image.size))
    for start in range(0, len(image), rows):
        piece = image[start : start + rows] * np.float32(255)
        piece += np.float32(rounding)
        np.clip(piece, 0, 255, out=piece)
        if np.isnan(piece.min(initial=0)):  # one NaN is enough
            np.nan_to_num(piece, copy=False)
        result[start : start + rows] = piece
    return result


def to_floats(image: Array) -> Image:
    """Turn u8 or u16 of full range into float32, 0..1; floats pass.

    Args:
        image: Any shape, u8, u16 or float.
    """
    if image.dtype == np.uint8:
        return image * np.float32(1 / 255)
    if image.dtype == np.uint16:
        return image * np.float32(1 / 65535)
    return image.astype(np.float32, copy=False)


def srgb_to_linear(image: Image) -> Image:
    """Turn display-referred sRGB into linear light.

    Args:
        image: Any shape, float, 0..1.

    Source: IEC 61966-2-1.
    """
    high = ((image + 0.055) / 1.055) ** 2.4
    return np.where(image <= 0.04045, image / 12.92, high).astype(np.float32)


def linear_to_srgb(image: Image) -> Image:
    """Turn linear light into display-referred sRGB; values outside 0..1 are clipped first.

    Args:
        image: Any shape, float, linear with Rec. 709 primaries.

    Source: IEC 61966-2-1.
    """
    light = np.clip(image, 0.0, 1.0)
    high = 1.055 * light ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, high).astype(np.float32)


def over(image: ImageBytes, background: float = GREY) -> ImageBytes:
    """Lay a picture with straight alpha over a plain grey; one without alpha passes.

    Blended in display space, as a viewport shows it.

    Args:
        image: Shape (H, W, 3) or (H, W, 4), u8.
        background: The grey, 0..1.

    Returns:
        Shape (H, W, 3), u8.
    """
    if image.shape[2] == 3:
        return image
    colour, alpha = image[..., :3], image[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(colour)
    weight = to_floats(alpha)
    return to_bytes(to_floats(colour) * weight + np.float32(background) * (1 - weight))


def rgb_to_ycbcr(image: Image) -> Image:
    """Part brightness from colour: Y, Cb and Cr, with no colour at 0.5.

    Args:
        image: Shape (…, 3), 0..1, sRGB.

    Source: ITU-R BT.601, full range, with factors of three digits as kornia and OpenCV have them.
    """
    red, green, blue = np.moveaxis(image, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (blue - luma) * 0.564 + 0.5, (red - luma) * 0.713 + 0.5], axis=-1)


def ycbcr_to_rgb(image: Image) -> Image:
    """Undo ``rgb_to_ycbcr``.

    Args:
        image: Shape (…, 3): Y, Cb, Cr.

    Returns:
        The same shape, clipped to 0..1.
    """
    luma, blueness, redness = np.moveaxis(image - np.array([0, 0.5, 0.5], np.float32), -1, 0)
    red, blue = luma + redness / 0.713, luma + blueness / 0.564
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    colour: Image = np.clip(np.stack([red, green, blue], axis=-1), 0, 1)
    return colour


def channels_of(color: int) -> tuple[int, int, int]:
    """Part a colour written as 0xRRGGBB into red, green and blue, 0..255."""
    return color >> 16 & 255, color >> 8 & 255, color & 255
