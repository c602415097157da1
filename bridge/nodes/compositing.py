"""Pictures with alpha: joining, splitting, laying one over another."""

import torch

from bridge.diffusion import Image, Mask, match_channels, scale_image, scale_mask
from bridge.graph import node
from bridge.imaging import CompositeMode, porter_duff


@node("JoinImageWithAlpha", category="mask/compositing", display_name="Join Image with Alpha")
def join_image_with_alpha(image: Image, alpha: Mask) -> Image:
    """Make pictures transparent where a mask is white."""
    count = min(len(image), len(alpha))
    opacity = 1.0 - scale_mask(alpha[:count], image.shape[2], image.shape[1])
    return torch.cat((image[:count, ..., :3], opacity[..., None]), -1)


@node("SplitImageWithAlpha", category="mask/compositing", display_name="Split Image with Alpha")
def split_image_with_alpha(image: Image) -> tuple[Image, Mask]:
    """Part pictures into colour and a mask that is white where they are transparent."""
    transparency = 1.0 - image[..., 3] if image.shape[-1] > 3 else torch.zeros(image.shape[:3])
    return image[..., :3], transparency


@node(
    "PorterDuffImageComposite",
    category="mask/compositing",
    display_name="Porter-Duff Image Composite",
    differs="Where only one picture has alpha, the other is opaque; ComfyUI fails there.",
)
def porter_duff_image_composite(
    source: Image,
    source_alpha: Mask,
    destination: Image,
    destination_alpha: Mask,
    mode: CompositeMode = "DST",
) -> tuple[Image, Mask]:
    """Lay pictures over others; masks are white where they are transparent."""
    inputs = (source, source_alpha[..., None], destination, destination_alpha[..., None])
    count = min(map(len, inputs))
    height, width = destination.shape[1:3]
    fitted = [scale_image(each[:count], width, height, "bicubic", crops=True) for each in inputs]
    fitted[0], fitted[2] = match_channels(fitted[0], fitted[2])
    colour, alpha = porter_duff(
        fitted[0].numpy(), 1 - fitted[1].numpy(), fitted[2].numpy(), 1 - fitted[3].numpy(), mode
    )
    return torch.from_numpy(colour), 1 - torch.from_numpy(alpha)[..., 0]
