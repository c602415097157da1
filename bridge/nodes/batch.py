"""Batches of pictures: joining, repeating, picking, cutting into others."""

from typing import Annotated

import torch

from bridge.diffusion import Image, join_images, rebatch
from bridge.graph import ListOf, Range, Socket, node
from bridge.imaging import check_size

ImageList = Annotated[list[torch.Tensor], Socket("IMAGE"), ListOf()]
BatchSize = Annotated[int | list[int], Socket("INT"), Range(1, 4096, 1)]
"""A node that takes lists gets a list of its widget's values too."""


@node("ImageBatch", category="image", display_name="Batch Images")
def image_batch(image1: Image, image2: Image) -> Image:
    """Put pictures into one batch; the second ones are scaled and cropped to the first's size."""
    return join_images(image1, image2)


@node("RepeatImageBatch", category="image/batch")
def repeat_image_batch(image: Image, amount: Annotated[int, Range(1, 4096, 1)] = 1) -> Image:
    """Repeat a batch of pictures."""
    check_size(image.shape[2], image.shape[1], len(image) * amount)
    return image.repeat(amount, 1, 1, 1)


@node("ImageFromBatch", category="image/batch")
def image_from_batch(
    image: Image,
    batch_index: Annotated[int, Range(0, 4095, 1)] = 0,
    length: Annotated[int, Range(1, 4096, 1)] = 1,
) -> Image:
    """Pick pictures of a batch; an index beyond its end means the last."""
    start = min(len(image) - 1, batch_index)
    return image[start : start + length]


@node(
    "RebatchImages",
    category="image/batch",
    takes_lists=True,
    differs="Pictures of different sizes go into different batches; ComfyUI fails there.",
)
def rebatch_images(images: ImageList, batch_size: BatchSize = 1) -> ImageList:
    """Cut all pictures into batches of a size."""
    size = batch_size if isinstance(batch_size, int) else batch_size[0]
    return rebatch(images, size)
