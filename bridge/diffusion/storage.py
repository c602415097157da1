"""Weights in eight bits: half the memory of float16, for a little of the quality.

Every weight is rounded to the format. Those of inner layers also stay in it, and widen for the moment in
which their layer runs; the few in norms and in the network's first layer go back to the precision of the
rest. What a file holds in eight bits stays so in the same way.

Source: Micikevicius et al. 2022, "FP8 Formats for Deep Learning".
"""

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

StorageDtype = Literal["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]
"""ComfyUI's names; ``_fast`` multiplies in eight bits there, and means plain ``fp8_e4m3fn`` here."""

_FORMATS = {
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


class _WideningLinear(nn.Linear):
    """A linear layer whose weight widens to the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        widened: Tensor = functional.linear(input, self.weight.to(input.dtype), self.bias)
        return widened


class _WideningConv2d(nn.Conv2d):
    """A convolution whose weight widens to the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        widened: Tensor = self._conv_forward(input, self.weight.to(input.dtype), self.bias)
        return widened


def narrow_layers(module: nn.Module, storage: StorageDtype, stored: Collection[str] = ()) -> frozenset[str]:
    """Let layers of a network run on weights in eight bits, and return these weights' names.

    Args:
        module: The network.
        storage: Of all that can be narrow; with ``default`` only what is stored so.
        stored: Weights that the file has in eight bits.
    """
    narrow = set()
    # The first weight tells diffusers the network's precision.
    first = next((name for name, _ in module.named_parameters()), "")
    for path, layer in module.named_modules():
        name = f"{path}.weight"
        if name == first or (storage == "default" and name not in stored):
            continue
        # Only plain layers: a subclass has a forward of its own.
        if type(layer) is nn.Linear:
            layer.__class__ = _WideningLinear
        elif type(layer) is nn.Conv2d:
            layer.__class__ = _WideningConv2d
        else:
            continue
        narrow.add(name)
    return frozenset(narrow)


def rounded(weight: Tensor, storage: StorageDtype) -> Tensor:
    """Return a weight in the format of a storage."""
    return weight if storage == "default" else weight.to(_FORMATS[storage])
