"""Batches of latents: joining, repeating, picking, cutting into others."""

from typing import Annotated, Literal

from bridge.diffusion import (
    Latent,
    LatentBatch,
    join_latents,
    pick_latents,
    rebatch_latents,
    repeat_latents,
    set_seed_behaviour,
)
from bridge.graph import ListOf, Range, Socket, node

LatentList = Annotated[list[LatentBatch], Socket("LATENT"), ListOf()]
BatchSize = Annotated[int | list[int], Socket("INT"), Range(1, 4096)]
"""A node that takes lists gets a list of its widget's values too."""


@node("LatentBatch", category="latent/batch")
def latent_batch(samples1: Latent, samples2: Latent) -> Latent:
    """Put latents into one batch; the second ones are scaled and cropped to the first's size."""
    return join_latents(samples1, samples2)


@node("LatentBatchSeedBehavior", category="latent/advanced")
def latent_batch_seed_behavior(
    samples: Latent, seed_behavior: Literal["random", "fixed"] = "fixed"
) -> Latent:
    """Choose whether each picture of a batch gets noise of its own, or all the same."""
    return set_seed_behaviour(samples, is_fixed=seed_behavior == "fixed")


@node("RepeatLatentBatch", category="latent/batch", display_name="Repeat Latent Batch")
def repeat_latent_batch(samples: Latent, amount: Annotated[int, Range(1, 64)] = 1) -> Latent:
    """Repeat a batch of latents."""
    return repeat_latents(samples, amount)


@node("LatentFromBatch", category="latent/batch", display_name="Latent From Batch")
def latent_from_batch(
    samples: Latent, batch_index: Annotated[int, Range(0, 63)] = 0, length: Annotated[int, Range(1, 64)] = 1
) -> Latent:
    """Pick pictures of a batch, with the noise they had in it; an index beyond its end means the last."""
    return pick_latents(samples, batch_index, length)


@node("RebatchLatents", category="latent/batch", display_name="Rebatch Latents", takes_lists=True)
def rebatch_latents_node(latents: LatentList, batch_size: BatchSize = 1) -> LatentList:
    """Cut all latents into batches of a size; each picture keeps its noise and its mask."""
    return rebatch_latents(latents, batch_size if isinstance(batch_size, int) else batch_size[0])
