"""Tiles of self-attention; ComfyUI's numbers are in tests/parity, topic ``patches``."""

import torch

from bridge.diffusion import HyperTile
from bridge.diffusion.look import Look


def look(height: int, width: int, sigma: float = 1.0) -> Look:
    return Look(sigma, (False,), height, width)


def test_tiles_are_at_least_of_the_size_asked_for() -> None:
    assert HyperTile(tile_size=256, choices=1).tiling(look(64, 64), 64 * 64) == (2, 2, 32, 32)
    assert HyperTile(tile_size=200, choices=1).tiling(look(64, 64), 64 * 64) == (2, 2, 32, 32)


def test_small_and_coarse_levels_have_no_tiles() -> None:
    assert HyperTile(tile_size=512).tiling(look(64, 64), 64 * 64) is None
    assert HyperTile(tile_size=64).tiling(look(64, 64), 32 * 32) is None
    assert HyperTile(tile_size=64, depth=1).tiling(look(65, 65), 33 * 33) is None


def test_tiles_of_coarser_levels_grow() -> None:
    tiles = HyperTile(tile_size=128, choices=1, depth=1)
    assert tiles.tiling(look(64, 64), 32 * 32) == (2, 2, 16, 16)
    assert HyperTile(128, 1, 1, grows=True).tiling(look(64, 64), 32 * 32) is None


def test_a_noise_level_always_draws_the_same_of_several_tilings() -> None:
    tiles = HyperTile(tile_size=64, choices=4)
    levels = torch.linspace(0.1, 14, 40).tolist()
    drawn = [tiles.tiling(look(64, 64, sigma), 64 * 64) for sigma in levels]
    assert len(set(drawn)) > 1
    assert drawn == [tiles.tiling(look(64, 64, sigma), 64 * 64) for sigma in levels]
