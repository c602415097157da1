"""What ControlNets are told besides a picture: of which type it is, and where it is to be made anew."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion.fit import repeat_to
from bridge.diffusion.types import ControlNetwork
from bridge.errors import InputError

CONTROL_TYPES = (
    "openpose", "depth", "hed/pidi/scribble/ted", "canny/lineart/anime_lineart/mlsd", "normal", "segment",
    "tile", "repaint",
)  # fmt: skip
"""Types of pictures of a union ControlNet, in the order of its weights."""


def with_control_type(network: ControlNetwork, name: str) -> ControlNetwork:
    """Return a union ControlNet that takes pictures of a type; others, of one kind only, stay as they are.

    Args:
        network: As loaded.
        name: One of ``CONTROL_TYPES``, or ``auto`` for a picture of no type.

    Raises:
        InputError: If the union does not know the type.
    """
    if name == "auto" or not network.control_types:
        return replace(network, control_type=None)
    number = CONTROL_TYPES.index(name)
    if number >= network.control_types:
        known = ", ".join(CONTROL_TYPES[: network.control_types])
        raise InputError(
            f'{network.network.name} does not know the type "{name}"',
            hint=f'It knows {known}; "tile" and "repaint" come with the ProMax version.',
        )
    return replace(network, control_type=number)


def mark_masked(image: Tensor, mask: Tensor, value: float) -> Tensor:
    """Mark pixels that are to be made anew, for a ControlNet that was trained to fill them.

    Args:
        image: Shape (B, H, W, 3), range 0..1.
        mask: Shape (b, h, w); above a half, after it was resized to the image, pixels are marked.
        value: What marks them; −1 for ControlNet 1.1's inpainting, 0 for xinsir's unions.
    """
    fitted = interpolate(mask[:, None], size=image.shape[1:3], mode="bilinear")[:, 0]
    is_marked = repeat_to(fitted, len(image)) > 0.5
    return torch.where(is_marked[..., None], value, image)
