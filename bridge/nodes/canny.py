"""Canny edges of any picture."""

from typing import Annotated

import torch

from bridge.diffusion import Image
from bridge.graph import Range, node
from bridge.imaging import canny as find_lines

Threshold = Annotated[float, Range(0.01, 0.99, 0.01)]


@node("Canny", category="image/preprocessors")
def canny(image: Image, low_threshold: Threshold = 0.4, high_threshold: Threshold = 0.8) -> Image:
    """Draw white lines on black where brightness changes; lower thresholds draw more."""
    lines = [
        torch.from_numpy(find_lines(picture, low_threshold, high_threshold))
        for picture in image[..., :3].numpy()
    ]
    return torch.stack(lines)[..., None].repeat(1, 1, 1, 3)
