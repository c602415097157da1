"""Latents, patches and tokens."""

import torch
from diffusers import FluxPipeline
from torch import Tensor

from bridge.diffusion.backbones.patches import padded, places, to_latents, to_tokens

LATENTS = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)


def test_tokens_are_those_of_flux() -> None:
    expected: Tensor = FluxPipeline._pack_latents(LATENTS, 2, 3, 4, 6)
    assert torch.equal(to_tokens(LATENTS, 2), expected)


def test_latents_come_back_from_tokens() -> None:
    assert torch.equal(to_latents(to_tokens(LATENTS, 2), 2, 2), LATENTS)


def test_places_are_those_of_flux() -> None:
    expected: Tensor = FluxPipeline._prepare_latent_image_ids(1, 2, 3, torch.device("cpu"), torch.float32)
    assert torch.equal(places(2, 3), expected)


def test_a_reference_stands_where_it_is_put() -> None:
    assert places(1, 2, picture=1, top=4, left=7).tolist() == [[1, 4, 7], [1, 4, 8]]


def test_odd_sides_go_round() -> None:
    odd = LATENTS[..., :3, :5]
    whole = padded(odd, 2)
    assert whole.shape[2:] == (4, 6)
    assert torch.equal(whole[..., 3, :5], odd[..., 0, :])
    assert torch.equal(whole[..., :3, 5], odd[..., 0])
    assert padded(LATENTS, 2) is LATENTS
