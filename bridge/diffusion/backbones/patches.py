"""Latents and the patches that transformers read them in."""

import torch
from torch import Tensor
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle


def padded(latents: Tensor, patch: int) -> Tensor:
    """Return latents (B, C, h, w) whose sides are whole patches, going round at the right and lower edge.

    Source: ComfyUI.
    """
    below, right = (-side % patch for side in latents.shape[2:])
    return pad(latents, (0, right, 0, below), mode="circular") if below or right else latents


def to_tokens(latents: Tensor, patch: int) -> Tensor:
    """Make a token of every patch: (B, C, h, w) → (B, h/p · w/p, C · p · p), row by row."""
    return pixel_unshuffle(latents, patch).flatten(2).mT


def to_latents(tokens: Tensor, rows: int, patch: int) -> Tensor:
    """Undo ``to_tokens`` for so many rows of patches."""
    return pixel_shuffle(tokens.mT.reshape(len(tokens), tokens.shape[2], rows, -1), patch)


def places(rows: int, columns: int, *, picture: int = 0, top: int = 0, left: int = 0) -> Tensor:
    """Return the positions of patches for rotary embeddings, (rows · columns, 3), float32, row by row.

    Args:
        rows: Of patches.
        columns: Of them.
        picture: Which one they belong to; the one being made is 0.
        top: Of the first row.
        left: Of the first column.
    """
    return torch.cartesian_prod(
        torch.tensor([float(picture)]),
        torch.arange(top, top + rows, dtype=torch.float32),
        torch.arange(left, left + columns, dtype=torch.float32),
    )
