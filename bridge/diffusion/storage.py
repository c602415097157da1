"""Weights that rest in fewer bytes than they compute in, and widen for the moment in which their layer runs.

Eight bits take half the memory of float16, for a little of the quality. Every weight is rounded to the
format; those of inner layers also stay in it, while the few in norms and in the network's first layer go
back to the precision of the rest. What a file holds in eight bits stays so in the same way.

Large networks in 16 bits, T5 and the transformers, also rest as they are stored where they compute in
float32, on the CPU. That costs nothing of the quality: widening is exact.

Source: Micikevicius et al. 2022, "FP8 Formats for Deep Learning".
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from bridge.diffusion.device import Placement
from bridge.engine import current_job

StorageDtype = Literal["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]
"""ComfyUI's names; ``_fast`` multiplies in eight bits there, and means plain ``fp8_e4m3fn`` here."""

_FORMATS = {
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


_SCALE = "weight_scale"
"""Of a layer whose weight has a range of its own, as each has in some files of eight bits."""


class _WideningLinear(nn.Linear):
    """A linear layer whose weight widens to the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        widened: Tensor = functional.linear(input, _widened(self, input.dtype), self.bias)
        return widened


class _WideningConv2d(nn.Conv2d):
    """A convolution whose weight widens to the precision of its input."""

    def forward(self, input: Tensor) -> Tensor:
        widened: Tensor = self._conv_forward(input, _widened(self, input.dtype), self.bias)
        return widened


def _widened(layer: nn.Linear | nn.Conv2d, dtype: torch.dtype) -> Tensor:
    weight, scale = layer.weight.to(dtype), layer._buffers.get(_SCALE)
    return weight if scale is None else weight * scale.to(dtype)


_WIDENING: Mapping[type, type] = {nn.Linear: _WideningLinear, nn.Conv2d: _WideningConv2d}


def resting_widths(module: nn.Module, storage: StorageDtype, stored: Mapping[str, int]) -> dict[str, int]:
    """Choose the weights of a network that rest in few bytes: name → bytes of a number.

    Args:
        module: The network.
        storage: Of all that can be narrow; with ``default`` they rest as they are stored.
        stored: Bytes of a number of those weights that may rest as they are stored.
    """
    # Only plain layers: a subclass has a forward of its own.
    layers = (f"{path}.weight" for path, layer in module.named_modules() if type(layer) in _WIDENING)
    next(layers, None)  # The first layer's tells diffusers and transformers the network's precision.
    if storage != "default":
        return dict.fromkeys(layers, 1)
    return {name: stored[name] for name in layers if name in stored}


def resting_on(where: Placement, widths: Mapping[str, int]) -> dict[str, int]:
    """Return which weights rest in few bytes on a device; warns that eight bits save no time.

    Args:
        where: The device. One that has no numbers of eight bits gets these weights widened.
        widths: As ``resting_widths`` chose them, some in eight bits.
    """
    dtype = str(where.dtype).removeprefix("torch.")
    with suppress(LookupError):  # outside of a job there is nobody to tell
        current_job().warn(
            "device_widens_eight_bits",
            f"weights in fp8 are widened to {dtype} on {where.device} to compute with them",
            "They take less memory, but no less time."
            if where.keeps_eight_bits
            else "They save neither memory nor time here; a file in float16 is as good.",
        )
    return {name: width for name, width in widths.items() if width > 1 or where.keeps_eight_bits}


def widen_layers(module: nn.Module, names: Collection[str]) -> None:
    """Let layers of a network run on weights in few bytes, as ``resting_widths`` chose them."""
    for name in names:
        layer = module.get_submodule(name.removesuffix(".weight"))
        layer.__class__ = _WIDENING[type(layer)]


def hold_scale(module: nn.Module, name: str, scale: Tensor) -> None:
    """Have a weight of a network multiplied by a number wherever it is used."""
    module.get_submodule(name.removesuffix(".weight")).register_buffer(_SCALE, scale, persistent=False)


def exact_weight(module: nn.Module, name: str) -> Tensor:
    """Return a parameter of a network in float32, multiplied by its scale if it has one."""
    weight, scale = module.get_parameter(name).float(), _scale(module, name)
    return weight if scale is None else weight * scale


def at_rest(module: nn.Module, name: str, values: Tensor) -> Tensor:
    """Return new values of a network's parameter as they rest: divided by its scale, and in range."""
    dtype, scale = module.get_parameter(name).dtype, _scale(module, name)
    if dtype.itemsize > 1:
        return values
    most = torch.finfo(dtype).max  # what exceeds it would become no number
    return (values if scale is None else values / scale).clamp(-most, most)


def exact_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a network's state as files without scales hold it."""
    state = module.state_dict()
    scaled = [name for name in state if _scale(module, name) is not None]
    return {**state, **{name: exact_weight(module, name) for name in scaled}}


def _scale(module: nn.Module, name: str) -> Tensor | None:
    path, _, last = name.rpartition(".")
    return module.get_submodule(path)._buffers.get(_SCALE) if last == "weight" else None


def rounded(weight: Tensor, storage: StorageDtype) -> Tensor:
    """Return a weight in the format of a storage."""
    return weight if storage == "default" else weight.to(_FORMATS[storage])
