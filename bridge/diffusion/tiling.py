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
        overlap: How far tiles overlap, pixels; less than half the side.
    """

    side: int = 512
    overlap: int = 128

    def in_units(self, pixels: int) -> tuple[int, int]:
        """Return side and overlap in units of so many pixels; half the side stays more than the overlap."""
        side = max(2, self.side // pixels)
        return side, min(self.overlap // pixels, side // 2 - 1)


Place = tuple[slice, slice]
"""Rows and columns of a tile."""


def stepped_tiles(height: int, width: int, tile: int, overlap: int) -> Iterator[Place]:
    """Cover a plane with square tiles from its upper left, as ComfyUI places them.

    Each but the last of a row or column overlaps the next by just ``overlap``; the last may be smaller.
    """
    yield from itertools.product(_steps(height, tile, overlap), _steps(width, tile, overlap))


def three_tilings(height: int, width: int, tile: int, overlap: int) -> Iterator[list[Place]]:
    """Cover a plane three times: with squares, with low and wide tiles, and with high and narrow ones.

    All are of one area. What each tiling gives is to be averaged, as in ComfyUI: where one has a seam,
    the others seldom have.

    Args:
        height: Of the plane.
        width: Of the plane.
        tile: Side of the squares; the others have half of it and twice as much.
        overlap: Less than half of ``tile``.
    """
    half, double = tile // 2, tile * 2
    for rows, columns in ((tile, tile), (half, double), (double, half)):
        yield list(itertools.product(_steps(height, rows, overlap), _steps(width, columns, overlap)))


def _steps(length: int, tile: int, overlap: int) -> list[slice]:
    starts = range(0, length - overlap, tile - overlap) if length > tile else range(1)
    return [slice(start, min(start + tile, length)) for start in starts]


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
