"""Masks and pictures before and after inpainting; the arithmetic is tested below the nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bridge.builtin import model_folder
from bridge.diffusion import Prompt, load_autoencoder
from bridge.engine import Folders, Job, running
from bridge.errors import InputError, ModelNotFound
from bridge.nodes import depth, inpaint_tools
from tests.diffusion.test_lama import lama_weights

PICTURES = torch.rand(2, 24, 32, 3, generator=torch.Generator().manual_seed(1))
MASK = torch.zeros(1, 24, 32)
MASK[:, 8:16, 10:20] = 1.0


@pytest.fixture(autouse=True)
def models(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "inpaint"
    folder.mkdir()
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path,))), "3"):
        yield folder


async def test_a_mask_is_filled_by_a_network(models: Path) -> None:
    save_file(lama_weights(), models / "big-lama.safetensors")
    network = inpaint_tools.load_inpaint_model_node("big-lama.safetensors")
    filled = await inpaint_tools.inpaint_with_model(network, PICTURES, MASK)
    hole = MASK.expand(2, -1, -1).bool()
    torch.testing.assert_close(filled[~hole], PICTURES[~hole])
    assert not torch.allclose(filled[hole], PICTURES[hole], atol=0.05)


async def test_without_their_files_models_are_not_found() -> None:
    with pytest.raises(ModelNotFound):
        inpaint_tools.load_inpaint_model_node("big-lama.safetensors")
    with pytest.raises(ModelNotFound):
        inpaint_tools.load_fooocus_inpaint("head.safetensors", "patch.safetensors")
    with pytest.raises(ModelNotFound) as told:
        await depth.depth_anything_v2(PICTURES)
    assert told.value.code == "model_not_found"


async def test_a_picture_is_encoded_for_the_head_and_for_the_sampler() -> None:
    vae = load_autoencoder(model_folder() / "vae", "vae")
    prompts = (Prompt(torch.ones(1, 77, 4)),)
    positive, negative, masked, whole = await inpaint_tools.vae_encode_inpaint_conditioning(
        prompts, prompts, vae, PICTURES[:1], MASK
    )
    assert positive[0].concat_latents is not None
    torch.testing.assert_close(positive[0].concat_latents, masked["samples"])
    torch.testing.assert_close(negative[0].concat_mask, whole["noise_mask"])
    assert masked["noise_mask"].shape == (1, 1, 24, 32)
    assert not torch.allclose(masked["samples"], whole["samples"])


def test_every_picture_is_filled_with_its_mask() -> None:
    for filled in (
        inpaint_tools.masked_fill(PICTURES, MASK, "neutral"),
        inpaint_tools.masked_blur(PICTURES, MASK, 9),
    ):
        hole = MASK.expand(2, -1, -1).bool()
        torch.testing.assert_close(filled[~hole], PICTURES[~hole])
        assert not torch.allclose(filled[hole], PICTURES[hole])


def test_colours_are_matched_as_far_as_wanted() -> None:
    reference = PICTURES[:1] * 0.5
    whole = inpaint_tools.color_match(PICTURES, reference, MASK)
    half = inpaint_tools.color_match(PICTURES, reference, strength=0.5)
    assert whole.shape == PICTURES.shape
    assert whole.mean() < half.mean() < PICTURES.mean()
    torch.testing.assert_close(inpaint_tools.color_match(PICTURES, reference, strength=0.0), PICTURES)


def test_masks_grow_shrink_and_settle() -> None:
    assert inpaint_tools.expand_mask(MASK, 2, 0).sum() == 12 * 14
    assert inpaint_tools.shrink_mask(MASK, 2, 0).sum() == 4 * 6
    assert 0 < inpaint_tools.expand_mask(MASK, 2, 5)[0, 5, 14] < 1
    nearly = MASK * 0.995
    torch.testing.assert_close(inpaint_tools.stabilize_mask(nearly), MASK)
    torch.testing.assert_close(inpaint_tools.stabilize_mask(nearly, 0.001), nearly)


def test_greys_between_two_are_spread() -> None:
    greys = torch.tensor([[[0.0, 0.1, 0.15, 0.2, 1.0]]])
    spread = inpaint_tools.denoise_to_compositing_mask(greys)
    torch.testing.assert_close(spread, torch.tensor([[[0.0, 0.0, 0.5, 1.0, 1.0]]]))
    with pytest.raises(InputError):
        inpaint_tools.denoise_to_compositing_mask(greys, 0.3, 0.2)


def test_a_mask_is_measured() -> None:
    assert inpaint_tools.mask_bounding_box(MASK) == (10, 8, 10, 8)
    with pytest.raises(InputError, match="empty"):
        inpaint_tools.mask_bounding_box(torch.zeros(1, 4, 4))
