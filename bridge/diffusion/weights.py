"""Bringing the tensors of a safetensors file into a network."""

import math
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bridge.diffusion.device import Placement, memory_errors
from bridge.diffusion.ldm_names import Place
from bridge.diffusion.storage import StorageDtype, hold_scale, rounded
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Header, Shape, shards_of

_NO_NUMBERS = {torch.float8_e4m3fn: 0x7F, torch.float8_e5m2: 0x7C}
"""Format of eight bits → the least of its bytes, but for the sign, that is no finite number."""

_NARROW = {"F8_E4M3": 1, "F8_E5M2": 1, "F16": 2, "BF16": 2}
"""What safetensors calls these formats, and those of 16 bits → bytes of a number."""

Names = Callable[[str], Sequence[str | Place]]
"""The name of a network's parameter → where it may lie in a file, most likely first."""


def match_names(skeleton: torch.nn.Module, header: Header, names: Names, file_name: str) -> dict[str, Place]:
    """Find every parameter of a network in a file.

    Args:
        skeleton: The network; its values are not looked at.
        header: Of the file.
        names: What its parameters may be called there.
        file_name: For messages.

    Returns:
        Parameter name → its place in the file.

    Raises:
        ModelError: Code ``model_corrupt`` if a parameter is not there, or is of another size.
        UnsupportedModel: If one in eight bits is to be multiplied by anything but one number.
    """
    found: dict[str, Place] = {}
    for name, parameter in skeleton.state_dict().items():
        places = [place if isinstance(place, Place) else Place(place) for place in names(name)]
        place = next((place for place in places if place.name in header.tensors), None)
        if place is None:
            raise _unfit(file_name, f'"{places[0].name}" is missing')
        shape = header.tensors[place.name].shape
        if _squeezed(_shape_at(place, shape)) != _squeezed(tuple(parameter.shape)):
            raise _unfit(file_name, f'"{place.name}" has shape {list(shape)}, not {list(parameter.shape)}')
        _require_one_scale(header, place, file_name)
        found[name] = place
    return found


def widths_in_file(header: Header, found: Mapping[str, Place]) -> dict[str, int]:
    """Return bytes of a number of parameters that may rest as they are stored, with no scale beside them."""
    return {
        name: _NARROW[dtype]
        for name, place in found.items()
        if (dtype := header.tensors[place.name].dtype) in _NARROW and not _scale_of(place, header.tensors)
    }


def scaled_in_file(header: Header, found: Mapping[str, Place]) -> frozenset[str]:
    """Return the parameters that a file holds in eight bits with a number to multiply them by."""
    scales = {name: header.tensors.get(_scale_of(place, header.tensors)) for name, place in found.items()}
    return frozenset(
        name
        for name, scale in scales.items()
        if scale and math.prod(scale.shape) == 1 and _NARROW.get(header.tensors[found[name].name].dtype) == 1
    )


def bytes_of(header: Header, found: Mapping[str, Place]) -> int:
    """Return how many bytes of a file parameters take, as ``match_names`` found them."""
    stored = [header.tensors[name] for name in {place.name for place in found.values()}]
    return sum(entry.end - entry.begin for entry in stored)


def fill(
    module: torch.nn.Module,
    path: Path,
    found: Mapping[str, Place],
    placement: Placement,
    on_read: Callable[[int], None] = lambda count: None,
    *,
    storage: StorageDtype = "default",
    narrow: Collection[str] = (),
    scaled: Collection[str] = (),
) -> None:
    """Read a network's parameters from a file to a device, in its precision.

    Every tensor is copied, so that nothing in memory depends on the file afterwards; and copied once, so
    that loading takes little more memory than what is loaded.

    Args:
        module: On the meta device.
        path: The file, or the index of several.
        found: As ``match_names`` returned it.
        placement: Where to, and in which precision.
        on_read: Told, after each tensor, how many bytes of the file it took.
        storage: What all weights are rounded to.
        narrow: Which also rest in that format, or as they are stored.
        scaled: Which of these rest as they are stored whatever the format, beside their scales.

    Raises:
        ModelError: Code ``model_corrupt`` if the file is not what it was, or has values that are no numbers.
        OutOfMemory: If it does not fit.
    """
    expected, state = module.state_dict(), {}
    buffers = {name for name, _ in module.named_buffers()}
    try:
        for name, tensor, scale in _tensors(path, found):
            if _has_nan(tensor):
                raise _corrupt(path.name, f'holds values that are no numbers, in "{found[name].name}"')
            with memory_errors(f'loading "{path.name}"'):  # which the clause below would misread
                if name in scaled and scale is not None:
                    hold_scale(module, name, scale.float().reshape(()).to(placement.device, copy=True))
                    scale = None
                exact = tensor if scale is None else tensor.float().mul_(scale)
                whole = exact.reshape(expected[name].shape)
                is_kept = name in buffers or name in scaled
                stored = whole if is_kept else rounded(whole, storage)
                dtype = stored.dtype if name in narrow else placement.dtype
                placed = stored.to(placement.device, dtype)
                state[name] = placed.clone() if _share_memory(placed, tensor) else placed
            on_read(tensor.nbytes)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise _unfit(path.name, str(error)) from error
    for name in found.keys() - state.keys():
        raise _unfit(path.name, f'"{found[name].name}" is missing')
    module.load_state_dict(state, assign=True)


def _tensors(path: Path, found: Mapping[str, Place]) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Yield parameters as they lie in a file, or in the files of an index, and what to multiply them by."""
    for part in shards_of(path):
        with safe_open(part, framework="pt") as file:
            there = set(file.keys())
            for name, place in found.items():
                if place.name in there:
                    scale = _scale_of(place, there)
                    yield name, _tensor_at(place, file), file.get_tensor(scale) if scale else None


def _scale_of(place: Place, names: Container[str]) -> str:
    """Return which of a file's tensors a weight is to be multiplied by; empty if none is.

    Files in eight bits keep each weight in its own range; newer ones spell the scale's name the other way.
    """
    stem = place.name.removesuffix("weight")
    return next((name for name in (f"{stem}scale_weight", f"{stem}weight_scale") if name in names), "")


def _require_one_scale(header: Header, place: Place, file_name: str) -> None:
    """Refuse a scale for each row of a weight."""
    name = _scale_of(place, header.tensors)
    if not name or math.prod(header.tensors[name].shape) == 1:
        return
    raise UnsupportedModel(
        f'"{file_name}" is in eight bits of a kind that is not supported: '
        f'"{name}" has {math.prod(header.tensors[name].shape)} scales for one weight',
        hint="Get the model in 16 bits, or in eight with one scale for each weight.",
    )


def _shape_at(place: Place, shape: Shape) -> Shape:
    if place.is_transposed:
        return shape[::-1]
    if place.rows is None or not shape or shape[0] % place.rows[2]:
        return shape
    first, last, of = place.rows
    return (shape[0] // of * (last - first), *shape[1:])


def _tensor_at(place: Place, file: Any) -> Tensor:
    if place.rows is not None:
        first, last, of = place.rows
        stored = file.get_slice(place.name)
        step = stored.get_shape()[0] // of
        part: Tensor = stored[first * step : last * step]
        return part
    whole: Tensor = file.get_tensor(place.name)
    if place.is_swapped:
        return torch.cat(whole.chunk(2)[::-1])
    return whole.T if place.is_transposed else whole


def _has_nan(tensor: Tensor) -> bool:
    """Tell whether there are NaN or infinities; 50 times as fast as ``isfinite().all()`` for float16."""
    if tensor.numel() and tensor.dtype in _NO_NUMBERS:
        least, bytes_ = _NO_NUMBERS[tensor.dtype], tensor.contiguous()
        is_positive = bytes_.view(torch.int8).max() >= least
        return bool(is_positive or bytes_.view(torch.uint8).max() >= least + 0x80)
    if not tensor.numel() or tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        return False
    return not all(math.isfinite(value) for value in tensor.aminmax())


def _share_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1×1 convolution and a linear layer hold the same numbers."""
    return tuple(side for side in shape if side != 1)


def _unfit(file_name: str, fault: str) -> ModelError:
    return _corrupt(file_name, f"does not hold what its kind of model needs: {fault}")


def _corrupt(file_name: str, fault: str) -> ModelError:
    return ModelError(f'"{file_name}" {fault}', code="model_corrupt", hint="Download it again.")
