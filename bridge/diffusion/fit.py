"""Sizes and numbers of pictures that are to match: scaling, cropping to a shape, repeating a batch.

Everything here means what ComfyUI means by the same method, to the last digits of float32.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.engine import current_job
from bridge.imaging import check_size

ScalingMethod = Literal["nearest-exact", "bilinear", "area", "bicubic", "bislerp"]
"""Ways to scale planes; ``bislerp`` is for latents."""


def scale(planes: Tensor, width: int, height: int, method: ScalingMethod, *, crops: bool = False) -> Tensor:
    """Scale pictures or latents.

    Args:
        planes: Shape (B, C, H, W).
        width: Wanted.
        height: Wanted.
        method: Only ``area`` averages what a smaller picture has no room for.
        crops: Whether to cut them to the new shape first, instead of stretching.

    Returns:
        Shape (B, C, height, width).

    Raises:
        InputError: ``image_too_large`` or ``image_too_small``.
    """
    check_size(width, height, len(planes))
    if crops:
        planes = crop_to_shape(planes, width, height)
    if planes.shape[2:] == (height, width):
        return planes
    if method == "bislerp":
        return _stretch(_stretch(planes, width, 3), height, 2)
    return interpolate(planes, size=(height, width), mode=method)


def fit_picture(image: Tensor, height: int, width: int) -> Tensor:
    """Crop pictures to a shape around their centre, then resize them to it.

    Args:
        image: Shape (B, C, H, W).
        height: Wanted.
        width: Wanted.

    Returns:
        Shape (B, C, height, width); nearest pixels, so that edges stay edges.
    """
    return scale(image, width, height, "nearest-exact", crops=True)


def crop_to_shape(planes: Tensor, width: int, height: int) -> Tensor:
    """Cut planes to the shape of ``width`` × ``height``, equally on both sides, without resampling.

    Args:
        planes: Shape (B, C, H, W).
        width: Of the wanted shape; only the ratio counts.
        height: Of the wanted shape.
    """
    old_height, old_width = planes.shape[2:]
    old, new = old_width / old_height, width / height
    left = round((old_width - old_width * (new / old)) / 2) if old > new else 0
    top = round((old_height - old_height * (old / new)) / 2) if old < new else 0
    return planes[:, :, top : old_height - top, left : old_width - left]


def repeat_to(values: Tensor, count: int) -> Tensor:
    """Return the first ``count`` entries of a batch, going round as often as needed."""
    if len(values) == count:
        return values
    return values.repeat(-(-count // len(values)), *(1,) * (values.ndim - 1))[:count]


def warn_of_stretching(
    what: str, mask: Tensor, height: int, width: int, unit: int = 1, input_name: str = ""
) -> None:
    """Tell the client of a mask that is stretched more one way than the other, but for cropping and rounding.

    Args:
        what: What it is, for the message: ``the mask``.
        mask: Shape (…, H, W).
        height: To which it is stretched, in pixels.
        width: As ``height``.
        unit: How far a side may be off because it was cut to a multiple of it, in pixels.
        input_name: The input of the running node.
    """
    tall, wide = mask.shape[-2:]
    if abs(wide * height / tall - width) > unit + width / 100:
        current_job().warn(
            "mask_mismatch",
            f"{what} is {wide}×{tall}, and is stretched to the proportions of {width}×{height}",
            "Bring mask and picture to the same proportions first.",
            input_name,
        )


def _stretch(latents: Tensor, length: int, axis: int) -> Tensor:
    """Resample latents along one axis, turning from each place's direction to the next one's."""
    old = latents.shape[axis]
    places = ((torch.arange(length) + 0.5) * (old / length) - 0.5).clamp(0, old - 1)
    low = places.floor().long()
    high = (low + 1).clamp(max=old - 1)
    ratio = (places - low).reshape([-1 if dim == axis else 1 for dim in range(4)])
    return _slerp(latents.index_select(axis, low), latents.index_select(axis, high), ratio)


def _slerp(start: Tensor, end: Tensor, ratio: Tensor) -> Tensor:
    """Turn from one direction to another along the channels, with lengths in proportion.

    Equal directions give ``start``, opposite ones are mixed in a straight line. Source: Shoemake 1985, §3.3.
    """
    start_norm, end_norm = (each.norm(dim=1, keepdim=True) for each in (start, end))
    start_unit, end_unit = (start / start_norm).nan_to_num(), (end / end_norm).nan_to_num()
    cosine = (start_unit * end_unit).sum(1, keepdim=True)
    angle = cosine.acos()
    turned = ((1 - ratio) * angle).sin() * start_unit + (ratio * angle).sin() * end_unit
    turned = turned / angle.sin() * (start_norm * (1 - ratio) + end_norm * ratio)
    turned = torch.where(cosine > 1 - 1e-5, start, turned)
    return torch.where(cosine < 1e-5 - 1, start * (1 - ratio) + end * ratio, turned)
