"""Prompts to embeddings."""

import pytest
import torch

from bridge.diffusion import TextEncoder, encode_prompt, set_last_layer
from bridge.diffusion.text import tokenize
from bridge.errors import InputError

START, END = 49406, 49407


def words(clip: TextEncoder, text: str) -> list[int]:
    ids: list[int] = clip.tokenizer(text)["input_ids"]
    return ids[1:-1]


def test_known_token_numbers(clip: TextEncoder) -> None:
    [chunk] = tokenize(clip, "a photo of a cat")
    assert [token for token, _ in chunk][:7] == [START, 320, 1125, 539, 320, 2368, END]
    assert len(chunk) == 77
    assert {token for token, _ in chunk[6:]} == {END}


def test_an_empty_prompt_is_one_chunk_of_nothing(clip: TextEncoder) -> None:
    [chunk] = tokenize(clip, "")
    assert [token for token, _ in chunk] == [START, *[END] * 76]


def test_a_prompt_without_weights_is_what_the_tower_says(clip: TextEncoder) -> None:
    ids = torch.tensor([[START, *words(clip, "a red house"), *[END] * 73]])
    expected = clip.network.module()(ids).last_hidden_state
    torch.testing.assert_close(encode_prompt(clip, "a red house").prompt_embeds, expected)


def test_a_weighted_token_moves_away_from_the_empty_prompt(clip: TextEncoder) -> None:
    plain = encode_prompt(clip, "a red house").prompt_embeds
    empty = encode_prompt(clip, "").prompt_embeds
    weighted = encode_prompt(clip, "a (red:1.5) house").prompt_embeds
    torch.testing.assert_close(weighted[0, 2], empty[0, 2] + 1.5 * (plain[0, 2] - empty[0, 2]))
    untouched = [0, 1, *range(3, 77)]
    torch.testing.assert_close(weighted[0, untouched], plain[0, untouched], atol=1e-5, rtol=1e-5)


def test_a_long_prompt_becomes_chunks_of_75(clip: TextEncoder) -> None:
    tokens = words(clip, "cat " * 100)
    chunks = tokenize(clip, "cat " * 100)
    assert len(chunks) == 2
    assert [token for token, _ in chunks[0][1:-1]] == tokens[:75]
    assert [token for token, _ in chunks[1][1:26]] == tokens[75:]
    assert chunks[0][0][0] == chunks[1][0][0] == START
    assert chunks[0][-1][0] == END
    assert encode_prompt(clip, "cat " * 100).prompt_embeds.shape == (1, 154, 16)


def test_chunks_are_encoded_apart(clip: TextEncoder) -> None:
    long = encode_prompt(clip, "cat " * 75 + "dog").prompt_embeds
    short = encode_prompt(clip, "dog").prompt_embeds
    torch.testing.assert_close(long[:, 77:], short, atol=1e-5, rtol=1e-5)


def test_exactly_75_tokens_are_one_chunk(clip: TextEncoder) -> None:
    assert len(tokenize(clip, "cat " * 75)) == 1


def test_a_short_piece_is_not_split(clip: TextEncoder) -> None:
    chunks = tokenize(clip, "cat " * 73 + "(blue big dog:1.2)")
    assert [token for token, _ in chunks[0][1:74]] == words(clip, "cat " * 73)
    assert {token for token, _ in chunks[0][74:]} == {END}
    assert chunks[1][1:4] == [(token, 1.2) for token in words(clip, "blue big dog")]


def test_a_long_piece_fills_the_chunk_first(clip: TextEncoder) -> None:
    chunks = tokenize(clip, "cat " * 70 + "(" + "dog " * 10 + ":1.2)")
    assert chunks[0][71:76] == [(words(clip, "dog")[0], 1.2)] * 5


def test_an_earlier_layer_is_normed_too(clip: TextEncoder) -> None:
    tower = clip.network.module()
    ids = torch.tensor([[START, *words(clip, "a cat"), *[END] * 74]])
    layers = tower(ids, output_hidden_states=True).hidden_states
    embeds = encode_prompt(set_last_layer(clip, -2), "a cat").prompt_embeds
    torch.testing.assert_close(embeds, tower.final_layer_norm(layers[-2]))
    assert not torch.allclose(embeds, encode_prompt(clip, "a cat").prompt_embeds)


@pytest.mark.parametrize("layer", [-1, -4, -24])
def test_the_last_layer_and_layers_that_are_not_there_mean_the_last(clip: TextEncoder, layer: int) -> None:
    embeds = encode_prompt(set_last_layer(clip, layer), "a cat").prompt_embeds
    torch.testing.assert_close(embeds, encode_prompt(clip, "a cat").prompt_embeds)


def test_embeddings_are_ordinary_tensors(clip: TextEncoder) -> None:
    embeds = encode_prompt(clip, "a cat").prompt_embeds
    assert not embeds.is_inference()
    assert embeds.dtype == torch.float32
    embeds += 1  # foreign nodes work in place


@pytest.mark.parametrize(("text", "code"), [("a" * 100_001, "too_long"), ("a \ud800 cat", "bad_text")])
def test_prompts_that_are_none_are_refused(clip: TextEncoder, text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        encode_prompt(clip, text)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["\0", "😀 ñ 猫", "<|endoftext|>", "embedding:foo", "\n\t "])
def test_odd_prompts_are_prompts(clip: TextEncoder, text: str) -> None:
    assert encode_prompt(clip, text).prompt_embeds.isfinite().all()
