"""Edge pictures for ControlNets, under the names of the pack that most workflows use."""

from typing import Annotated, Literal

import numpy as np
import torch

from bridge.diffusion import Image
from bridge.diffusion.hed import soft_edges
from bridge.graph import Omissible, Range, node
from bridge.imaging import canny_of_photo, in_steps, padded, scribble, to_bytes, to_resolution

LINES = "ControlNet Preprocessors/Line Extractors"
DIFFERS = "HED's weights are another training than the pack's, so edges differ in strength."

Threshold = Annotated[int, Range(0, 255, 1), Omissible()]
Resolution = Annotated[int, Range(64, 16_384, 64), Omissible()]
Switch = Annotated[Literal["enable", "disable"], Omissible()]


@node("CannyEdgePreprocessor", category=LINES, display_name="Canny Edge")
def canny_edge(
    image: Image,
    low_threshold: Threshold = 100,
    high_threshold: Threshold = 200,
    resolution: Resolution = 512,
) -> Image:
    """Draw thin white lines where colour changes, in a picture whose shorter side has the resolution."""
    pictures = (to_resolution(picture, resolution) for picture in to_bytes(image[..., :3].numpy()))
    return _white([canny_of_photo(picture, low_threshold, high_threshold) for picture in pictures])


@node("HEDPreprocessor", category=LINES, display_name="HED Soft-Edge Lines", differs=DIFFERS)
async def hed(image: Image, safe: Switch = "enable", resolution: Resolution = 512) -> Image:
    """Draw soft white lines where a person would see edges; safe keeps shading out of them."""
    return _white(await _soft_edges(image, safe, resolution))


@node(
    "FakeScribblePreprocessor",
    category=LINES,
    display_name="Fake Scribble Lines (aka scribble_hed)",
    differs=DIFFERS,
)
async def fake_scribble(image: Image, safe: Switch = "enable", resolution: Resolution = 512) -> Image:
    """Draw edges as if scribbled with a thick pen."""
    return _white([scribble(edges) for edges in await _soft_edges(image, safe, resolution)])


async def _soft_edges(image: Image, safe: Switch, resolution: int) -> list[np.ndarray]:
    pictures = [to_resolution(picture, resolution) for picture in to_bytes(image[..., :3].numpy())]
    height, width = pictures[0].shape[:2]
    batch = torch.stack([torch.from_numpy(padded(picture)) for picture in pictures]) / 255
    edges = (await soft_edges(batch)).numpy()[:, :height, :width]
    return list(in_steps(edges) if safe == "enable" else edges)


def _white(lines: list[np.ndarray]) -> Image:
    return torch.stack([torch.from_numpy(each) for each in lines])[..., None].repeat(1, 1, 1, 3)
