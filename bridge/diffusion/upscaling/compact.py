"""Real-ESRGAN's compact network: a plain chain of convolutions at the picture's own size.

Source: Wang et al. 2021 (Real-ESRGAN), ``SRVGGNetCompact`` of its published code.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from bridge.models import Shape


class CompactNet(nn.Module):
    """A chain of convolutions that adds detail to the picture enlarged by repeating its pixels.

    Args:
        features: Channels between convolutions.
        layers: How many convolutions, the first and the last among them.
        scale: How much larger the result is.
    """

    def __init__(self, features: int, layers: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        widths = [3, *(features,) * (layers - 1)]
        chain = [
            layer
            for inputs in widths[:-1]
            for layer in (nn.Conv2d(inputs, features, 3, padding=1), nn.PReLU(features))
        ]
        self.body = nn.Sequential(*chain, nn.Conv2d(features, 3 * scale**2, 3, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge pictures (B, 3, H, W), range 0..1, to (B, 3, scale·H, scale·W)."""
        detail = pixel_shuffle(self.body(image), self.scale)
        return detail + interpolate(image, scale_factor=self.scale, mode="nearest")


def empty_compact(shapes: Mapping[str, Shape]) -> CompactNet | None:
    """Build the network that tensors of these names and shapes belong to, on the meta device.

    Returns:
        ``None`` if they belong to no network of this kind that works on RGB pictures.
    """
    found = [re.fullmatch(r"body\.(\d+)\.(?:weight|bias)", name) for name in shapes]
    last = max((int(match[1]) if match else -1 for match in found), default=-1)
    first, end = shapes.get("body.0.weight", ()), shapes.get(f"body.{last}.weight", ())
    if None in found or last < 2 or last % 2 or len(first) != 4 or len(end) != 4 or first[1] != 3:
        return None
    scale = round((end[0] / 3) ** 0.5)
    if 3 * scale**2 != end[0] or scale < 1 or last >= len(shapes):
        return None
    with torch.device("meta"):
        return CompactNet(first[0], last // 2 + 1, scale)
