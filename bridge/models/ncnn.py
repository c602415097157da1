"""Turning the ncnn files of two upscaling networks into safetensors files, under their published names.

ncnn names layers after the program that exported them and keeps only their order, so names are given
anew: those of Real-ESRGAN's ``RRDBNet`` and ``SRVGGNetCompact``.

Source: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure; Wang et al. 2021 (Real-ESRGAN).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import ModelError

FIRST_LINE = "7767517"
"""What every .param file begins with."""

HALF_PRECISION = 0x01306B47
"""In front of weights that are stored as float16."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that holds weights: a convolution of square kernels, or a PReLU."""

    is_convolution: bool
    outputs: int
    kernel: int
    weight_count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Values as a safetensors file stores them."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def is_ncnn(path: Path) -> bool:
    """Say whether a path is that of the weights of an ncnn model."""
    return path.suffix == ".bin" and path.with_suffix(".param").is_file()


def convert_ncnn(weights: Path, target: Path) -> None:
    """Write what an ncnn model holds as a safetensors file.

    Args:
        weights: The ``.bin`` file; the ``.param`` file lies beside it.
        target: Is replaced.

    Raises:
        ModelError: Code ``model_corrupt`` if it is neither of the two networks.
        OSError: If a file cannot be read or written.
    """
    try:
        layers = list(_layers(weights.with_suffix(".param").read_text("ascii")))
        tensors = list(_tensors(layers, weights.read_bytes()))
    except (ValueError, KeyError, IndexError) as error:
        raise ModelError(
            f'"{weights.name}" is no ncnn model of a known upscaling network: {error}',
            code="model_corrupt",
            hint="Install the package it came in again.",
        ) from error
    _write(target, tensors)


def _layers(text: str) -> Iterator[_Layer]:
    first, _, *lines = text.splitlines()
    if first != FIRST_LINE:
        raise ValueError("it begins with an unknown number")
    for line in lines:
        kind, *words = line.split()
        if kind not in ("Convolution", "PReLU"):
            continue
        options = dict(word.split("=") for word in words if "=" in word)
        outputs = int(options["0"])
        if kind == "PReLU":
            yield _Layer(False, outputs, 0, outputs)
        else:
            yield _Layer(True, outputs, int(options["1"]), int(options["6"]))


def _tensors(layers: Sequence[_Layer], data: bytes) -> Iterator[_Tensor]:
    place = 0

    def take(count: int) -> bytes:
        nonlocal place
        place += count
        if place > len(data):
            raise ValueError("its weights end too soon")
        return data[place - count : place]

    for name, layer in zip(_names(layers), layers, strict=True):
        if layer.is_convolution:
            if int.from_bytes(take(4), "little") != HALF_PRECISION:
                raise ValueError(f"{name} is not stored as float16")
            inputs = layer.weight_count // layer.outputs // layer.kernel**2
            shape = (layer.outputs, inputs, layer.kernel, layer.kernel)
            yield _Tensor(f"{name}.weight", "F16", shape, take(2 * layer.weight_count))
            take(-2 * layer.weight_count % 4)
            yield _Tensor(f"{name}.bias", "F32", (layer.outputs,), take(4 * layer.outputs))
        else:
            yield _Tensor(f"{name}.weight", "F32", (layer.outputs,), take(4 * layer.outputs))
    if place != len(data):
        raise ValueError("it holds more weights than layers")


def _write(target: Path, tensors: Iterable[_Tensor]) -> None:
    """Write a safetensors file; float32 comes first, so that everything lies at multiples of its size."""
    ordered = sorted(tensors, key=lambda tensor: tensor.dtype, reverse=True)
    header, end = {}, 0
    for tensor in ordered:
        begin, end = end, end + len(tensor.data)
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(tensor.data for tensor in ordered)
    target.write_bytes(len(text).to_bytes(8, "little") + text + data)


def _names(layers: Sequence[_Layer]) -> list[str]:
    if not all(layer.is_convolution for layer in layers):
        return [f"body.{index}" for index in range(len(layers))]
    blocks = (len(layers) - 6) // 15
    inner = [
        f"body.{block}.rdb{dense}.conv{convolution}"
        for block in range(blocks)
        for dense in (1, 2, 3)
        for convolution in (1, 2, 3, 4, 5)
    ]
    return ["conv_first", *inner, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
