"""Fooocus' inpainting with random weights in the layout of its files, on a small UNet."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import conv2d, pad

from bridge.diffusion import DiffusionModel
from bridge.diffusion.fooocus import FooocusInpaint, apply_fooocus, load_fooocus
from bridge.diffusion.ldm_names import unet_names
from bridge.diffusion.types import LatentBatch
from bridge.errors import InputError, ModelError, UnsupportedModel
from bridge.models import Family

GENERATOR = torch.Generator().manual_seed(4)
HEAD = torch.randn(16, 5, 3, 3, generator=GENERATOR) / 6
CHANGED = ("down_blocks.0.resnets.0.conv1.weight", "mid_block.resnets.0.conv1.bias", "conv_in.weight")
LATENTS = torch.randn(1, 4, 8, 8, generator=GENERATOR)
MASK = torch.zeros(1, 1, 64, 64)
MASK[..., 16:40, 16:40] = 1


@pytest.fixture
def sdxl(model: DiffusionModel) -> DiffusionModel:
    return replace(model, family=Family.SDXL, latent_factor=8, scaling_factor=0.5)


@pytest.fixture
def latents() -> LatentBatch:
    return {"samples": LATENTS, "noise_mask": MASK}


def patch_tensors(model: DiffusionModel) -> dict[str, Tensor]:
    tensors = {}
    for name in CHANGED:
        shape = model.unet.shapes[name]
        key = f"diffusion_model.{unet_names(name, 1)[0]}"
        tensors[f"{key}.0"] = torch.randint(0, 256, shape, generator=GENERATOR, dtype=torch.uint8)
        tensors[f"{key}.1"], tensors[f"{key}.2"] = torch.tensor(-0.2), torch.tensor(0.3)
    return tensors


@pytest.fixture
def inpaint(sdxl: DiffusionModel, tmp_path: Path) -> FooocusInpaint:
    head, patch = tmp_path / "head.safetensors", tmp_path / "patch.safetensors"
    save_file({"head": HEAD}, head)
    save_file(patch_tensors(sdxl), patch)
    return load_fooocus(head, "head", patch, "patch")


def answer(unet: Any, count: int = 1) -> Tensor:
    prompt = torch.ones(count, 77, 16)
    output: Tensor = unet(LATENTS.expand(count, -1, -1, -1), torch.tensor(500), prompt).sample
    return output


@torch.no_grad()
def test_weights_and_first_convolution_are_those_of_the_files(
    sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch, tmp_path: Path
) -> None:
    unet: Any = sdxl.unet.module()
    patched: Any = apply_fooocus(sdxl, inpaint, latents).unet.module()
    stored = {key: each.float() for key, each in load_file(tmp_path / "patch.safetensors").items()}
    for name in CHANGED:
        key = f"diffusion_model.{unet_names(name, 1)[0]}"
        expected = unet.get_parameter(name) + stored[f"{key}.0"] / 255 * 0.5 - 0.2
        torch.testing.assert_close(patched.get_parameter(name), expected)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:5, 2:5] = 1
    features = conv2d(pad(torch.cat((mask, LATENTS * 0.5), dim=1), (1, 1, 1, 1), "replicate"), HEAD)
    plain = conv2d(LATENTS, patched.conv_in.weight, patched.conv_in.bias, padding=1)
    torch.testing.assert_close(patched.conv_in(LATENTS), plain + features)


@torch.no_grad()
def test_only_the_new_model_is_changed(
    sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch
) -> None:
    before = answer(sdxl.unet.module())
    changed = answer(apply_fooocus(sdxl, inpaint, latents).unet.module())
    assert not torch.allclose(changed, before, atol=1e-2)
    torch.testing.assert_close(answer(sdxl.unet.module()), before)


@torch.no_grad()
def test_both_prompts_of_a_step_see_the_mask(
    sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch
) -> None:
    unet = apply_fooocus(sdxl, inpaint, latents).unet.module()
    both, one = answer(unet, 2), answer(unet)
    torch.testing.assert_close(both, torch.cat((one, one)), atol=1e-5, rtol=1e-5)


def test_another_size_is_refused_when_it_is_sampled(
    sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch
) -> None:
    unet: Any = apply_fooocus(sdxl, inpaint, latents).unet.module()
    with pytest.raises(InputError, match="16×8"):
        unet(torch.zeros(1, 4, 8, 16), torch.tensor(500), torch.ones(1, 77, 16))


def test_what_it_is_not_for_is_refused(
    model: DiffusionModel, sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch
) -> None:
    with pytest.raises(UnsupportedModel, match="SDXL"):
        apply_fooocus(model, inpaint, latents)
    with pytest.raises(InputError, match="no mask"):
        apply_fooocus(sdxl, inpaint, {"samples": LATENTS})


def test_a_patch_for_another_network_is_refused(
    sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch, tmp_path: Path
) -> None:
    tensors = patch_tensors(sdxl)
    key = next(name for name in tensors if name.endswith(".0"))
    for name, changed in (("small", {key: tensors[key][:1], key[:-1] + "2": torch.ones(())}), ("none", None)):
        path = tmp_path / f"{name}.safetensors"
        save_file(
            changed or {"diffusion_model.x.0": torch.ones(1), "diffusion_model.x.2": torch.ones(())}, path
        )
        other = load_fooocus(tmp_path / "head.safetensors", "head", path, name)
        with pytest.raises(ModelError) as refused:
            apply_fooocus(sdxl, other, latents)
        assert refused.value.code == "model_mismatch"


def test_files_that_are_something_else_are_refused(inpaint: FooocusInpaint, tmp_path: Path) -> None:
    head, patch = tmp_path / "head.safetensors", tmp_path / "patch.safetensors"
    for pair in ((patch, patch), (head, head)):
        with pytest.raises(ModelError) as refused:
            load_fooocus(pair[0], "a", pair[1], "b")
        assert refused.value.code == "wrong_model_kind"


def test_a_patch_that_went_away_is_told(
    sdxl: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch, tmp_path: Path
) -> None:
    applied = apply_fooocus(sdxl, inpaint, latents)
    (tmp_path / "patch.safetensors").write_bytes(b"gone")
    with pytest.raises(ModelError) as told:
        applied.unet.module()
    assert told.value.code == "model_corrupt"
