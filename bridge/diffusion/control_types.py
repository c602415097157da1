"""What ControlNets are told besides a picture: of which type it is, and where it is to be made anew."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion.fit import repeat_to, scale
from bridge.diffusion.types import Control, ControlNetwork
from bridge.errors import InputError
from bridge.models import Family

CONTROL_TYPES = (
    "openpose", "depth", "hed/pidi/scribble/ted", "canny/lineart/anime_lineart/mlsd", "normal", "segment",
    "tile", "repaint",
)  # fmt: skip
"""Types of pictures of a union ControlNet for SDXL, in the order of its weights."""

_SDXL_TYPES = {name: number for number, name in enumerate(CONTROL_TYPES)}
_FLUX_MODES = {"canny/lineart/anime_lineart/mlsd": 0, "tile": 1, "depth": 2, "openpose": 4}
"""Those that InstantX's union for Flux knows, too → their number there. Source: its model card."""


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
    known_to = _FLUX_MODES if Family.FLUX in network.families else _SDXL_TYPES
    known = {each: number for each, number in known_to.items() if number < network.control_types}
    if name not in known:
        more = "" if known_to is _FLUX_MODES else '; "tile" and "repaint" come with the ProMax version'
        raise InputError(
            f'{network.network.name} does not know the type "{name}"',
            hint=f"It knows {', '.join(known)}{more}.",
        )
    return replace(network, control_type=known[name])


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


def with_mask(control: Control, mask: Tensor) -> Control:
    """Tell a ControlNet what is to be made anew, and blacken that in its picture.

    Args:
        control: To be told; returned as it is if its network sees no mask.
        mask: Shape (b, h, w), range 0..1; fitted to the picture, and to the latents when sampling.
    """
    if not control.network.sees_mask:
        return control
    height, width = control.image.shape[1:3]
    stays = scale(1 - mask[:, None], width, height, "bilinear", crops=True).round().movedim(1, -1)
    count = max(len(control.image), len(stays))
    image = repeat_to(control.image, count) * repeat_to(stays, count)
    return replace(control, image=image, mask=mask)
