"""Prompt nodes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import Network, TextEncoder, TextTower, embedding_stamps, load_checkpoint
from bridge.diffusion.t5 import t5_tokenizer
from bridge.engine import Folders, Job, running
from bridge.errors import InputError
from bridge.models import Family
from bridge.nodes.text import (
    clip_set_last_layer,
    clip_text_encode,
    clip_text_encode_flux,
    clip_text_encode_pixart_alpha,
    clip_text_encode_sd3,
    clip_text_encode_sdxl,
    flux_disable_guidance,
    flux_guidance,
    t5_tokenizer_options,
)
from tests.diffusion.conftest import t5_encoder


@pytest.fixture(scope="module")
def clip() -> TextEncoder:
    return load_checkpoint(model_folder(), "demo")[1]


def test_a_prompt_becomes_one_entry_of_conditioning(clip: TextEncoder) -> None:
    [prompt] = clip_text_encode("neon", clip)
    assert prompt.prompt_embeds.shape[:2] == (1, 77)
    [other] = clip_text_encode("lava", clip)
    assert not torch.allclose(prompt.prompt_embeds, other.prompt_embeds)


@pytest.mark.parametrize("text", ["a embedding:cat", None])
def test_a_replaced_embedding_is_noticed_also_where_the_prompt_is_linked(
    tmp_path: Path, text: str | None
) -> None:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    (folder / "cat.safetensors").write_bytes(b"1")
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path,))), "1"):
        before = embedding_stamps(text)
        assert embedding_stamps(text) == before
        (folder / "cat.safetensors").write_bytes(b"22")
        assert embedding_stamps(text) != before


def test_an_earlier_layer_gives_another_embedding(clip: TextEncoder) -> None:
    earlier = clip_set_last_layer(clip, -2)
    assert clip.last_layer is None
    [last], [before] = clip_text_encode("neon", clip), clip_text_encode("neon", earlier)
    assert not torch.allclose(last.prompt_embeds, before.prompt_embeds)


@pytest.fixture(scope="module")
def flux(clip: TextEncoder) -> TextEncoder:
    t5 = TextTower(Network("tiny T5", lambda placement: t5_encoder()), t5_tokenizer(), "t5xxl")
    return TextEncoder((*clip.towers, t5), Family.FLUX)


def test_flux_is_told_its_guidance(flux: TextEncoder) -> None:
    conditioning = clip_text_encode_flux(flux, "cat", "a cat on a chair", 2.5)
    assert [prompt.guidance for prompt in conditioning] == [2.5]
    assert conditioning[0].prompt_embeds.shape == (1, 256, 64)
    assert [prompt.guidance for prompt in flux_guidance(conditioning * 2, 4.0)] == [4.0, 4.0]
    assert [prompt.guidance for prompt in flux_disable_guidance(conditioning)] == [None]


def test_each_of_sd3s_encoders_reads_its_own_prompt(flux: TextEncoder) -> None:
    sd3 = replace(flux, family=Family.SD3)
    [both] = clip_text_encode_sd3(sd3, "cat", "", "a cat", "empty_prompt")
    [other] = clip_text_encode_sd3(sd3, "cat", "", "a dog", "empty_prompt")
    assert torch.equal(both.prompt_embeds[:, :77], other.prompt_embeds[:, :77])
    assert not torch.allclose(both.prompt_embeds[:, 77:], other.prompt_embeds[:, 77:])
    [left_out] = clip_text_encode_sd3(sd3, "", "", "a cat", "none")
    torch.testing.assert_close(left_out.prompt_embeds, both.prompt_embeds[:, 77:])


def test_pixart_is_told_the_pictures_size(flux: TextEncoder) -> None:
    pixart = TextEncoder(flux.towers[1:], Family.PIXART_ALPHA)
    [prompt] = clip_text_encode_pixart_alpha(768, 512, text="a cat", clip=pixart)
    assert prompt.micro is not None
    assert (prompt.micro.width, prompt.micro.height) == (768, 512)
    assert prompt.prompt_embeds.shape == (1, 4, 64)


def test_t5s_filling_can_be_set(flux: TextEncoder) -> None:
    [prompt] = clip_text_encode("a cat", t5_tokenizer_options(flux, min_padding=3, min_length=0))
    assert prompt.prompt_embeds.shape[1] == 4 + 3
    [prompt] = clip_text_encode("a cat", t5_tokenizer_options(flux, min_padding=0, min_length=30))
    assert prompt.prompt_embeds.shape[1] == 30


def test_a_prompt_for_sdxl_does_not_fit_flux(flux: TextEncoder) -> None:
    with pytest.raises(InputError, match="Flux, and its text encoder t5xxl has no prompt"):
        clip_text_encode_sdxl(flux, text_g="a", text_l="b")
