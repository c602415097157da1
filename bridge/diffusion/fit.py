"""Fitting pictures to latents: size, crop and batch as ComfyUI does it."""

from torch import Tensor
from torch.nn.functional import interpolate


def fit_picture(image: Tensor, height: int, width: int) -> Tensor:
    """Crop pictures to a shape around their centre, then resize them to it.

    Args:
        image: Shape (B, C, H, W).
        height: Wanted.
        width: Wanted.

    Returns:
        Shape (B, C, height, width); nearest pixels, so that edges stay edges.
    """
    old_height, old_width = image.shape[2:]
    top = left = 0
    if old_width * height > width * old_height:
        left = round((old_width - old_height * width / height) / 2)
    elif old_width * height < width * old_height:
        top = round((old_height - old_width * height / width) / 2)
    cropped = image[:, :, top : old_height - top, left : old_width - left]
    if cropped.shape[2:] == (height, width):
        return cropped
    return interpolate(cropped, size=(height, width), mode="nearest-exact")


def repeat_to(values: Tensor, count: int) -> Tensor:
    """Return the first ``count`` entries of a batch, going round as often as needed."""
    if len(values) == count:
        return values
    return values.repeat(-(-count // len(values)), *(1,) * (values.ndim - 1))[:count]
