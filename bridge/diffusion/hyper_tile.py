"""HyperTile: self-attention within tiles of the picture, which is faster for large ones.

Source: github.com/tfernd/HyperTile. As in ComfyUI, the places of the n-th tile look at the n-th of as many
strips of rows, not at their own tile.
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from bridge.diffusion.look import Look, current_look
from bridge.diffusion.patching import require_unet, twin_of, variant
from bridge.diffusion.types import DiffusionModel

_SMALLEST = 32
_LATENT_FACTOR = 8


@dataclass(frozen=True, slots=True)
class HyperTile:
    """How attention is tiled.

    Args:
        tile_size: Least length of a tile's side, in pixels.
        choices: Among how many tilings one is drawn at each noise level.
        depth: How many levels of the UNet are tiled besides the finest.
        grows: Whether tiles cover as much of the latents at every level as at the finest of all.
    """

    tile_size: int = 256
    choices: int = 2
    depth: int = 0
    grows: bool = False

    def tiling(self, look: Look, places: int) -> tuple[int, int, int, int] | None:
        """Return rows and columns of tiles, and height and width of a tile; ``None`` for no tiles.

        Args:
            look: At latents of which size.
            places: How many an attention sees; levels that do not halve the latents evenly have no tiles.
        """
        sizes = [(look.height / 2**level) * (look.width / 2**level) for level in range(self.depth + 1)]
        if places not in sizes:
            return None
        ratio = look.width / look.height
        # Sides are taken for each other, as in ComfyUI: tiles of pictures that are no squares are strips.
        height, width = round(math.sqrt(places * ratio)), round(math.sqrt(places / ratio))
        least = max(_SMALLEST, self.tile_size) // _LATENT_FACTOR
        if self.grows:
            least *= 2 ** sizes.index(places)
        chance = torch.Generator().manual_seed(round(look.sigma * 1e6) + places)
        rows, columns = (self._parts(length, least, chance) for length in (height, width))
        return (rows, columns, height // rows, width // columns) if rows * columns > 1 else None

    def _parts(self, length: int, least: int, chance: torch.Generator) -> int:
        """Return into how many parts a side is cut."""
        least = min(least, length)
        parts = [length // part for part in range(least, length + 1) if length % part == 0][: self.choices]
        # The last one is never drawn in ComfyUI.
        return parts[int(torch.randint(0, max(len(parts) - 1, 1), (1,), generator=chance))]


def add_hyper_tile(model: DiffusionModel, tiles: HyperTile) -> DiffusionModel:
    """Return a model whose self-attention is tiled; an ``UnsupportedModel`` error if it is no UNet."""
    require_unet(model, "HyperTile")
    return replace(model, unet=variant(model.unet, "HyperTile", partial(_tiled, tiles=tiles)))


def _tiled(unet: Any, tiles: HyperTile) -> Any:
    paths = [name for name, _ in unet.named_modules() if name.endswith(".attn1")]
    twin = twin_of(unet, [f"{path}.processor" for path in paths])
    for path in paths:
        attention = twin.get_submodule(path)
        attention.processor = _TiledAttention(tiles, attention.processor)
    return twin


@dataclass(frozen=True, slots=True)
class _TiledAttention:
    """An attention processor; where there are no tiles, the one before it is asked."""

    tiles: HyperTile
    plain: Any

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        batch, places, channels = hidden_states.shape
        tiling = self.tiles.tiling(current_look(), places)
        if tiling is None:
            plain: Tensor = self.plain(attn, hidden_states, *args, **kwargs)
            return plain
        rows, columns, height, width = tiling
        count = batch * rows * columns
        tiled = hidden_states.view(batch, rows, height, columns, width, channels).transpose(2, 3)
        query, key, value = (
            each.reshape(count, height * width, attn.heads, -1).transpose(1, 2)
            for each in (attn.to_q(tiled), attn.to_k(hidden_states), attn.to_v(hidden_states))
        )
        out = scaled_dot_product_attention(query, key, value).transpose(1, 2)
        out = out.reshape(batch, rows, columns, height, width, channels).transpose(2, 3)
        tiles_out: Tensor = attn.to_out[0](out.reshape(batch, places, channels))
        return tiles_out
