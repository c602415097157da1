"""Pictures on their own: making, scaling, inverting, laying one over another. ComfyUI's meanings."""

from typing import Annotated, Literal

import torch
from torch.nn.functional import interpolate

from bridge.diffusion import Image, Mask
from bridge.graph import Range, node
from bridge.imaging import Method, center_crop, check_size, resize

Side = Annotated[int, Range(0, 16_384, 1)]


@node("EmptyImage", category="image")
def empty_image(
    width: Annotated[int, Range(1, 16_384, 1)] = 512,
    height: Annotated[int, Range(1, 16_384, 1)] = 512,
    batch_size: Annotated[int, Range(1, 4096, 1)] = 1,
    color: Annotated[int, Range(0, 0xFFFFFF, 1)] = 0,
) -> Image:
    """Make pictures of one colour, written as 0xRRGGBB."""
    check_size(width, height, batch_size)
    channels = torch.tensor([color >> 16 & 255, color >> 8 & 255, color & 255]) / 255
    return channels.repeat(batch_size, height, width, 1)


@node("ImageScale", category="image/upscaling")
def image_scale(
    image: Image,
    upscale_method: Method,
    width: Side = 512,
    height: Side = 512,
    crop: Literal["disabled", "center"] = "disabled",
) -> Image:
    """Scale pictures to a size; a side of 0 follows from the other, and both 0 leave them as they are."""
    if width == 0 and height == 0:
        return image
    have_height, have_width = image.shape[1:3]
    width = width or max(1, round(have_width * height / have_height))
    height = height or max(1, round(have_height * width / have_width))
    check_size(width, height, len(image))
    if crop == "center":
        image = torch.stack([torch.from_numpy(center_crop(each.numpy(), width, height)) for each in image])
    if upscale_method == "lanczos":
        return torch.stack(
            [torch.from_numpy(resize(each.numpy(), width, height, "lanczos")) for each in image]
        )
    return interpolate(image.movedim(-1, 1), (height, width), mode=upscale_method).movedim(1, -1)


@node("ImageInvert", category="image")
def image_invert(image: Image) -> Image:
    """Turn light into dark and every colour into its complement."""
    return 1.0 - image


@node("ImageCompositeMasked", category="image")
def image_composite_masked(
    destination: Image,
    source: Image,
    x: Side = 0,
    y: Side = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Image:
    """Lay one picture over another at a place, where the mask is white; what sticks out is cut off."""
    height, width = destination.shape[1:3]
    if resize_source:
        source = interpolate(source.movedim(-1, 1), (height, width), mode="bilinear").movedim(1, -1)
    source_height, source_width = source.shape[1:3]
    if mask is None:
        mask = torch.ones(1, source_height, source_width)
    weight = interpolate(
        mask.reshape(-1, 1, *mask.shape[-2:]), (source_height, source_width), mode="bilinear"
    )
    batch = len(destination)
    source, weight = _repeated(source, batch), _repeated(weight.movedim(1, -1), batch)
    bottom, right = max(0, min(source_height, height - y)), max(0, min(source_width, width - x))
    result = destination.clone()
    place = result[:, y : y + bottom, x : x + right]
    weight, source = weight[:, :bottom, :right], source[:, :bottom, :right]
    place.copy_(weight * source + (1 - weight) * place)
    return result


def _repeated(batch: torch.Tensor, count: int) -> torch.Tensor:
    """Repeat the pictures of a batch until there are so many."""
    return batch.repeat(-(-count // len(batch)), 1, 1, 1)[:count]
