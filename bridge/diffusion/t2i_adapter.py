"""T2I-Adapters: small networks that turn a picture into features for each level of a UNet's encoder.

Source: Mou et al. 2023, "T2I-Adapter: Learning Adapters to Dig out More Controllable Ability for
Text-to-Image Diffusion Models", and its code (github.com/TencentARC/T2I-Adapter).
"""

import re
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import Conv2d
from torch.nn.functional import avg_pool2d, relu

from bridge.models import AdapterLayout


class T2IAdapter(torch.nn.Module):
    """An adapter of a layout."""

    def __init__(self, layout: AdapterLayout) -> None:
        super().__init__()
        self.layout = layout
        self.unshuffle = torch.nn.PixelUnshuffle(layout.factor)
        pixels = layout.in_channels * layout.factor**2
        first = layout.channels[0]
        self.conv_in = None if layout.is_light else Conv2d(pixels, first, 3, padding=1)
        widths = (pixels if layout.is_light else first, *layout.channels)
        self.levels = torch.nn.ModuleList(
            _Level(layout, *pair, shrinks=index == 2 if layout.factor == 16 else index > 0)
            for index, pair in enumerate(pairwise(widths))
        )

    @property
    def dtype(self) -> torch.dtype:
        """Precision of its weights."""
        return next(self.parameters()).dtype

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Return what to add at the end of each level, finest first.

        Args:
            picture: Shape (B, 3, H, W), range 0..1, H and W multiples of the layout's factor.
        """
        grey = self.layout.in_channels == 1
        here = self.unshuffle(picture.mean(1, keepdim=True) if grey else picture)
        here = self.conv_in(here) if self.conv_in else here
        features = []
        for level in self.levels:
            here = level(here)
            features.append(here)
        return tuple(features)


def adapter_names(parameter: str, layout: AdapterLayout) -> list[str]:
    """Return where a parameter of a ``T2IAdapter`` lies in a file of a layout."""
    match = re.fullmatch(r"levels\.(\d+)\.(?:blocks\.(\d+)\.)?(.+)", parameter)
    if not match:
        return [layout.prefix + parameter]
    level, block, rest = int(match[1]), match[2], match[3].replace("shrink.", "down_opt.op.")
    if layout.is_light or layout.is_diffusers:
        inner = "resnets" if layout.is_diffusers else "body"
        return [f"{layout.prefix}body.{level}.{f'{inner}.{block}.' if block else ''}{rest}"]
    return [f"{layout.prefix}body.{level * layout.blocks + int(block or 0)}.{rest}"]


class _Level(torch.nn.Module):
    """Residual blocks of one size; a light adapter's work in a quarter of the channels."""

    def __init__(self, layout: AdapterLayout, before: int, width: int, *, shrinks: bool) -> None:
        super().__init__()
        light, kernel = layout.is_light, layout.kernel
        inner = width // 4 if light else width
        self.shrinks = shrinks
        self.shrink = Conv2d(before, before, 3, 2, padding=1) if shrinks and layout.convolves else None
        entry = 1 if light else kernel
        enters = light or before != inner
        self.in_conv = Conv2d(before, inner, entry, padding=entry // 2) if enters else None
        self.blocks = torch.nn.Sequential(*(_Block(inner, kernel) for _ in range(layout.blocks)))
        self.out_conv = Conv2d(inner, width, 1) if light else torch.nn.Identity()

    def forward(self, here: Tensor) -> Tensor:
        if self.shrink:
            here = self.shrink(here)
        elif self.shrinks:  # at odd sizes as the UNet's own convolutions: a border of zeros takes part
            here = avg_pool2d(here, 2, padding=(here.shape[2] % 2, here.shape[3] % 2))
        here = self.in_conv(here) if self.in_conv else here
        features: Tensor = self.out_conv(self.blocks(here))
        return features


class _Block(torch.nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.block1 = Conv2d(width, width, 3, padding=1)
        self.block2 = Conv2d(width, width, kernel, padding=kernel // 2)

    def forward(self, here: Tensor) -> Tensor:
        added: Tensor = self.block2(relu(self.block1(here)))
        return here + added
