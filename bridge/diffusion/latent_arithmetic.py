"""Sums and mixtures of latents: tensors of shape (B, C, h, w), the second brought to the first's shape."""

import torch
from torch import Tensor

from bridge.diffusion.fit import ScalingMethod, repeat_to, scale
from bridge.diffusion.pictures import check_channels, mix_in
from bridge.errors import InputError


def add_latents(first: Tensor, second: Tensor, weight: float = 1.0) -> Tensor:
    """Add a second to a first; a weight of −1 subtracts it.

    Raises:
        InputError: If they have different channels. So do the functions below.
    """
    return first + weight * repeat_to(matched(second, first), len(first))


def blend_latents(first: Tensor, second: Tensor, factor: float) -> Tensor:
    """Mix two: ``factor`` of the first, the rest of the second."""
    second = repeat_to(matched(second, first, "bicubic"), len(first))
    return first * factor + second * (1 - factor)


def interpolate_latents(first: Tensor, second: Tensor, ratio: float) -> Tensor:
    """Mix the directions and the lengths of two apart: ``ratio`` of the first, the rest of the second."""
    second = repeat_to(matched(second, first), len(first))
    lengths = [latents.norm(dim=1, keepdim=True) for latents in (first, second)]
    units = [
        (latents / length).nan_to_num() for latents, length in zip((first, second), lengths, strict=True)
    ]
    direction = units[0] * ratio + units[1] * (1 - ratio)
    direction = (direction / direction.norm(dim=1, keepdim=True)).nan_to_num()
    mixed: Tensor = direction * (lengths[0] * ratio + lengths[1] * (1 - ratio))
    return mixed


def lay_latents(destination: Tensor, source: Tensor, x: int, y: int, feather: int) -> Tensor:
    """Lay latents over others at a place; what sticks out is cut off.

    Args:
        destination: Where to.
        source: A shorter batch goes round.
        x: Where its left edge lies, in latents.
        y: Where its upper edge lies.
        feather: Over how many latents it fades in, at edges that do not lie on the destination's.
    """
    check_channels(destination, source)
    height, width = destination.shape[2:]
    source = repeat_to(source, len(destination))[:, :, : max(0, height - y), : max(0, width - x)]
    rows = _fading(source.shape[2], feather, y > 0, y + source.shape[2] < height)
    columns = _fading(source.shape[3], feather, x > 0, x + source.shape[3] < width)
    return mix_in(destination, source, rows[:, None] * columns, x, y)


def join_along(first: Tensor, second: Tensor, axis: int) -> Tensor:
    """Put a second batch of as many pictures behind a first.

    Args:
        first: Shape (B, C, h, w).
        second: Likewise.
        axis: −1 for side by side, −2 for one below the other, −3 for more channels.

    Raises:
        InputError: If other sides than the joined one differ.
    """
    others = [dim for dim in (-1, -2, -3) if dim != axis]
    if any(first.shape[dim] != second.shape[dim] for dim in others):
        sizes = " and ".join("×".join(map(str, each.shape[1:])) for each in (first, second))
        raise InputError(
            f"latents of {sizes} (channels×height×width) cannot be joined there",
            hint="Encode both with one VAE."
            if axis != -3 and first.shape[1] != second.shape[1]
            else "Scale one with LatentUpscale so that the sides that meet are equal.",
        )
    return torch.cat((first, second), dim=axis)


def cut_along(latents: Tensor, axis: int, start: int, length: int) -> Tensor:
    """Cut a piece out of latents; what lies outside of them is left out, but for the nearest place.

    Args:
        latents: Shape (B, C, h, w).
        axis: See ``join_along``.
        start: Where the piece begins; negative numbers count from the end.
        length: Of the piece, at least 1.
    """
    size = latents.shape[axis]
    first = min(start, size - 1) if start >= 0 else max(size + start, 0)
    return latents.narrow(axis, first, min(length, size - first))


def matched(latents: Tensor, like: Tensor, method: ScalingMethod = "bilinear") -> Tensor:
    """Scale and crop latents to the size of others.

    Raises:
        InputError: If they have different channels.
    """
    check_channels(like, latents)
    return scale(latents, like.shape[3], like.shape[2], method, crops=True)


def _fading(length: int, feather: int, fades_in: bool, fades_out: bool) -> Tensor:
    """Weights along one side: 1/n, 2/n … 1 from the edges that fade."""
    rising = ((torch.arange(length) + 1) / feather).clamp(max=1) if feather else torch.ones(length)
    weight = torch.ones(length)
    if fades_in:
        weight = weight * rising
    return weight * rising.flip(0) if fades_out else weight
