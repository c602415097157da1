"""Pictures on sockets: calling numpy on them, scaling them, bringing two of them together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from bridge.diffusion.fit import ScalingMethod, crop_to_shape, repeat_to, scale
from bridge.errors import InputError
from bridge.imaging import Method, check_size, resize

Array = NDArray[Any]


def each_picture(image: Tensor, change: Callable[[Array], Array]) -> Tensor:
    """Call a numpy function on each picture, or mask, of a batch.

    Args:
        image: Shape (B, …).
        change: From the array of one picture to another.
    """
    return torch.stack([torch.from_numpy(np.ascontiguousarray(change(each))) for each in image.numpy()])


def each_masked(image: Tensor, mask: Tensor, change: Callable[[Array, Array], Array]) -> Tensor:
    """Change the pictures of a batch one by one, each with its mask.

    Args:
        image: Shape (B, H, W, C), on the CPU; alpha is left away.
        mask: Shape (B', h, w); see ``fit_mask``.
        change: Takes a picture (H, W, 3) and a mask (H, W) of numpy.
    """
    masks = fit_mask(mask, image).numpy()
    pairs = zip(image[..., :3].numpy(), masks, strict=True)
    return torch.stack([torch.from_numpy(change(picture, mask)) for picture, mask in pairs])


def fit_mask(mask: Tensor, image: Tensor) -> Tensor:
    """Stretch masks to the size of pictures, and repeat them to be as many; shape (B, H, W)."""
    height, width = image.shape[1:3]
    return repeat_to(scale_mask(mask, width, height), len(image))


def scale_image(image: Tensor, width: int, height: int, method: Method, *, crops: bool = False) -> Tensor:
    """Scale pictures of shape (B, H, W, C) to (B, height, width, C).

    Args:
        image: Pictures; ``lanczos`` takes them to be 0..1, as it goes through 8 bits.
        width: Pixels.
        height: Pixels.
        method: How.
        crops: Whether to cut them to the new shape first, instead of stretching.

    Raises:
        InputError: ``image_too_large`` or ``image_too_small``.
    """
    check_size(width, height, len(image))
    planes = image.movedim(-1, 1)
    if method != "lanczos":
        return scale(planes, width, height, method, crops=crops).movedim(1, -1)
    pictures = (crop_to_shape(planes, width, height) if crops else planes).movedim(1, -1)
    return each_picture(pictures, lambda picture: resize(picture, width, height, method))


def scale_mask(mask: Tensor, width: int, height: int, method: ScalingMethod = "bilinear") -> Tensor:
    """Scale masks of shape (B, H, W) to (B, height, width)."""
    return scale(mask[:, None], width, height, method)[:, 0]


def join_images(first: Tensor, second: Tensor) -> Tensor:
    """Put the pictures of two batches into one, the second scaled and cropped to the first's size.

    Where only one batch has alpha, the other's pictures are opaque.

    Raises:
        InputError: ``image_too_large``.
    """
    height, width = first.shape[1:3]
    check_size(width, height, len(first) + len(second))
    return torch.cat(match_channels(first, scale_image(second, width, height, "bilinear", crops=True)))


def match_channels(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Give pictures without alpha an opaque one where the others have some; shapes (B, H, W, C)."""
    channels = max(first.shape[-1], second.shape[-1])
    return _with_channels(first, channels), _with_channels(second, channels)


def composite(
    destination: Tensor, source: Tensor, x: int, y: int, mask: Tensor | None = None, *, resizes: bool = False
) -> Tensor:
    """Lay planes over others at a place; what sticks out is cut off.

    Args:
        destination: Shape (B, C, H, W).
        source: Shape (b, C, h, w); a shorter batch goes round.
        x: Where its left edge lies, 0 or more.
        y: Where its upper edge lies, 0 or more.
        mask: How much of it is seen, shape (b, H', W'), fitted to the source; ``None`` for all of it.
        resizes: Whether to stretch the source to the destination first.

    Returns:
        Shape (B, C, H, W).

    Raises:
        InputError: If they have different channels.
    """
    check_channels(destination, source)
    height, width = destination.shape[2:]
    if resizes:
        source = scale(source, width, height, "bilinear")
    source_height, source_width = source.shape[2:]
    weight = torch.ones(1, 1, source_height, source_width)
    if mask is not None:
        weight = scale(mask[:, None], source_width, source_height, "bilinear")
    source, weight = repeat_to(source, len(destination)), repeat_to(weight, len(destination))
    return mix_in(destination, source, weight, x, y)


def mix_in(destination: Tensor, source: Tensor, weight: Tensor, x: int, y: int) -> Tensor:
    """Return a copy of the destination with the visible part of a source of the same batch mixed in."""
    rows, columns = (max(0, side - start) for side, start in zip(destination.shape[2:], (y, x), strict=True))
    source, weight = source[..., :rows, :columns], weight[..., :rows, :columns]
    result = destination.clone()
    place = result[..., y : y + source.shape[2], x : x + source.shape[3]]
    place.copy_(weight * source + (1 - weight) * place)
    return result


def check_channels(first: Tensor, second: Tensor) -> None:
    """Refuse planes (B, C, H, W) of different kinds.

    Raises:
        InputError: If they have different channels.
    """
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"latents of {first.shape[1]} and of {second.shape[1]} channels cannot be combined",
            hint="Combine latents of models that share a VAE.",
        )


def _with_channels(image: Tensor, channels: int) -> Tensor:
    return pad(image, (0, channels - image.shape[-1]), value=1.0)
