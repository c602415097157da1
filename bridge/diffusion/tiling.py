"""Working on a large picture piece by piece, with seams blended away."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a picture is cut into tiles.

    Args:
        side: Of a tile, pixels.
        overlap: How far tiles overlap, pixels; less than the side.
    """

    side: int = 512
    overlap: int = 128

    def in_units(self, pixels: int) -> tuple[int, int]:
        """Return side and overlap in units of so many pixels."""
        return self.side // pixels, self.overlap // pixels


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Cover a length with pieces of one size that overlap by at least some amount.

    Args:
        length: At least 1.
        tile: Size of a piece; a shorter length is covered by one piece of its own size.
        overlap: Less than ``tile``.

    Returns:
        (start, stop) pairs in order, evenly spread, together covering 0..length.
    """
    if length <= tile:
        return [(0, length)]
    count = -((overlap - length) // (tile - overlap))
    starts = [round(index * (length - tile) / (count - 1)) for index in range(count)]
    return [(start, start + tile) for start in starts]


def tiles(height: int, width: int, tile: int, overlap: int) -> Iterator[tuple[slice, slice]]:
    """Cover a plane with tiles; yields (rows, columns)."""
    for rows, columns in itertools.product(spans(height, tile, overlap), spans(width, tile, overlap)):
        yield slice(*rows), slice(*columns)


def stepped_tiles(height: int, width: int, tile: int, overlap: int) -> Iterator[tuple[slice, slice]]:
    """Cover a plane with tiles from its upper left, as ComfyUI places them; yields (rows, columns).

    Each but the last of a row or column overlaps the next by just ``overlap``; the last may be smaller.
    """

    def steps(length: int) -> list[slice]:
        starts = range(0, length - overlap, tile - overlap) if length > tile else range(1)
        return [slice(start, min(start + tile, length)) for start in starts]

    yield from itertools.product(steps(height), steps(width))


class Blend:
    """Puts overlapping tiles together as ComfyUI does; each fades out towards its borders.

    Weights are divided by their sum, so where only one tile reaches, fading changes nothing.

    Args:
        shape: (B, C, H, W) of the whole.
        overlap: Pixels over which tiles fade.
    """

    def __init__(self, shape: tuple[int, int, int, int], overlap: int) -> None:
        self._sum = torch.zeros(shape)
        self._weight = torch.zeros(shape[2:])
        self._overlap = overlap

    def add(self, tile: Tensor, rows: slice, columns: slice) -> None:
        """Add a tile (B, C, h, w) at its place."""
        height, width = tile.shape[2:]
        weight = _ramp(height, self._overlap)[:, None] * _ramp(width, self._overlap)
        self._sum[..., rows, columns] += tile.float().cpu() * weight
        self._weight[rows, columns] += weight

    @property
    def result(self) -> Tensor:
        """The whole, once every place was covered."""
        return self._sum / self._weight


def _ramp(length: int, overlap: int) -> Tensor:
    """Weights along one side of a tile: 1 inside, falling linearly to both borders."""
    rising = ((torch.arange(length) + 1) / max(overlap, 1)).clamp(max=1)
    return rising * rising.flip(0)
