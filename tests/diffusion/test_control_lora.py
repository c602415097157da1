"""ControlLoRAs: opened from files, joined with the UNet in use, against the ControlNet they stand for."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import Control, DiffusionModel, Network, load_controlnet
from bridge.diffusion.control import prepare
from bridge.diffusion.ldm_names import unet_names
from bridge.diffusion.networks import SCALING_FACTOR, empty_controlnet, empty_unet
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.steering import Step, residuals
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError
from bridge.models import Family

RANK = 3
SHAPE = (1, 4, 8, 8)
PICTURE = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(2))
Write = Callable[[dict[str, Tensor]], Path]


@pytest.fixture(autouse=True)
def _job(tmp_path: Path) -> Iterator[None]:
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, ())), "1"):
        yield


def noisy(module: Any, seed: int) -> Any:
    module = module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 8
    return module.eval()


@pytest.fixture
def unet(ldm: Any) -> Any:
    return noisy(empty_unet({**ldm.UNET, "layers_per_block": 1}), 3)


@pytest.fixture
def model(unet: Any) -> DiffusionModel:
    return DiffusionModel(
        Network("u", lambda placement: unet), stable_diffusion_schedule(), SCALING_FACTOR, 8
    )


@pytest.fixture
def whole(unet: Any, ldm: Any) -> Any:
    """A ControlNet whose weights are the UNet's plus a product of low rank; norms and biases its own."""
    network = noisy(empty_controlnet({**ldm.CONTROLNET, "layers_per_block": 1}), 5)
    shared = dict(unet.named_parameters())
    generator = torch.Generator().manual_seed(6)
    for name, parameter in network.named_parameters():
        if name in shared and parameter.ndim > 1:
            up = torch.randn(len(parameter), RANK, generator=generator) / 8
            down = torch.randn(RANK, parameter[0].numel(), generator=generator) / 8
            parameter.factors = up, down  # type: ignore[attr-defined]
            parameter.data = shared[name].data + (up @ down).reshape(parameter.shape)
    return network


@pytest.fixture
def stored(whole: Any) -> dict[str, Tensor]:
    """As Stability's files hold it."""
    tensors = {"lora_controlnet": torch.zeros(0)}
    for name, parameter in whole.named_parameters():
        place = stored_name(name)
        if hasattr(parameter, "factors"):
            layer = place.removesuffix("weight")
            up, down = parameter.factors
            is_convolution = parameter.ndim == 4
            tensors[layer + "up"] = up[..., None, None] if is_convolution else up
            tensors[layer + "down"] = down.reshape(RANK, *parameter.shape[1:])
        else:
            tensors[place] = parameter.data
    return tensors


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(tensors: dict[str, Tensor]) -> Path:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / "c.safetensors")
        return tmp_path / "c.safetensors"

    return write


def stored_name(name: str) -> str:
    if name.startswith("controlnet_cond_embedding.conv_out"):
        return "input_hint_block.14." + name.rsplit(".", 1)[1]
    return unet_names(name, 1)[0]


def steered_by(control: Any, model: DiffusionModel) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    prompt = torch.randn(1, 7, 64, generator=generator)
    step = Step(torch.randn(SHAPE, generator=generator), torch.tensor([500]), prompt)
    found = residuals([prepare(Control(control, PICTURE), model, SHAPE)], step)
    assert found.middle is not None
    return [*found.skips, found.middle]


def expected_of(whole: Any) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    prompt = torch.randn(1, 7, 64, generator=generator)
    sample = torch.randn(SHAPE, generator=generator)
    skips, middle = whole(sample, torch.tensor([500]), prompt, PICTURE.movedim(-1, 1), return_dict=False)
    return [*skips, middle]


def test_it_steers_as_the_controlnet_it_stands_for(
    write: Write, stored: dict[str, Tensor], whole: Any, model: DiffusionModel
) -> None:
    control = load_controlnet(write(stored), "c")
    assert control.families == (Family.SD1,)
    for found, expected in zip(steered_by(control, model), expected_of(whole), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_it_follows_the_unet_in_use(
    write: Write, stored: dict[str, Tensor], model: DiffusionModel, ldm: Any
) -> None:
    control = load_controlnet(write(stored), "c")
    other = noisy(empty_unet({**ldm.UNET, "layers_per_block": 1}), 4)
    changed = replace(model, unet=Network("other", lambda placement: other))
    first, second = steered_by(control, model), steered_by(control, changed)
    assert all(not torch.allclose(*pair) for pair in zip(first, second, strict=True))


def test_layers_that_it_leaves_out_are_the_unets(
    write: Write, stored: dict[str, Tensor], whole: Any, unet: Any, model: DiffusionModel
) -> None:
    name = "down_blocks.0.resnets.0.norm1"
    left_out = dict(stored)
    for kind in ("weight", "bias"):
        del left_out[unet_names(f"{name}.{kind}", 1)[0]]
    whole.get_submodule(name).load_state_dict(unet.get_submodule(name).state_dict())
    found = steered_by(load_controlnet(write(left_out), "c"), model)
    for mine, expected in zip(found, expected_of(whole), strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)


def test_it_copies_no_weight_and_leaves_the_unet_alone(
    write: Write, stored: dict[str, Tensor], unet: Any, model: DiffusionModel
) -> None:
    before = {name: id(each) for name, each in unet.named_parameters()}
    control = load_controlnet(write(stored), "c")
    network = prepare(Control(control, PICTURE), model, SHAPE).network
    own = {id(each) for each in (*unet.parameters(), *control.network.module().parameters())}
    assert {id(each) for each in network.module().parameters()} <= own
    assert {name: id(each) for name, each in unet.named_parameters()} == before


def test_a_file_without_a_zero_convolution_is_refused(write: Write, stored: dict[str, Tensor]) -> None:
    del stored["zero_convs.0.0.weight"]
    with pytest.raises(ModelError, match=r"zero_convs\.0\.0\.weight") as caught:
        load_controlnet(write(stored), "c")
    assert caught.value.code == "model_corrupt"


def test_half_a_product_is_refused(write: Write, stored: dict[str, Tensor]) -> None:
    del stored["input_blocks.1.0.in_layers.2.up"]
    with pytest.raises(ModelError, match=r"input_blocks\.1\.0\.in_layers\.2\.up") as caught:
        load_controlnet(write(stored), "c")
    assert caught.value.code == "model_corrupt"


@pytest.mark.parametrize(
    "changes", [{"in_channels": 9}, {"mid_block_type": "UNetMidBlock2D"}, {"mid_block_type": None}], ids=str
)
def test_a_unet_of_other_layers_is_refused(
    changes: dict[str, Any], write: Write, stored: dict[str, Tensor], model: DiffusionModel, ldm: Any
) -> None:
    unet = noisy(empty_unet({**ldm.UNET, "layers_per_block": 1, **changes}), 3)
    other = replace(model, unet=Network("other", lambda placement: unet))
    with pytest.raises(ModelError) as caught:
        prepare(Control(load_controlnet(write(stored), "c"), PICTURE), other, SHAPE)
    assert caught.value.code == "model_mismatch"
