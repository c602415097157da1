"""Nodes for making pictures anew in part; their numbers are held against ComfyUI's in tests/parity."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import Autoencoder, Prompt, load_autoencoder
from bridge.engine import Folders, Job, running
from bridge.nodes.inpaint import (
    inpaint_model_conditioning,
    instruct_pix_to_pix_conditioning,
    set_latent_noise_mask,
    vae_encode_for_inpaint,
)

POSITIVE, NEGATIVE = (Prompt(torch.ones(1, 77, 4)),), (Prompt(torch.zeros(1, 77, 4)),)
IMAGE = torch.rand(1, 34, 40, 3, generator=torch.Generator().manual_seed(1))
MASK = torch.zeros(1, 34, 40)
MASK[:, 8:20, 10:22] = 1.0
AsNode = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def vae() -> Autoencoder:
    """Of latent factor 4."""
    return load_autoencoder(model_folder() / "vae", "vae")


@pytest.fixture
def as_node(tmp_path: Path) -> AsNode:
    def call(work: Coroutine[Any, Any, Any]) -> Any:
        async def run() -> Any:
            async with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path)), "3"):
                return await work

        return asyncio.run(run())

    return call


def test_latents_to_be_filled_bring_their_grown_mask(vae: Autoencoder, as_node: AsNode) -> None:
    latents = as_node(vae_encode_for_inpaint(IMAGE, vae, MASK, 4))
    assert latents["samples"].shape == (1, 4, 8, 10)
    assert latents["noise_mask"].shape == (1, 1, 32, 40)
    assert latents["noise_mask"].sum() == 15 * 15  # 12 pixels grown by 3


def test_a_noise_mask_goes_with_the_latents() -> None:
    before = {"samples": torch.zeros(1, 4, 8, 10), "downscale_ratio_spacial": 4}
    latents = set_latent_noise_mask(before, MASK)  # type: ignore[arg-type]
    assert torch.equal(latents["noise_mask"], MASK[:, None])
    assert "noise_mask" not in before


@pytest.mark.parametrize("keeps_rest", [True, False])
def test_both_sides_show_the_masked_picture(vae: Autoencoder, as_node: AsNode, keeps_rest: bool) -> None:
    positive, negative, latent = as_node(
        inpaint_model_conditioning(POSITIVE, NEGATIVE, vae, IMAGE, MASK, keeps_rest)
    )
    assert torch.equal(positive[0].prompt_embeds, POSITIVE[0].prompt_embeds)
    assert torch.equal(negative[0].prompt_embeds, NEGATIVE[0].prompt_embeds)
    assert positive[0].concat_latents is negative[0].concat_latents
    assert positive[0].concat_mask.shape == (1, 1, 32, 40)
    assert latent["samples"].shape == (1, 4, 8, 10)
    assert ("noise_mask" in latent) is keeps_rest


def test_an_instruction_starts_from_nothing_but_shows_the_picture(vae: Autoencoder, as_node: AsNode) -> None:
    positive, negative, latent = as_node(instruct_pix_to_pix_conditioning(POSITIVE, NEGATIVE, vae, IMAGE))
    assert bool(positive[0].concat_latents.any())
    assert positive[0].concat_latents is negative[0].concat_latents
    assert positive[0].concat_mask is None
    assert not bool(latent["samples"].any())
    assert latent["samples"].shape == (1, 4, 8, 10)
