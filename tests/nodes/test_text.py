"""Prompt nodes."""

from pathlib import Path

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import TextEncoder, embedding_stamps, load_checkpoint
from bridge.engine import Folders, Job, running
from bridge.nodes.text import clip_set_last_layer, clip_text_encode


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
