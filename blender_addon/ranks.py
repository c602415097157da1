# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects and materials a pixel shows, and to what share of it: pure numpy, no Blender.

Told in ranks, the largest share first, as Cryptomatte does it, so that the borders of masks are smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._bridge.protocol import MAX_NAMES, Names

RANKS = 2
"""Told of each pixel; three things that meet in one are rare, and the smallest of them is left out."""

MAX_LISTED = 2048
"""Names that are told though nothing of them is seen, so that a name can be told from a misspelt one."""


@dataclass(frozen=True)
class Ranked:
    """Numbers and shares, largest first.

    Args:
        numbers: uint16 (H, W, K); 0 is nothing.
        shares: uint8 (H, W, K); 255 is the whole pixel.
    """

    numbers: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class Identity:
    """What each pixel shows, by name.

    Args:
        names: What the numbers stand for.
        objects: Numbers of ``names.objects``; nothing if nobody asked for them.
        materials: Numbers of ``names.materials``; likewise.
    """

    names: Names
    objects: Ranked | None
    materials: Ranked | None


@dataclass(frozen=True)
class Samples:
    """A drawing of several samples a pixel, of which most are alike.

    Args:
        first: uint32 (H, W): the first sample of each pixel.
        rows: Of the pixels whose samples differ.
        columns: Of the same.
        mixed: uint32 (N, S): all samples of these.
    """

    first: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    mixed: np.ndarray

    def ranked(self, number_of: np.ndarray) -> Ranked:
        """Rank the numbers that samples stand for.

        Args:
            number_of: uint16: the number of each sample's value.
        """
        height, width = self.first.shape
        numbers = np.zeros((height, width, RANKS), np.uint16)
        shares = np.zeros((height, width, RANKS), np.uint8)
        numbers[..., 0] = number_of[self.first]
        shares[..., 0] = 255
        if len(self.mixed):
            ranks, counts = _most_frequent(number_of[self.mixed])
            numbers[self.rows, self.columns] = ranks
            shares[self.rows, self.columns] = np.rint(counts * (255 / self.mixed.shape[1]))
        return Ranked(numbers, shares)


def sampled(values: np.ndarray, side: int) -> Samples:
    """Find the pixels of a drawing whose samples differ.

    Args:
        values: uint32 (H · side, W · side).
        side: Samples along a side of a pixel.
    """
    first = np.ascontiguousarray(values[::side, ::side])
    differs = np.zeros(first.shape, bool)
    for row in range(side):
        for column in range(side):
            differs |= values[row::side, column::side] != first
    rows, columns = np.nonzero(differs)
    height, width = first.shape
    blocks = values.reshape(height, side, width, side)
    return Samples(first, rows, columns, blocks[rows, :, columns].reshape(len(rows), side * side))


def ranked_shares(numbers: np.ndarray, shares: np.ndarray) -> Ranked:
    """Turn ranks and shares of 0..1 into those of a frame.

    Args:
        numbers: Integers (H, W, K).
        shares: Floats (H, W, K).
    """
    return Ranked(numbers.astype(np.uint16), np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8))


def listed(seen: np.ndarray) -> np.ndarray:
    """Return which things to name: all of a few, of many those that are seen.

    Args:
        seen: bool (N): whether a thing is seen.

    Returns:
        uint16 (N + 1): the place of number n among the names, from 1; 0 for those left out, and for none.
    """
    chosen = seen if len(seen) > MAX_LISTED else np.ones(len(seen), bool)
    places = np.cumsum(chosen)
    places = np.where(chosen & (places <= MAX_NAMES), places, 0)
    return np.concatenate([[0], places]).astype(np.uint16)


def _most_frequent(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the most frequent values of each row, and how often they are there: (N, RANKS) each."""
    counts = (values[:, :, None] == values[:, None, :]).sum(2)
    ranks = np.zeros((len(values), RANKS), values.dtype)
    found = np.zeros((len(values), RANKS), np.int64)
    rows = np.arange(len(values))
    for rank in range(RANKS):
        best = counts.argmax(1)
        found[:, rank] = counts[rows, best]
        ranks[:, rank] = np.where(found[:, rank] > 0, values[rows, best], 0)
        counts[values == values[rows, best][:, None]] = 0
    return ranks, found
