"""Faces in place of words, against ComfyUI 0.3.64's numbers for the same weights."""

from pathlib import Path

import pytest
import torch
from safetensors.numpy import save_file

from bridge.diffusion import Prompt
from bridge.diffusion.photomaker import PhotoMakerNetwork, load_photomaker, with_face
from bridge.errors import InputError, ModelError, UnsupportedModel
from tests.diffusion import vision_weights

COMFYUI = (
    "0.236193 0.375694 0.362225 0.513469 -0.235953 0.080183 0.398112 -0.401451 "
    "-0.139477 -0.428915 0.053250 0.292700 0.196756 0.165924 -0.953555 0.298899 "
    "0.278582 0.623432 -0.011098 -0.710872 -1.007122 -0.060321 0.029151 -0.206104 "
    "0.004453 -0.488163 0.615370 0.196898 -0.451747 -0.369894 -0.469442 0.463351"
)
"""The third word of ``PROMPT``, with the face in the first of ``IMAGE``."""

GENERATOR = torch.Generator().manual_seed(4)
IMAGE = torch.rand(2, 40, 50, 3, generator=GENERATOR)
PROMPT = Prompt(torch.randn(1, 77, 32, generator=GENERATOR), torch.zeros(1, 8))


@pytest.fixture
def maker(tmp_path: Path) -> PhotoMakerNetwork:
    save_file(vision_weights.photomaker_state(), tmp_path / "face.safetensors")
    return load_photomaker(tmp_path / "face.safetensors", "face")


def test_the_word_before_the_trigger_becomes_comfyuis_face(maker: PhotoMakerNetwork) -> None:
    changed = with_face(PROMPT, "photograph of photomaker", maker, IMAGE)
    word = torch.tensor([float(number) for number in COMFYUI.split()])
    torch.testing.assert_close(changed.prompt_embeds[0, 2], word, atol=2e-5, rtol=1e-4)
    changed.prompt_embeds[0, 2] = PROMPT.prompt_embeds[0, 2]
    torch.testing.assert_close(changed.prompt_embeds, PROMPT.prompt_embeds)


def test_without_the_trigger_nothing_is_changed(maker: PhotoMakerNetwork) -> None:
    assert with_face(PROMPT, "photograph of photomakers", maker, IMAGE) is PROMPT


@pytest.mark.parametrize("text", ["photomaker", "a " * 77 + "photomaker"])
def test_a_trigger_without_a_word_that_gets_the_face_is_refused(maker: PhotoMakerNetwork, text: str) -> None:
    with pytest.raises(InputError, match="none before it, or too many"):
        with_face(PROMPT, text, maker, IMAGE)


def test_prompts_of_another_family_are_refused(maker: PhotoMakerNetwork) -> None:
    with pytest.raises(ModelError, match="words of width 32, the prompt has 16"):
        with_face(Prompt(torch.zeros(1, 77, 16)), "man photomaker", maker, IMAGE)


def test_the_second_version_is_refused_by_name(tmp_path: Path) -> None:
    state = vision_weights.photomaker_state()
    state["qformer_perceiver.token_proj.0.weight"] = state["visual_projection.weight"]
    save_file(state, tmp_path / "v2.safetensors")
    with pytest.raises(UnsupportedModel, match="PhotoMaker V2"):
        load_photomaker(tmp_path / "v2.safetensors", "v2")


def test_an_image_tower_alone_is_another_kind(tmp_path: Path) -> None:
    save_file(vision_weights.transformers_state(), tmp_path / "tower.safetensors")
    with pytest.raises(ModelError, match="not a PhotoMaker; it looks like a CLIP vision model"):
        load_photomaker(tmp_path / "tower.safetensors", "tower")
