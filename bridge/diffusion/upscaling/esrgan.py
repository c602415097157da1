"""ESRGAN's network and the names under which its weights are published.

Three generations of names are in use: ESRGAN's first (``model.1.sub.0.RDB1.conv1.0.weight``), which most
community models have, its second (``RRDB_trunk.0.RDB1.conv1.weight``) and Real-ESRGAN's
(``body.0.rdb1.conv1.weight``); the last are this module's own.

Source: Wang et al. 2018 (ESRGAN), §3.1; Wang et al. 2021 (Real-ESRGAN), §3.3.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pad, pixel_unshuffle

from bridge.models import Shape

RESIDUAL_SCALE = 0.2
"""What a block's residual is multiplied by."""

SLOPE = 0.2
"""Of the leaky ReLU below 0."""

_DENSE = re.compile(
    r"(?:body|RRDB_trunk|model\.1\.sub)\.(\d+)\.(?:rdb|RDB)([123])\.conv([1-5])(?:\.0)?\.(weight|bias)"
)
_SECOND = {"trunk_conv": "conv_body", "HRconv": "conv_hr", "upconv": "conv_up"}


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for index in range(1, 6):
            outputs = growth if index < 5 else features
            layer = nn.Conv2d(features + (index - 1) * growth, outputs, 3, padding=1)
            self.add_module(f"conv{index}", layer)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape (B, F, H, W)."""
        *growing, last = self.children()
        seen = x
        for layer in growing:
            seen = torch.cat((seen, leaky_relu(layer(seen), SLOPE, inplace=True)), dim=1)
        return torch.add(x, last(seen), alpha=RESIDUAL_SCALE)


class ResidualBlock(nn.Module):
    """Three dense blocks with a residual around them (RRDB)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for index in (1, 2, 3):
            self.add_module(f"rdb{index}", DenseBlock(features, growth))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape (B, F, H, W)."""
        refined = x
        for block in self.children():
            refined = block(refined)
        return torch.add(x, refined, alpha=RESIDUAL_SCALE)


class RRDBNet(nn.Module):
    """ESRGAN's generator.

    Args:
        shuffle: 2 or 4 where the picture is first folded that much into channels, else 1.
        features: Channels between blocks.
        growth: Channels that each convolution of a dense block adds.
        blocks: How many residual blocks.
        doublings: How often the features are enlarged to twice their size.

    Attributes:
        scale: How much larger the result is.
    """

    def __init__(self, shuffle: int, features: int, growth: int, blocks: int, doublings: int) -> None:
        super().__init__()
        self.scale = 2**doublings // shuffle
        self._shuffle = shuffle
        self._doublings = doublings
        self.conv_first = nn.Conv2d(3 * shuffle**2, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        for index in range(doublings):
            self.add_module(f"conv_up{index + 1}", nn.Conv2d(features, features, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge pictures (B, 3, H, W), range 0..1, to (B, 3, scale·H, scale·W)."""
        height, width = image.shape[2:]
        folded = pixel_unshuffle(_padded(image), self._shuffle) if self._shuffle > 1 else image
        x = self.conv_first(folded)
        x = x + self.conv_body(self.body(x))
        for index in range(self._doublings):
            layer = self.get_submodule(f"conv_up{index + 1}")
            x = leaky_relu(layer(interpolate(x, scale_factor=2, mode="nearest")), SLOPE, inplace=True)
        result: Tensor = self.conv_last(leaky_relu(self.conv_hr(x), SLOPE, inplace=True))
        return result[..., : height * self.scale, : width * self.scale]


def esrgan_names(names: Iterable[str]) -> dict[str, str]:
    """Translate the names of a file's tensors to this network's, whichever generation they are of.

    Returns:
        Name here → name in the file; empty if one of them belongs to no network of this kind.
    """
    stored = list(names)
    layers = [int(match[1]) for name in stored if (match := re.match(r"model\.(\d+)\.", name))]
    found = {_name(name, max(layers, default=0)): name for name in stored}
    return {} if "" in found or "conv_first.weight" not in found else found


def empty_esrgan(shapes: Mapping[str, Shape]) -> RRDBNet | None:
    """Build the network that tensors of these names (ours) and shapes belong to, on the meta device.

    Returns:
        ``None`` if they belong to no network of this kind that works on RGB pictures.
    """
    first, dense = shapes.get("conv_first.weight", ()), shapes.get("body.0.rdb1.conv1.weight", ())
    blocks = [int(name.split(".")[1]) for name in shapes if name.startswith("body.")]
    doublings = sum(re.fullmatch(r"conv_up\d\.weight", name) is not None for name in shapes)
    shuffle = {3: 1, 12: 2, 48: 4}.get(first[1], 0) if len(first) == 4 else 0
    if not shuffle or 2**doublings < shuffle or len(dense) != 4 or max(blocks) >= len(shapes):
        return None
    with torch.device("meta"):
        return RRDBNet(shuffle, first[0], dense[0], max(blocks) + 1, doublings)


def _name(stored: str, last: int) -> str:
    """Translate one name; ``last`` is the index of the last layer in the first generation of names."""
    dense = _DENSE.fullmatch(stored)
    if dense:
        return "body.{}.rdb{}.conv{}.{}".format(*dense.groups())
    layer, _, kind = stored.rpartition(".")
    if re.fullmatch(r"model\.1\.sub\.\d+", layer):
        return f"conv_body.{kind}"
    first = re.fullmatch(r"model\.(\d+)", layer)
    if first:
        index = int(first[1])
        doubling = f"conv_up{index // 3}" if index % 3 == 0 else ""
        layer = {0: "conv_first", last - 2: "conv_hr", last: "conv_last"}.get(index, doubling)
        return layer and f"{layer}.{kind}"
    for second, ours in _SECOND.items():
        layer = layer.replace(second, ours)
    return f"{layer}.{kind}" if re.fullmatch(r"conv_(first|body|up\d|hr|last)", layer) else ""


def _padded(image: Tensor) -> Tensor:
    """Mirror pictures beyond their right and lower border up to multiples of 4 pixels."""
    height, width = image.shape[2:]
    right, bottom = -width % 4, -height % 4
    if right >= width or bottom >= height:
        return pad(image, (0, right, 0, bottom), mode="replicate")
    return pad(image, (0, right, 0, bottom), mode="reflect")
