"""Masks: making, shaping and combining them, and turning them into pictures and back."""

from typing import Annotated, Literal, get_args

import torch

from bridge.diffusion import Image, Mask, each_picture, repeat_to
from bridge.errors import InputError
from bridge.graph import EditorOption, Range, node
from bridge.imaging import MaskOperation, channels_of, check_size, combine_masks, feather_mask
from bridge.imaging import grow_mask as grow

Side = Annotated[int, Range(0, 16_384, 1)]
PositiveSide = Annotated[int, Range(1, 16_384, 1)]
Fraction = Annotated[float, Range(0.0, 1.0, 0.01)]
Channel = Literal["red", "green", "blue", "alpha"]


@node("MaskToImage", category="mask", display_name="Convert Mask to Image")
def mask_to_image(mask: Mask) -> Image:
    """Show a mask as a grey picture."""
    return _batch(mask)[..., None].repeat(1, 1, 1, 3)


@node("ImageToMask", category="mask", display_name="Convert Image to Mask")
def image_to_mask(image: Image, channel: Channel) -> Mask:
    """Take one channel of pictures as a mask."""
    index = get_args(Channel).index(channel)
    if index >= image.shape[-1]:
        raise InputError(
            "the picture has no alpha channel",
            input_name="channel",
            hint="Choose another channel, or take the mask that LoadImage gives.",
        )
    return image[..., index]


@node("ImageColorToMask", category="mask")
def image_color_to_mask(
    image: Image, color: Annotated[int, Range(0, 0xFFFFFF, 1), EditorOption("display", "color")] = 0
) -> Mask:
    """Select the pixels of exactly one colour, written as 0xRRGGBB."""
    wanted = torch.tensor(channels_of(color))
    return (image[..., :3].clamp(0, 1).mul(255).round() == wanted).all(-1).float()


@node("SolidMask", category="mask")
def solid_mask(value: Fraction = 1.0, width: PositiveSide = 512, height: PositiveSide = 512) -> Mask:
    """Make a mask that is the same everywhere."""
    check_size(width, height)
    return torch.full((1, height, width), value)


@node("InvertMask", category="mask")
def invert_mask(mask: Mask) -> Mask:
    """Select what was not selected."""
    return 1.0 - mask


@node(
    "CropMask",
    category="mask",
    differs="A rectangle outside is an error; ComfyUI gives an empty mask.",
)
def crop_mask(
    mask: Mask, x: Side = 0, y: Side = 0, width: PositiveSide = 512, height: PositiveSide = 512
) -> Mask:
    """Cut out a rectangle; what would lie outside the mask is left away."""
    mask = _batch(mask)
    if x >= mask.shape[2] or y >= mask.shape[1]:
        raise InputError(
            f"the rectangle begins at {x}, {y}, outside a mask of {mask.shape[2]}×{mask.shape[1]}",
            hint="Choose a smaller x and y.",
        )
    return mask[:, y : y + height, x : x + width]


@node("MaskComposite", category="mask")
def mask_composite(
    destination: Mask, source: Mask, x: Side = 0, y: Side = 0, operation: MaskOperation = "multiply"
) -> Mask:
    """Combine a mask with another that lies at a place on it; what sticks out is left away."""
    destination, source = _batch(destination), _batch(source)
    height, width = destination.shape[1:]
    source = repeat_to(source, len(destination))[:, : max(0, height - y), : max(0, width - x)]
    result = destination.clone()
    place = result[:, y : y + source.shape[1], x : x + source.shape[2]]
    place.copy_(torch.from_numpy(combine_masks(place.numpy(), source.numpy(), operation)))
    return result.clamp(0, 1)


@node("FeatherMask", category="mask")
def feather_mask_node(mask: Mask, left: Side = 0, top: Side = 0, right: Side = 0, bottom: Side = 0) -> Mask:
    """Fade a mask out towards its edges."""
    return each_picture(_batch(mask), lambda each: feather_mask(each, left, top, right, bottom))


@node("GrowMask", category="mask")
def grow_mask(
    mask: Mask, expand: Annotated[int, Range(-16_384, 16_384, 1)] = 0, tapered_corners: bool = True
) -> Mask:
    """Widen what is selected by so many pixels; a negative number shrinks it."""
    return each_picture(_batch(mask), lambda each: grow(each, expand, tapers=tapered_corners))


@node("ThresholdMask", category="mask")
def threshold_mask(mask: Mask, value: Fraction = 0.5) -> Mask:
    """Make a mask black and white: white where it is above a value."""
    return (mask > value).float()


def _batch(mask: Mask) -> Mask:
    """Return a mask of a pack, which may have a channel (B, 1, H, W) or no batch (H, W), as one of ours."""
    return mask.reshape(-1, *mask.shape[-2:])
