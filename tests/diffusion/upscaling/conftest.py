"""Small upscaling models as files, in every style of names, with seeded weights."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

Layer = tuple[str, int, int]
"""Name, channels in, channels out of a 3×3 convolution."""

FEATURES, GROWTH = 8, 32


def esrgan_layers(style: str, doublings: int, shuffle: int = 1) -> Iterator[Layer]:
    """One residual block; ``style`` is ``first``, ``second`` or ``real``."""
    dense = {
        "first": "model.1.sub.0.RDB{}.conv{}.0",
        "second": "RRDB_trunk.0.RDB{}.conv{}",
        "real": "body.0.rdb{}.conv{}",
    }[style]
    first, trunk, up, high, last = {
        "first": (
            "model.0",
            "model.1.sub.1",
            [f"model.{3 * index + 3}" for index in range(doublings)],
            f"model.{3 * doublings + 2}",
            f"model.{3 * doublings + 4}",
        ),
        "second": ("conv_first", "trunk_conv", ["upconv1", "upconv2"][:doublings], "HRconv", "conv_last"),
        "real": ("conv_first", "conv_body", ["conv_up1", "conv_up2"][:doublings], "conv_hr", "conv_last"),
    }[style]
    yield first, 3 * shuffle**2, FEATURES
    for block in (1, 2, 3):
        for index in range(1, 6):
            yield (
                dense.format(block, index),
                FEATURES + (index - 1) * GROWTH,
                GROWTH if index < 5 else FEATURES,
            )
    for name in (trunk, *up, high):
        yield name, FEATURES, FEATURES
    yield last, FEATURES, 3


def compact_layers(scale: int) -> Iterator[Layer]:
    yield "body.0", 3, FEATURES
    yield "body.2", FEATURES, FEATURES
    yield "body.4", FEATURES, 3 * scale**2


def weights(layers: Iterator[Layer]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, inputs, outputs in layers:
        tensors[f"{name}.weight"] = (
            torch.randn(outputs, inputs, 3, 3, generator=generator) * (9 * inputs) ** -0.5
        )
        tensors[f"{name}.bias"] = torch.rand(outputs, generator=generator) * 0.2
        if name in ("body.0", "body.2"):  # of a compact network
            tensors[f"body.{int(name[-1]) + 1}.weight"] = torch.rand(outputs, generator=generator)
    tensors[f"{name}.weight"] *= 0.2  # the last; so that few values leave 0..1
    tensors[f"{name}.bias"] += -0.1 if name == "body.4" else 0.3
    return tensors


MODELS: dict[str, Callable[[], Iterator[Layer]]] = {
    "first names, x4": lambda: esrgan_layers("first", 2),
    "first names, x1": lambda: esrgan_layers("first", 0),
    "second names, x2": lambda: esrgan_layers("second", 1),
    "Real-ESRGAN, x4": lambda: esrgan_layers("real", 2),
    "Real-ESRGAN, x2": lambda: esrgan_layers("real", 2, shuffle=2),
    "Real-ESRGAN, x1": lambda: esrgan_layers("real", 2, shuffle=4),
    "compact, x3": lambda: compact_layers(3),
}


def seeded_picture(height: int, width: int) -> torch.Tensor:
    """Shape (1, H, W, 3), range 0..1."""
    return torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def picture() -> Callable[[int, int], torch.Tensor]:
    return seeded_picture


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Path]:
    def write(model: str, prefix: str = "", dtype: torch.dtype = torch.float32) -> Path:
        path = tmp_path / "model.safetensors"
        tensors = weights(MODELS[model]())
        save_file({prefix + name: tensor.to(dtype) for name, tensor in tensors.items()}, path)
        return path

    return write
