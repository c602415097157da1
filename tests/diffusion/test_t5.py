"""T5's encoder against transformers' own, and its tokenizer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import T5Config, T5EncoderModel

from bridge.diffusion import TextEncoder, encode_prompt, load_text_encoder
from bridge.diffusion.t5 import empty_t5, t5_config, t5_tokenizer
from tests.diffusion.conftest import T5, t5_encoder
from tests.models.test_t5 import XXL, published

EMBEDDING = "shared.weight"


def state() -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in t5_encoder().state_dict().items()}


def original() -> Any:
    """Transformers' own network with the same weights."""
    config = T5Config(**t5_config(T5), tie_word_embeddings=True)
    network = T5EncoderModel(config).eval()
    mine = state()
    network.load_state_dict({**mine, "encoder.embed_tokens.weight": mine[EMBEDDING]})
    return network


def open_file(tensors: dict[str, torch.Tensor], folder: Path) -> TextEncoder:
    save_file(tensors, folder / "t5xxl.safetensors")
    return load_text_encoder([folder / "t5xxl.safetensors"], ["t5xxl.safetensors"], "pixart")


def test_the_published_size_has_one_embedding_and_the_files_names() -> None:
    network = empty_t5(t5_config(XXL))
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_762_310_656
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == published(XXL)


def test_it_reads_as_transformers_own_does(tmp_path: Path) -> None:
    ids = torch.tensor([t5_tokenizer()("a small red house by the sea")["input_ids"]])
    expected = original()(ids).last_hidden_state
    found = encode_prompt(open_file(state(), tmp_path), "a small red house by the sea").prompt_embeds
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_padding_that_transformers_masks_changes_no_real_token(tmp_path: Path) -> None:
    """PixArt's pipeline fills prompts up to 120 or 300 tokens and masks these; here they are left out."""
    padded = t5_tokenizer()(["a red house"], padding="max_length", max_length=120, return_tensors="pt")
    expected = original()(padded.input_ids, attention_mask=padded.attention_mask).last_hidden_state
    found = encode_prompt(open_file(state(), tmp_path), "a red house").prompt_embeds
    count = int(padded.attention_mask.sum())
    assert found.shape[1] == count
    torch.testing.assert_close(found, expected[:, :count], atol=1e-5, rtol=1e-5)


def test_an_embedding_in_its_other_place_is_read(tmp_path: Path) -> None:
    tensors = state()
    tensors["encoder.embed_tokens.weight"] = tensors.pop(EMBEDDING)
    assert encode_prompt(open_file(tensors, tmp_path), "a").prompt_embeds.isfinite().all()


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16], ids=str
)
def test_weights_rest_as_they_are_stored_and_run_in_more(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in state().items()}
    narrow = open_file(tensors, tmp_path)
    module = narrow.towers[0].network.module()
    last = module.encoder.block[0].layer[1].DenseReluDense.wo
    assert last.weight.dtype == dtype
    found = encode_prompt(narrow, "a red house").prompt_embeds
    network = original()
    widened = {name: tensor.float() for name, tensor in tensors.items()}
    network.load_state_dict({**widened, "encoder.embed_tokens.weight": widened[EMBEDDING]})
    ids = torch.tensor([t5_tokenizer()("a red house")["input_ids"]])
    torch.testing.assert_close(found, network(ids).last_hidden_state, atol=1e-5, rtol=1e-5)


def test_eight_bits_with_scales_are_read(tmp_path: Path) -> None:
    """As in t5xxl_fp8_e4m3fn_scaled.safetensors."""
    tensors: dict[str, torch.Tensor] = {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
    exact = state()
    for name, tensor in exact.items():
        if "SelfAttention.q." in name:
            scale = tensor.abs().max() / 448
            narrow = (tensor / scale).to(torch.float8_e4m3fn)
            tensors |= {name: narrow, name.replace(".weight", ".scale_weight"): scale}
            exact[name] = narrow.float() * scale
        else:
            tensors[name] = tensor
    found, expected = (
        encode_prompt(open_file(each, tmp_path), "a red house").prompt_embeds for each in (tensors, exact)
    )
    torch.testing.assert_close(found, expected)


def test_a_folder_of_diffusers_opens(tmp_path: Path) -> None:
    folder = tmp_path / "text_encoder_3"
    original().save_pretrained(folder)
    clip = load_text_encoder([folder], ["text_encoder_3"], "pixart")
    found, expected = (
        encode_prompt(each, "a house").prompt_embeds for each in (clip, open_file(state(), tmp_path))
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a photo of a cat", [3, 9, 1202, 13, 3, 9, 1712, 1]),
        ("", [1]),
        ("  a  b ", [3, 9, 3, 115, 1]),
        ("hello   world", [21820, 296, 1]),
        ("naïve ﬁ Ａ\n new", [3, 29, 9, 2, 162, 361, 71, 126, 1]),
        ("日本", [3, 2, 1]),
    ],
)
def test_known_token_numbers(text: str, ids: list[int]) -> None:
    assert t5_tokenizer()(text)["input_ids"] == ids


def test_the_tokenizer_marks_ends_and_no_beginning() -> None:
    tokenizer = t5_tokenizer()
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (None, 1, 0)
    assert len(tokenizer) == 32_100
