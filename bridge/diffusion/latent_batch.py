"""Batches of latents: joining, repeating, picking, cutting into others, with their masks and noise."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor

from bridge.diffusion.fit import repeat_to
from bridge.diffusion.latent_arithmetic import matched
from bridge.diffusion.networks import LATENT_FACTOR
from bridge.diffusion.pictures import scale_mask
from bridge.diffusion.types import LatentBatch
from bridge.imaging import check_size

T = TypeVar("T")


def latent_factor(batch: LatentBatch) -> int:
    """Return how many pixels one latent spans a side; Stable Diffusion's 8 where it is not known."""
    return batch.get("downscale_ratio_spacial", LATENT_FACTOR)


def with_samples(batch: LatentBatch, samples: Tensor) -> LatentBatch:
    """Return a batch with other latents, (B, C, h, w), and the rest as it was."""
    return {**batch, "samples": samples}


def join_latents(first: LatentBatch, second: LatentBatch) -> LatentBatch:
    """Put the latents of two batches into one, the second scaled and cropped to the first's size.

    Each picture keeps the noise it had in its own batch. The mask is the first's.

    Raises:
        InputError: If they have different channels; ``image_too_large``.
    """
    a, b = first["samples"], second["samples"]
    _check_count(first, len(a) + len(b))
    indices = (batch.get("batch_index", [*range(len(batch["samples"]))]) for batch in (first, second))
    joined = with_samples(first, torch.cat((a, matched(b, a))))
    return {**joined, "batch_index": [index for part in indices for index in part]}


def repeat_latents(batch: LatentBatch, times: int) -> LatentBatch:
    """Repeat a batch; each repetition of pictures with noise of their own gets noise further on.

    Raises:
        InputError: ``image_too_large``.
    """
    samples = batch["samples"]
    _check_count(batch, len(samples) * times)
    repeated = with_samples(batch, samples.repeat(times, 1, 1, 1))
    mask, indices = batch.get("noise_mask"), batch.get("batch_index")
    if mask is not None and len(mask) > 1:
        repeated["noise_mask"] = repeat_to(mask, len(samples)).repeat(times, 1, 1, 1)
    if indices is not None:
        step = max(indices) - min(indices) + 1
        repeated["batch_index"] = [index + step * turn for turn in range(times) for index in indices]
    return repeated


def pick_latents(batch: LatentBatch, start: int, length: int) -> LatentBatch:
    """Pick some pictures of a batch; they keep the noise they had in it.

    Args:
        batch: Of latents.
        start: First one's index; beyond the end the last is meant.
        length: How many, or as many as there are.
    """
    count = len(batch["samples"])
    start = min(count - 1, start)
    chosen = slice(start, min(count, start + length))
    picked = with_samples(batch, batch["samples"][chosen])
    picked["batch_index"] = batch.get("batch_index", [*range(count)])[chosen]
    if "noise_mask" in batch and len(batch["noise_mask"]) > 1:
        picked["noise_mask"] = repeat_to(batch["noise_mask"], count)[chosen]
    return picked


def set_seed_behaviour(batch: LatentBatch, *, is_fixed: bool) -> LatentBatch:
    """Give all pictures of a batch the same noise, or each its own."""
    first = batch.get("batch_index", [0])[0]
    result = with_samples(batch, batch["samples"])
    result.pop("batch_index", None)
    if is_fixed:
        result["batch_index"] = [first] * len(batch["samples"])
    return result


def rebatch_latents(batches: Sequence[LatentBatch], size: int) -> list[LatentBatch]:
    """Cut all latents into batches of at most a size; those next to each other must be of one shape.

    Args:
        batches: In order; each picture keeps its mask, and the noise it would have had in all of them.
        size: At least 1.
    """
    alike = groupby(_singles(batches), key=lambda single: (single["samples"].shape, latent_factor(single)))
    return [_joined(group) for _, run in alike for group in _chunks(list(run), size)]


def rebatch(images: Sequence[Tensor], size: int) -> list[Tensor]:
    """Cut all pictures, (B, H, W, C), into batches of at most a size; other shapes begin a new batch."""
    pictures = [picture for batch in images for picture in batch]
    alike = groupby(pictures, key=lambda picture: picture.shape)
    return [torch.stack(group) for _, run in alike for group in _chunks(list(run), size)]


def _singles(batches: Sequence[LatentBatch]) -> Iterator[LatentBatch]:
    """Yield each picture as a batch of its own, with a mask of its size and its number among all."""
    offset = 0
    for batch in batches:
        samples = batch["samples"]
        count, factor = len(samples), latent_factor(batch)
        height, width = (side * factor for side in samples.shape[2:])
        mask = batch.get("noise_mask", torch.ones(1, 1, height, width))
        masks = repeat_to(scale_mask(mask[:, 0], width, height)[:, None], count)
        indices = batch.get("batch_index", [*range(offset, offset + count)])
        offset += count
        for sample, each, index in zip(samples, masks, indices, strict=True):
            single = with_samples(batch, sample[None])
            yield {**single, "noise_mask": each[None], "batch_index": [index]}


def _joined(singles: Sequence[LatentBatch]) -> LatentBatch:
    """Put single pictures of one shape together; a mask that selects everything is none."""
    result = with_samples(singles[0], torch.cat([single["samples"] for single in singles]))
    result["batch_index"] = [single["batch_index"][0] for single in singles]
    result["noise_mask"] = torch.cat([single["noise_mask"] for single in singles])
    if bool((result["noise_mask"] == 1).all()):
        result.pop("noise_mask")
    return result


def _chunks(values: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _check_count(batch: LatentBatch, count: int) -> None:
    height, width = (side * latent_factor(batch) for side in batch["samples"].shape[2:])
    check_size(width, height, count)
