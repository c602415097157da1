"""Empty networks, and what can be told of them without weights."""

from typing import Any

import pytest
import torch

from bridge.diffusion.networks import control_factor, empty_autoencoder, empty_controlnet, latent_factor


def autoencoder(*widths: int) -> dict[str, Any]:
    return {
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "block_out_channels": widths,
    }


@pytest.mark.parametrize(
    ("config", "factor"),
    [({}, 1), (autoencoder(32, 32, 32), 4), (autoencoder(32, 32, 32, 32), 8)],
    ids=["default", "f4", "f8"],
)
def test_the_latent_factor_is_that_of_the_network(config: dict[str, Any], factor: int) -> None:
    network = empty_autoencoder(config)
    picture = torch.empty(1, 3, 64, 32, device="meta")
    latents = network.encode(picture).latent_dist.mean
    assert latents.shape[2:] == (64 // factor, 32 // factor)
    assert network.decode(latents).sample.shape == picture.shape
    assert latent_factor(config) == factor


@pytest.mark.parametrize(("hint", "factor"), [((4, 8, 8), 4), ((16, 32, 96, 256), 8)])
def test_the_factor_of_a_controlnet_is_that_of_its_picture_encoder(hint: Any, factor: int) -> None:
    network = empty_controlnet({"conditioning_embedding_out_channels": hint})
    embedding = network.controlnet_cond_embedding(torch.empty(1, 3, 64, 32, device="meta"))
    assert embedding.shape[2:] == (64 // factor, 32 // factor)
    assert control_factor(network.config) == factor
