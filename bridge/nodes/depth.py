"""Depth guessed from a picture, under the name of the pack that most workflows use."""

from typing import Annotated, Any, Literal

import torch

from bridge.diffusion import Image, folder_stamps
from bridge.diffusion.depth_anything import estimate_depth
from bridge.graph import Omissible, Range, node
from bridge.imaging import to_bytes, to_floats, to_resolution

Checkpoint = Literal[
    "depth_anything_v2_vitg.pth",
    "depth_anything_v2_vitl.pth",
    "depth_anything_v2_vitb.pth",
    "depth_anything_v2_vits.pth",
]


def depth_stamp(ckpt_name: str = "", resolution: int = 0) -> Any:
    """Return what changes when a network of the depth folder does."""
    return folder_stamps("depth")


@node(
    "DepthAnythingV2Preprocessor",
    category="ControlNet Preprocessors/Normal and Depth Estimators",
    display_name="Depth Anything V2 - Relative",
    fingerprint=depth_stamp,
    differs="Nothing is downloaded: depth/ must have the network, as a safetensors file of that name.",
)
async def depth_anything_v2(
    image: Image,
    ckpt_name: Annotated[Checkpoint, Omissible()] = "depth_anything_v2_vitl.pth",
    resolution: Annotated[int, Range(64, 16_384, 64), Omissible()] = 512,
) -> Image:
    """Guess depth, bright where near, in a picture whose shorter side has the resolution."""
    depth = await estimate_depth(image[..., :3], ckpt_name)
    grey = depth[..., None].expand(-1, -1, -1, 3).numpy()
    return torch.stack(
        [torch.from_numpy(to_floats(to_resolution(to_bytes(each), resolution))) for each in grey]
    )
