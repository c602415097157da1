"""Upscaling models opened from files, told apart by names and shapes alone."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bridge.diffusion import choose_placement, set_placement
from bridge.diffusion.upscaling import load_upscaler, upscale
from bridge.errors import ModelError, UnsupportedModel

Write = Callable[..., Path]
AsNode = Callable[[Any], Any]


@pytest.mark.parametrize("prefix", ["", "params_ema.", "module."])
@pytest.mark.parametrize(
    ("model", "scale"),
    [
        ("first names, x4", 4),
        ("first names, x1", 1),
        ("second names, x2", 2),
        ("Real-ESRGAN, x2", 2),
        ("compact, x3", 3),
    ],
)
def test_what_it_is_follows_from_names_and_shapes(
    model: str, scale: int, prefix: str, write_model: Write
) -> None:
    upscaler = load_upscaler(write_model(model, prefix), "mine")
    assert not upscaler.network.is_loaded
    assert upscaler.network.name == 'upscaling model "mine"'
    assert upscaler.network.module().scale == scale


def test_half_precision_files_run_in_float32_on_the_cpu(write_model: Write) -> None:
    module = load_upscaler(write_model("compact, x3", dtype=torch.float16), "m").network.module()
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_bfloat16_is_not_used_for_pictures(write_model: Write) -> None:
    set_placement(choose_placement("cpu", "bfloat16"))
    try:
        module = load_upscaler(write_model("compact, x3"), "m").network.module()
    finally:
        set_placement(choose_placement("cpu"))
    assert next(module.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    "missing", ["conv_body.bias", "body.0.rdb2.conv3.weight", "conv_last.weight", "conv_hr.weight"]
)
def test_a_missing_tensor_is_named(write_model: Write, missing: str) -> None:
    path = write_model("Real-ESRGAN, x4")
    tensors = load_file(path)
    del tensors[missing]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f'"{missing}" is missing') as caught:
        load_upscaler(path, "m")
    assert caught.value.code == "model_corrupt"


@pytest.mark.parametrize(
    ("model", "name"),
    [("Real-ESRGAN, x4", "body.{}.rdb1.conv1.weight"), ("compact, x3", "body.{}.weight")],
)
def test_a_number_in_a_name_builds_no_enormous_network(write_model: Write, model: str, name: str) -> None:
    path = write_model(model)
    tensors = load_file(path)
    last = max(key for key in tensors if re.fullmatch(name.format(r"\d+"), key))
    save_file({**tensors, name.format(10**8): tensors[last].clone()}, path)
    with pytest.raises(UnsupportedModel):
        load_upscaler(path, "m")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "4x.safetensors"
    torch.save({"conv_first.weight": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="pickle") as caught:
        load_upscaler(path, "4x")
    assert caught.value.code == "unsafe_model"


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vae.safetensors"
    save_file({"first_stage_model.encoder.conv_in.weight": torch.zeros(8, 3, 3, 3)}, path)
    with pytest.raises(ModelError, match="not an upscaling model; it looks like a VAE") as caught:
        load_upscaler(path, "vae")
    assert caught.value.code == "wrong_model_kind"


SWIN = "layers.0.residual_group.blocks.0.norm1.weight"


@pytest.fixture
def swin(tmp_path: Path) -> Path:
    path = tmp_path / "swin.safetensors"
    save_file({SWIN: torch.full((3,), 0.5)}, path)
    return path


def test_without_spandrel_the_error_says_how_to_get_it(swin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UnsupportedModel, match=SWIN.replace(".", r"\.")) as caught:
        load_upscaler(swin, "swin")
    assert "pip install 'framebridge[upscale]'" in caught.value.hint


class Darken(torch.nn.Module):
    def __init__(self, factor: torch.Tensor) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(factor)


class ImageModelDescriptor(SimpleNamespace):
    """The part of spandrel's class that is used."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return self.model.factor[:, None, None] * image.repeat(1, 1, 2, 2)


@pytest.fixture
def spandrel(monkeypatch: pytest.MonkeyPatch) -> ImageModelDescriptor:
    """A module that stands in for spandrel, which needs torchvision; knows one architecture."""
    descriptor = ImageModelDescriptor(scale=2, input_channels=3, output_channels=3, supports_half=False)
    fake: Any = ModuleType("spandrel")
    fake.__spec__ = SimpleNamespace(name="spandrel")
    fake.UnsupportedModelError = type("UnsupportedModelError", (Exception,), {})
    fake.ImageModelDescriptor = ImageModelDescriptor

    def load(self: Any, tensors: dict[str, torch.Tensor]) -> ImageModelDescriptor:
        if SWIN not in tensors:
            raise fake.UnsupportedModelError
        descriptor.model = Darken(tensors[SWIN].clone())
        return descriptor

    fake.ModelLoader = type("ModelLoader", (), {"load_from_state_dict": load})
    monkeypatch.setitem(sys.modules, "spandrel", fake)
    return descriptor


@pytest.mark.usefixtures("spandrel")
async def test_spandrel_brings_other_architectures(swin: Path, as_node: AsNode) -> None:
    result = await as_node(upscale(load_upscaler(swin, "swin"), torch.full((1, 4, 6, 3), 0.5)))
    assert torch.equal(result, torch.full((1, 8, 12, 3), 0.25))


@pytest.mark.usefixtures("spandrel")
def test_what_spandrel_does_not_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"odd": torch.zeros(1)}, path)
    with pytest.raises(UnsupportedModel, match=r'spandrel does not know .* "odd\.safetensors"'):
        load_upscaler(path, "odd").network.module()


def test_a_network_for_grey_pictures_is_refused(swin: Path, spandrel: ImageModelDescriptor) -> None:
    spandrel.input_channels = 1
    with pytest.raises(UnsupportedModel, match="one RGB picture"):
        load_upscaler(swin, "swin").network.module()
