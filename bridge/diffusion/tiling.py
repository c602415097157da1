"""Working on a large picture piece by piece, with seams blended away."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor


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


class Blend:
    """Puts overlapping tiles together; each fades out towards its inner borders.

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
        height, width = self._weight.shape
        weight = _ramp(rows, height, self._overlap)[:, None] * _ramp(columns, width, self._overlap)
        self._sum[..., rows, columns] += tile.float().cpu() * weight
        self._weight[rows, columns] += weight

    @property
    def result(self) -> Tensor:
        """The whole, once every place was covered."""
        return self._sum / self._weight


def _ramp(span: slice, length: int, overlap: int) -> Tensor:
    """Weights along one side: 1 inside, falling linearly to the borders that another tile covers too."""
    positions = torch.arange(span.start, span.stop, dtype=torch.float32)
    ramp = torch.ones_like(positions)
    if span.start > 0:
        ramp = torch.minimum(ramp, (positions - span.start + 1) / (overlap + 1))
    if span.stop < length:
        ramp = torch.minimum(ramp, (span.stop - positions) / (overlap + 1))
    return ramp
