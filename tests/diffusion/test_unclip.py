"""Pictures beside a prompt's words.

A checkpoint of Stable Diffusion 2's shape, and SDXL, were measured against ComfyUI 0.3.64 as a whole: with
one and with several pictures on both sides, latents differ by less than 1e-5.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import save_file
from torch import Tensor

from bridge.diffusion import DiffusionModel, Network, PicturePrompt, Prompt, load_checkpoint
from bridge.diffusion.clip_vision import encode_pictures, load_clip_vision, vision_of_checkpoint
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.micro import added_conditioning
from bridge.diffusion.networks import empty_unet
from bridge.diffusion.unclip import class_labels, noisy_embedding
from bridge.errors import ModelError
from bridge.models import Family
from tests.diffusion import vision_weights
from tests.diffusion.conftest import UNET, with_weights

EMBEDS = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
WORDS = Prompt(torch.randn(1, 77, 16, generator=torch.Generator().manual_seed(2)))
SHOWING = replace(WORDS, pictures=(PicturePrompt(EMBEDS[:1]),))
UNCLIP = {**UNET, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}


@pytest.fixture
def unclip(model: DiffusionModel) -> DiffusionModel:
    network = Network("tiny unCLIP", lambda placement: with_weights(empty_unet(UNCLIP)))
    return replace(model, unet=network, family=Family.SD2)


COMFYUI = {
    "as it is": "-1.520006 -0.750034 -0.65059 -1.611786 -0.102844 -0.617305 -0.971806 -1.607791 "
    "1 1 1 1 0 0 0 0",
    "with noise": "0.543731 0.289747 0.268312 0.314883 0.247228 -0.373789 0.607418 0.534295 "
    "0.262648 0.333468 0.326822 -0.46053 0.42546 -0.372558 0.378401 -0.194709",
    "several": "0.605215 0.379671 1.887513 -1.834697 -0.746219 -3.573294 1.186478 -0.948727 "
    "0.964966 0.283662 0.877583 0.99875 -0.262375 -0.958924 0.479426 0.049979",
}
"""What ComfyUI 0.3.64 makes of these embeddings."""


@pytest.mark.parametrize(
    ("name", "pictures", "seed"),
    [
        ("as it is", [(EMBEDS[:1], 1.0, 0.0)], 42),
        ("with noise", [(EMBEDS[:1], -0.5, 0.4)], 3),
        ("several", [(EMBEDS[:2], 0.7, 0.1), (EMBEDS[2:], 1.5, 1.0)], 42),
    ],
)
def test_embeddings_are_comfyuis(name: str, pictures: list[tuple[Tensor, float, float]], seed: int) -> None:
    found = noisy_embedding([PicturePrompt(*each) for each in pictures], seed)
    expected = torch.tensor([[float(number) for number in COMFYUI[name].split()]])
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


async def test_each_side_sees_its_own_pictures(unclip: DiffusionModel, as_node: Callable[[Any], Any]) -> None:
    noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3)) * 3

    async def seen(positive: Prompt, negative: Prompt) -> tuple[Tensor, Tensor]:
        denoise = Denoiser(unclip, (positive,), (negative,), 2.0, noisy.shape, seed=7)
        guided, without = await as_node(denoise.with_negative(noisy, 3.0))
        return (guided + without) / 2, without

    one, other = await seen(WORDS, SHOWING), await seen(SHOWING, WORDS)
    torch.testing.assert_close(one, other[::-1], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(*one, atol=1e-2)


def test_a_prompt_without_pictures_shows_none(unclip: DiffusionModel) -> None:
    labels = class_labels(WORDS, unclip, 0)
    assert labels is not None
    assert labels.tolist() == [[0.0] * 16]


def test_sdxl_sees_them_in_place_of_the_pooled_words(model: DiffusionModel) -> None:
    showing = replace(SHOWING, pooled_prompt_embeds=torch.ones(1, 8))
    sdxl = replace(model, family=Family.SDXL)
    added = added_conditioning(showing, sdxl, (1, 4, 8, 8), is_negative=False, seed=42)
    assert added is not None
    torch.testing.assert_close(added[0], noisy_embedding(showing.pictures, 42)[:, :8])


def test_pictures_for_another_checkpoint_are_refused(model: DiffusionModel, unclip: DiffusionModel) -> None:
    wide = replace(WORDS, pictures=(PicturePrompt(torch.zeros(1, 12)),))
    with pytest.raises(ModelError, match="width 8; the CLIP vision model gave 12"):
        class_labels(wide, unclip, 0)
    with pytest.raises(ModelError, match="cannot be shown pictures"):
        class_labels(replace(SHOWING, pooled_prompt_embeds=torch.ones(1, 8)), model, 0)


@pytest.fixture
def checkpoint(tmp_path: Path, ldm: Any) -> Path:
    config = {**ldm.UNET, **{key: UNCLIP[key] for key in UNCLIP.keys() - UNET.keys()}, "layers_per_block": 1}
    unet = with_weights(empty_unet({**config, "cross_attention_dim": 1024, "use_linear_projection": True}))
    tower = {
        f"embedder.model.{name}": torch.from_numpy(each)
        for name, each in vision_weights.open_clip_state().items()
    }
    ldm.write_checkpoint(tmp_path / "unclip.safetensors", unet, None, None, **tower)
    return tmp_path / "unclip.safetensors"


def test_a_checkpoint_brings_its_image_encoder(checkpoint: Path, tmp_path: Path) -> None:
    model, _, _ = load_checkpoint(checkpoint, "unclip")
    assert model.family is Family.SD2
    assert model.unet.module().class_embedding.linear_1.weight.shape == (128, 16)
    save_file(vision_weights.open_clip_state(), tmp_path / "alone.safetensors")
    image = torch.rand(1, 28, 28, 3, generator=torch.Generator().manual_seed(0))
    mine, alone = (
        encode_pictures(tower, image).image_embeds
        for tower in (
            vision_of_checkpoint(checkpoint, "unclip"),
            load_clip_vision(tmp_path / "alone.safetensors", "alone"),
        )
    )
    torch.testing.assert_close(mine, alone)


def test_other_checkpoints_bring_none(tmp_path: Path, ldm: Any) -> None:
    unet = with_weights(empty_unet({**ldm.UNET, "layers_per_block": 1}))
    ldm.write_checkpoint(tmp_path / "plain.safetensors", unet, None, None)
    (tmp_path / "folder").mkdir()
    for name in ("plain.safetensors", "folder"):
        with pytest.raises(ModelError, match="brings no image encoder") as caught:
            vision_of_checkpoint(tmp_path / name, name)
        assert "CheckpointLoaderSimple" in str(caught.value.hint)
