"""Prompt nodes."""

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import TextEncoder, load_checkpoint
from bridge.nodes.text import clip_set_last_layer, clip_text_encode


@pytest.fixture(scope="module")
def clip() -> TextEncoder:
    return load_checkpoint(model_folder(), "demo")[1]


def test_a_prompt_becomes_one_entry_of_conditioning(clip: TextEncoder) -> None:
    [prompt] = clip_text_encode("neon", clip)
    assert prompt.prompt_embeds.shape[:2] == (1, 77)
    [other] = clip_text_encode("lava", clip)
    assert not torch.allclose(prompt.prompt_embeds, other.prompt_embeds)


def test_an_earlier_layer_gives_another_embedding(clip: TextEncoder) -> None:
    earlier = clip_set_last_layer(clip, -2)
    assert clip.last_layer is None
    [last], [before] = clip_text_encode("neon", clip), clip_text_encode("neon", earlier)
    assert not torch.allclose(last.prompt_embeds, before.prompt_embeds)
