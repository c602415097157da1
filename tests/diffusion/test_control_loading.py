"""Opening unions, T2I-Adapters and differences; plain ControlNets are opened in ``test_loading``."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import ControlNetwork, DiffusionModel, Network, load_controlnet
from bridge.diffusion.control import AdapterSteering, Control, prepare
from bridge.diffusion.controlnet import SteeringNetwork
from bridge.diffusion.networks import SCALING_FACTOR, empty_controlnet, empty_unet
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.t2i_adapter import T2IAdapter, adapter_names
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError
from bridge.models import AdapterLayout, Family

Write = Callable[[str, dict[str, Tensor]], Path]


@pytest.fixture(autouse=True)
def _job(tmp_path: Path) -> Iterator[None]:
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, ())), "1"):
        yield


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, tensors: dict[str, Tensor]) -> Path:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def state(ldm: Any) -> dict[str, Tensor]:
    """A ControlNet's tensors in the original naming style."""
    return prefixed(ldm.unet_state(noisy(empty_controlnet({**ldm.CONTROLNET, "layers_per_block": 1})), 1))


def noisy(module: Any) -> Any:
    module = module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(5)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 8
    return module


def prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"control_model.{name}": tensor for name, tensor in state.items()}


def module_of(network: ControlNetwork) -> SteeringNetwork:
    module = network.network.module()
    assert isinstance(module, SteeringNetwork)
    return module


def test_differences_are_added_to_the_models_weights(write: Write, state: Any, ldm: Any) -> None:
    unet = noisy(empty_unet({**ldm.UNET, "layers_per_block": 1}))
    network = Network("tiny UNet", lambda placement: unet)
    model = DiffusionModel(network, stable_diffusion_schedule(), SCALING_FACTOR, 8)
    plain = module_of(load_controlnet(write("plain.safetensors", state), "plain")).network.state_dict()
    file = write("difference.safetensors", {**state, "difference": torch.zeros(1)})
    found = module_of(load_controlnet(file, "difference", model)).network.state_dict()
    own = unet.state_dict()
    for name, weight in plain.items():
        torch.testing.assert_close(found[name], weight + own[name] if name in own else weight)
    assert not torch.equal(found["conv_in.weight"], plain["conv_in.weight"])


def test_differences_without_a_model_are_refused(write: Write, state: Any) -> None:
    file = write("difference.safetensors", {**state, "difference": torch.zeros(1)})
    with pytest.raises(ModelError) as caught:
        load_controlnet(file, "d")
    assert caught.value.code == "model_incomplete"
    assert "DiffControlNetLoader" in str(caught.value.hint)


def test_differences_from_another_family_are_refused(write: Write, state: Any, model: DiffusionModel) -> None:
    file = write("difference.safetensors", {**state, "difference": torch.zeros(1)})
    with pytest.raises(ModelError, match=r"differs from Stable Diffusion 1\.x; .* is SDXL") as caught:
        load_controlnet(file, "d", replace(model, family=Family.SDXL))
    assert caught.value.code == "model_mismatch"


@pytest.mark.parametrize("name", ["x_shuffle.safetensors", "x_shuffle_fp16.safetensors"])
def test_a_shuffle_controlnet_averages_over_the_picture(write: Write, state: Any, name: str) -> None:
    module = module_of(load_controlnet(write(name, state), name))
    embedding = torch.randn(1, 32, 8, 8)
    skips, middle = module(torch.randn(1, 4, 8, 8), torch.tensor([5]), torch.randn(1, 7, 64), embedding)
    assert {tuple(each.shape[2:]) for each in (*skips, middle)} == {(1, 1)}


def test_a_union_knows_its_types(write: Write, ldm: Any) -> None:
    width = ldm.CONTROLNET["block_out_channels"][0]
    tensors = dict(noisy(empty_controlnet({**ldm.CONTROLNET, "layers_per_block": 1})).state_dict())
    layer, add = "transformer_layes.0.", "control_add_embedding."
    shapes = {
        "task_embedding": (6, width), f"{layer}attn.in_proj_weight": (3 * width, width),
        f"{layer}attn.in_proj_bias": (3 * width,), f"{layer}attn.out_proj.weight": (width, width),
        f"{layer}attn.out_proj.bias": (width,), f"{layer}ln_1.weight": (width,),
        f"{layer}ln_1.bias": (width,), f"{layer}ln_2.weight": (width,), f"{layer}ln_2.bias": (width,),
        f"{layer}mlp.c_fc.weight": (4 * width, width), f"{layer}mlp.c_fc.bias": (4 * width,),
        f"{layer}mlp.c_proj.weight": (width, 4 * width), f"{layer}mlp.c_proj.bias": (width,),
        "spatial_ch_projs.weight": (width, width), "spatial_ch_projs.bias": (width,),
        f"{add}linear_1.weight": (4 * width, 6 * 256), f"{add}linear_1.bias": (4 * width,),
        f"{add}linear_2.weight": (4 * width, 4 * width), f"{add}linear_2.bias": (4 * width,),
    }  # fmt: skip
    tensors |= {name: torch.randn(shape) / 8 for name, shape in shapes.items()}
    network = load_controlnet(write("union.safetensors", tensors), "union")
    assert network.control_types == 6
    module = module_of(network)
    assert module.union
    in_proj = tensors[f"{layer}attn.in_proj_weight"]
    torch.testing.assert_close(module.union.value.weight, in_proj[2 * width :])
    embedding, label = module.read(torch.rand(1, 3, 64, 64), 2)
    arguments = torch.randn(1, 4, 8, 8), torch.tensor([5]), torch.randn(1, 7, 64), embedding
    assert not torch.equal(module(*arguments, label)[1], module(*arguments, 0 * label)[1])


@pytest.mark.parametrize("is_diffusers", [True, False])
def test_a_t2i_adapter_in_either_style(write: Write, model: DiffusionModel, is_diffusers: bool) -> None:
    prefix = "adapter." if is_diffusers else ""
    layout = AdapterLayout(1, 8, (16, 32), 2, 1, False, is_diffusers, False, prefix)
    adapter = noisy(T2IAdapter(layout))
    tensors = {adapter_names(name, layout)[0]: tensor for name, tensor in adapter.state_dict().items()}
    network = load_controlnet(write("adapter.safetensors", tensors), "adapter")
    assert network.families == (Family.SD1, Family.SD2)
    picture = torch.rand(1, 64, 64, 3)
    steering = prepare(Control(network, picture), model, (2, 4, 8, 8))
    assert isinstance(steering, AdapterSteering)
    for mine, theirs in zip(steering.levels, adapter(picture.movedim(-1, 1)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_checkpoint_in_the_controlnet_slot_is_refused(write: Write) -> None:
    file = write("x.safetensors", {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)})
    with pytest.raises(ModelError, match="not a ControlNet; it looks like a checkpoint") as caught:
        load_controlnet(file, "x")
    assert caught.value.code == "wrong_model_kind"
