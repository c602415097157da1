"""Weights in eight bits: half the memory of float16, for a little of the quality.

Every weight is rounded to the format. Those of inner layers also stay in it, and widen for the moment in
which their layer runs; the few in norms and at the network's entrance go back to the precision of the rest.

Source: Micikevicius et al. 2022, "FP8 Formats for Deep Learning".
"""

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


def narrow_layers(module: nn.Module, storage: StorageDtype) -> frozenset[str]:
    """Let layers of a network run on weights in eight bits, and return these weights' names."""
    if storage == "default":
        return frozenset()
    narrow = set()
    for path, layer in module.named_modules():
        # Only plain layers: a subclass has a forward of its own.
        if type(layer) is nn.Linear:
            layer.__class__ = _WideningLinear
        elif type(layer) is nn.Conv2d and path != "conv_in":
            layer.__class__ = _WideningConv2d
        else:
            continue
        narrow.add(f"{path}.weight")
    return frozenset(narrow)


def rounded(weight: Tensor, storage: StorageDtype) -> Tensor:
    """Return a weight in the format of a storage."""
    return weight if storage == "default" else weight.to(_FORMATS[storage])
