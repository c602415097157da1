"""ControlLoRAs: ControlNets that come as what differs from a UNet, in low rank.

Each weight is the UNet's own plus ``up · down``. The UNet's layers are shared, and the product is never
made: its two factors run one after the other.

Source: Stability AI's Control-LoRAs (huggingface.co/stabilityai/control-lora), and Hu et al. 2021, "LoRA".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Conv2d, Linear

from bridge.diffusion.controlnet import SteeringNetwork
from bridge.diffusion.patching import twin_of
from bridge.models import Shape

Places = Callable[[str], Sequence[Any]]

_SHARED = "conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block"
"""Modules that a ControlNet has in common with a UNet."""


class LowRank(torch.nn.Module):
    """A layer that is a UNet's plus the product of two narrow ones.

    Args:
        layer: What it is like.
        rank: Width between the two.
        has_bias: Whether it has a bias of its own, in place of the UNet's.
    """

    def __init__(self, layer: Any, rank: int, *, has_bias: bool) -> None:
        super().__init__()
        self.down: torch.nn.Module
        self.up: torch.nn.Module
        if isinstance(layer, Conv2d):
            before, after = layer.in_channels, layer.out_channels
            side, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            self.down = Conv2d(before, rank, side, stride, int(padding), bias=False)
            self.up = Conv2d(rank, after, 1, bias=has_bias)
        else:
            self.down = Linear(layer.in_features, rank, bias=False)
            self.up = Linear(rank, layer.out_features, bias=has_bias)
        self.base: Any = None

    def forward(self, here: Tensor) -> Tensor:
        """Return what the UNet's layer would, as changed."""
        out: Tensor = self.base(here) + self.up(self.down(here))
        return out

    def lay_on(self, layer: Any) -> None:
        """Take a UNet's layer, but for its bias where this one has its own."""
        self.base = twin_of(layer, ())
        if self.up.bias is not None:
            self.base._parameters["bias"] = None


class Borrowed(torch.nn.Module):
    """The place of a layer that is the UNet's as it is."""


def hollow(
    build: Callable[[], SteeringNetwork], places: Places, stored: Mapping[str, Shape]
) -> SteeringNetwork:
    """Build a ControlNet without weights, whose layers in common with a UNet wait for the UNet's.

    Args:
        build: Makes it with whole layers.
        places: The name of one of its parameters → where it lies in the file.
        stored: Shapes of the tensors in the file, by name.
    """
    control = build()
    for path, layer in list(control.network.named_modules()):
        own = [f"network.{path}.{name}" for name, _ in layer.named_parameters(recurse=False)]
        if not own or path.split(".")[0] not in _SHARED:
            continue
        down = stored.get(_factor(places(f"network.{path}.weight")[0], "down"))
        parent, _, last = path.rpartition(".")
        holder = control.network.get_submodule(parent)
        if down:
            has_bias = any(place in stored for place in places(f"network.{path}.bias"))
            with torch.device("meta"):
                holder._modules[last] = LowRank(layer, down[0], has_bias=has_bias)
        elif not any(place in stored for name in own for place in places(name)):
            holder._modules[last] = Borrowed()
    return control


def low_rank_names(places: Places, parameter: str) -> Sequence[Any]:
    """Return where a parameter of a hollow ControlNet lies."""
    match = re.fullmatch(r"(.+)\.(up|down)\.(weight|bias)", parameter)
    if not match:
        return places(parameter)
    stored = places(f"{match[1]}.{match[3]}")
    return [_factor(place, match[2]) for place in stored] if match[3] == "weight" else stored


def has_layers(unet: Any, control: SteeringNetwork) -> bool:
    """Tell whether a UNet has a layer for each that a hollow ControlNet waits for."""
    layers = {path for path, _ in unet.named_modules()}
    return all(path in layers for path in _waiting(control))


def joined(unet: Any, control: SteeringNetwork) -> SteeringNetwork:
    """Return a ControlNet made of a hollow one and a UNet, which shares all weights with both."""
    waiting = _waiting(control)
    twin: SteeringNetwork = twin_of(control, [f"network.{path}.base" for path in waiting])
    for path, part in waiting.items():
        layer = unet.get_submodule(path)
        if isinstance(part, LowRank):
            twin.network.get_submodule(path).lay_on(layer)
        else:
            parent, _, last = path.rpartition(".")
            twin.network.get_submodule(parent)._modules[last] = layer
    return twin


def _waiting(control: SteeringNetwork) -> dict[str, LowRank | Borrowed]:
    modules = control.network.named_modules()
    return {path: part for path, part in modules if isinstance(part, LowRank | Borrowed)}


def _factor(place: str, kind: str) -> str:
    return place.removesuffix("weight") + kind
