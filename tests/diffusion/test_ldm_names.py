"""Names of the original code, against diffusers' own converters."""

from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_controlnet_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from bridge.diffusion.ldm_names import old_diffusers_names
from bridge.diffusion.networks import empty_autoencoder, empty_controlnet, empty_unet


def numbered(module: Any) -> Any:
    """Give every tensor values of its own."""
    module = module.to_empty(device="cpu")
    for number, parameter in enumerate(module.parameters()):
        parameter.data = torch.full(parameter.shape, float(number))
    return module


def assert_same(converted: dict[str, torch.Tensor], module: Any) -> None:
    state = module.state_dict()
    assert converted.keys() == state.keys()
    for name, tensor in state.items():
        assert converted[name].shape == tensor.shape, name
        assert torch.equal(converted[name], tensor), name


@pytest.mark.parametrize("blocks", [1, 2])
def test_unet(ldm: Any, blocks: int) -> None:
    unet = numbered(empty_unet({**ldm.UNET, "layers_per_block": blocks}))
    state = {f"model.diffusion_model.{key}": tensor for key, tensor in ldm.unet_state(unet, blocks).items()}
    assert_same(convert_ldm_unet_checkpoint(state, dict(unet.config)), unet)


@pytest.mark.parametrize("blocks", [1, 2])
def test_controlnet(ldm: Any, blocks: int) -> None:
    network = numbered(empty_controlnet({**ldm.CONTROLNET, "layers_per_block": blocks}))
    state = {f"control_model.{key}": tensor for key, tensor in ldm.unet_state(network, blocks).items()}
    assert_same(convert_controlnet_checkpoint(state, dict(network.config)), network)


@pytest.mark.parametrize("blocks", [1, 2])
def test_autoencoder(ldm: Any, blocks: int) -> None:
    vae = numbered(empty_autoencoder({**ldm.AUTOENCODER, "layers_per_block": blocks}))
    state = {f"first_stage_model.{key}": tensor for key, tensor in ldm.autoencoder_state(vae).items()}
    assert_same(convert_ldm_vae_checkpoint(state, dict(vae.config)), vae)


def test_older_diffusers_files_call_attention_otherwise() -> None:
    assert old_diffusers_names("encoder.mid_block.attentions.0.to_out.0.weight") == [
        "encoder.mid_block.attentions.0.to_out.0.weight",
        "encoder.mid_block.attentions.0.proj_attn.weight",
    ]
    assert old_diffusers_names("encoder.conv_in.weight") == ["encoder.conv_in.weight"]
