"""Prompts to embeddings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bridge.diffusion import TextEncoder, encode_prompt, encode_prompts, pool_words, set_last_layer
from bridge.diffusion.patching import twin_of
from bridge.diffusion.residency import Network
from bridge.diffusion.tokens import tokenize
from bridge.errors import InputError, ModelError, ModelNotFound, UnsupportedModel
from bridge.models import Catalogue, Family, TowerKind

START, END = 49406, 49407


def words(clip: TextEncoder, text: str) -> list[int]:
    ids: list[int] = clip.towers[0].tokenizer(text)["input_ids"]
    return ids[1:-1]


def test_known_token_numbers(clip: TextEncoder) -> None:
    [chunk] = tokenize(clip.towers[0], "a photo of a cat")
    assert [token for token, _ in chunk][:7] == [START, 320, 1125, 539, 320, 2368, END]
    assert len(chunk) == 77
    assert {token for token, _ in chunk[6:]} == {END}


def test_an_empty_prompt_is_one_chunk_of_nothing(clip: TextEncoder) -> None:
    [chunk] = tokenize(clip.towers[0], "")
    assert [token for token, _ in chunk] == [START, *[END] * 76]


def test_a_prompt_without_weights_is_what_the_tower_says(clip: TextEncoder) -> None:
    ids = torch.tensor([[START, *words(clip, "a red house"), *[END] * 73]])
    expected = clip.towers[0].network.module()(ids).last_hidden_state
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
    chunks = tokenize(clip.towers[0], "cat " * 100)
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
    assert len(tokenize(clip.towers[0], "cat " * 75)) == 1


def test_a_short_piece_is_not_split(clip: TextEncoder) -> None:
    chunks = tokenize(clip.towers[0], "cat " * 73 + "(blue big dog:1.2)")
    assert [token for token, _ in chunks[0][1:74]] == words(clip, "cat " * 73)
    assert {token for token, _ in chunks[0][74:]} == {END}
    assert chunks[1][1:4] == [(token, 1.2) for token in words(clip, "blue big dog")]


def test_a_long_piece_fills_the_chunk_first(clip: TextEncoder) -> None:
    chunks = tokenize(clip.towers[0], "cat " * 70 + "(" + "dog " * 10 + ":1.2)")
    assert chunks[0][71:76] == [(words(clip, "dog")[0], 1.2)] * 5


def test_an_earlier_layer_is_normed_too(clip: TextEncoder) -> None:
    tower = clip.towers[0].network.module()
    ids = torch.tensor([[START, *words(clip, "a cat"), *[END] * 74]])
    layers = tower(ids, output_hidden_states=True).hidden_states
    embeds = encode_prompt(set_last_layer(clip, -2), "a cat").prompt_embeds
    torch.testing.assert_close(embeds, tower.final_layer_norm(layers[-2]))
    assert not torch.allclose(embeds, encode_prompt(clip, "a cat").prompt_embeds)


def test_a_twin_that_shares_layers_does_not_move_them(clip: TextEncoder) -> None:
    before = encode_prompt(set_last_layer(clip, -2), "a cat").prompt_embeds
    tower = clip.towers[0]
    name = "encoder.layers.0.mlp.fc1.weight"

    def of_twin() -> torch.Tensor:
        twin = Network("twin", lambda where: twin_of(tower.network.module(), [name]), needs=(tower.network,))
        changed = replace(clip, towers=(replace(tower, network=twin),))
        return encode_prompt(set_last_layer(changed, -2), "a cat").prompt_embeds

    tower.network.drop()
    torch.testing.assert_close(of_twin(), before)
    torch.testing.assert_close(encode_prompt(set_last_layer(clip, -2), "a cat").prompt_embeds, before)
    torch.testing.assert_close(of_twin(), before)


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


@pytest.mark.parametrize("text", ["\0", "😀 ñ 猫", "<|endoftext|>", "\n\t "])
def test_odd_prompts_are_prompts(clip: TextEncoder, text: str) -> None:
    assert encode_prompt(clip, text).prompt_embeds.isfinite().all()


# ---- two towers --------------------------------------------------------------------------------------


@pytest.fixture
def sdxl_clip(clip: TextEncoder, make_tower: Any) -> TextEncoder:
    return TextEncoder((clip.towers[0], make_tower("clip_g", projection=8)), Family.SDXL)


def test_two_towers_stand_side_by_side_and_the_last_one_pools(sdxl_clip: TextEncoder) -> None:
    prompt = encode_prompt(sdxl_clip, "a cat")
    assert prompt.prompt_embeds.shape == (1, 77, 32)
    ids = torch.tensor([[START, *words(sdxl_clip, "a cat"), END, *[0] * 73]])
    network = sdxl_clip.towers[1].network.module()
    output = network.text_model(ids, output_hidden_states=True)
    torch.testing.assert_close(prompt.prompt_embeds[..., 16:], output.hidden_states[-2])
    expected = network.text_projection(output.last_hidden_state[:, 3])
    assert prompt.pooled_prompt_embeds is not None
    torch.testing.assert_close(prompt.pooled_prompt_embeds, expected)


def test_the_penultimate_layer_has_no_final_norm_in_sdxl_and_one_in_sd2(clip: TextEncoder) -> None:
    tower = clip.towers[0].network.module()
    ids = torch.tensor([[START, *words(clip, "a cat"), *[END] * 74]])
    layer = tower(ids, output_hidden_states=True).hidden_states[-2]
    embeds = encode_prompt(replace(clip, family=Family.SDXL), "a cat").prompt_embeds
    torch.testing.assert_close(embeds, layer)
    embeds = encode_prompt(replace(clip, family=Family.SD2), "a cat").prompt_embeds
    torch.testing.assert_close(embeds, tower.final_layer_norm(layer))


def test_the_shorter_prompt_is_filled_up_with_empty_chunks(sdxl_clip: TextEncoder) -> None:
    both = encode_prompts(sdxl_clip, {"clip_l": "a cat", "clip_g": "dog " * 100})
    assert both.prompt_embeds.shape == (1, 154, 32)
    torch.testing.assert_close(
        both.prompt_embeds[:, 77:, :16], encode_prompt(sdxl_clip, "").prompt_embeds[..., :16],
        atol=1e-5, rtol=1e-5,
    )  # fmt: skip


def test_a_tower_without_a_prompt_is_an_error(clip: TextEncoder, make_tower: Any) -> None:
    with pytest.raises(InputError, match="Stable Diffusion 2") as caught:
        encode_prompts(TextEncoder((make_tower("clip_h"),), Family.SD2), {"clip_l": "a", "clip_g": "b"})
    assert caught.value.hint


# ---- T5 ------------------------------------------------------------------------------------------------

L, G, XXL = 768, 1280, 4096
"""Widths of SD3's towers, which zeros have where one is missing."""


@pytest.fixture
def sd3(make_tower: Any) -> TextEncoder:
    return TextEncoder((make_tower(), make_tower("clip_g", projection=16), make_tower("t5xxl")), Family.SD3)


def without(clip: TextEncoder, *kinds: str) -> TextEncoder:
    return replace(clip, towers=tuple(tower for tower in clip.towers if tower.kind not in kinds))


def test_sd3_without_t5_has_clips_tokens_only(sd3: TextEncoder) -> None:
    whole, found = (encode_prompt(each, "a cat") for each in (sd3, without(sd3, "t5xxl")))
    assert found.prompt_embeds.shape == (1, 77, XXL)
    assert torch.equal(found.prompt_embeds[..., :32], whole.prompt_embeds[:, :77, :32])
    assert not found.prompt_embeds[..., 32:].any()
    torch.testing.assert_close(found.pooled_prompt_embeds, whole.pooled_prompt_embeds)


def test_sd3_without_clip_g_has_zeros_in_its_place(sd3: TextEncoder) -> None:
    whole, found = (encode_prompt(each, "a cat") for each in (sd3, without(sd3, "clip_g")))
    assert torch.equal(found.prompt_embeds[..., :16], whole.prompt_embeds[..., :16])
    assert not found.prompt_embeds[:, :77, 16:].any()
    assert found.pooled_prompt_embeds is not None
    assert found.pooled_prompt_embeds.shape == (1, 16 + G)
    assert not found.pooled_prompt_embeds[:, 16:].any()


def test_sd3_without_clip_l_has_zeros_before_clip_g(sd3: TextEncoder) -> None:
    whole, found = (encode_prompt(each, "a cat") for each in (sd3, without(sd3, "clip_l", "t5xxl")))
    assert not found.prompt_embeds[..., :L].any()
    assert torch.equal(found.prompt_embeds[..., L : L + 16], whole.prompt_embeds[:, :77, 16:32])
    assert not found.prompt_embeds[..., L + 16 :].any()
    assert found.pooled_prompt_embeds is not None
    assert not found.pooled_prompt_embeds[:, :L].any()
    assert found.pooled_prompt_embeds[:, L:].all()


def test_sd3_with_t5_alone_has_zeros_for_what_clip_says_of_all(sd3: TextEncoder) -> None:
    whole, found = (encode_prompt(each, "a cat") for each in (sd3, without(sd3, "clip_l", "clip_g")))
    torch.testing.assert_close(found.prompt_embeds, whole.prompt_embeds[:, 77:])
    torch.testing.assert_close(found.pooled_prompt_embeds, torch.zeros(1, L + G))


def test_what_clip_l_says_of_all_is_not_projected(make_tower: Any) -> None:
    """SD3's files bring a projection, which ComfyUI leaves out; in the original it is the identity."""
    with_it, without_it = (
        encode_prompt(TextEncoder((make_tower(projection=width),), Family.SD3), "a cat") for width in (8, 0)
    )
    torch.testing.assert_close(with_it.pooled_prompt_embeds, without_it.pooled_prompt_embeds)


def test_sd3_of_whom_nothing_is_asked_has_zeros(sd3: TextEncoder) -> None:
    texts: dict[TowerKind, str] = {"clip_l": "", "clip_g": "", "t5xxl": ""}
    found = encode_prompts(without(sd3, "t5xxl"), texts, fills_empty=False)
    torch.testing.assert_close(found.prompt_embeds, torch.zeros(1, 77, XXL))


def test_t5_has_no_start_one_end_and_zeros_behind_it(make_tower: Any) -> None:
    [chunk] = tokenize(make_tower("t5xxl"), "a (cat:1.5)", min_length=8)
    assert chunk == [(3, 1.0), (9, 1.0), (1712, 1.5), (1, 1.0), *[(0, 1.0)] * 4]


def test_t5_reads_a_long_prompt_in_one(make_tower: Any) -> None:
    [chunk] = tokenize(make_tower("t5xxl"), "cat " * 500)
    assert len(chunk) == 501


def test_a_prompt_that_t5_could_not_hold_is_refused(make_tower: Any) -> None:
    with pytest.raises(InputError, match="5,000 tokens for T5") as caught:
        tokenize(make_tower("t5xxl"), "cat " * 5000)
    assert caught.value.code == "too_long"


def test_t5_says_nothing_of_words_as_a_whole(make_tower: Any) -> None:
    with pytest.raises(InputError, match="PixArt"):
        pool_words(TextEncoder((make_tower("t5xxl"),), Family.PIXART_ALPHA), "a cat")


# ---- textual inversion ---------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path: Path) -> Catalogue:
    (tmp_path / "embeddings").mkdir()
    return Catalogue([tmp_path])


def keep(models: Catalogue, tensors: dict[str, torch.Tensor], name: str = "style.safetensors") -> None:
    save_file(tensors, next(iter(models._bases("embeddings"))) / name)


def test_an_embedding_stands_where_it_is_named(clip: TextEncoder, models: Catalogue) -> None:
    vectors = torch.randn(2, 16)
    keep(models, {"emb_params": vectors})
    chunk = tokenize(clip.towers[0], "a embedding:style cat", models)[0]
    tokens = [token for token, _ in chunk]
    assert tokens[1] == words(clip, "a")[0]
    assert [torch.equal(token, vector) for token, vector in zip(tokens[2:4], vectors, strict=True)] == [
        True
    ] * 2
    assert tokens[4:6] == [*words(clip, "cat"), END]


def test_the_tower_sees_the_vector(clip: TextEncoder, models: Catalogue) -> None:
    [dog] = words(clip, "dog")
    vector = clip.towers[0].network.module().embeddings.token_embedding.weight[dog]
    keep(models, {"emb_params": vector[None].clone()})
    found = encode_prompt(clip, "a embedding:style cat", models).prompt_embeds
    torch.testing.assert_close(found, encode_prompt(clip, "a dog cat").prompt_embeds)
    again = encode_prompt(clip, "a cat").prompt_embeds
    torch.testing.assert_close(again, encode_prompt(clip, "a cat", models).prompt_embeds)


@pytest.mark.parametrize(
    "text", ["(embedding:style:1.3)", "embedding:style.safetensors", "embedding:style, cat"]
)
def test_ways_to_name_an_embedding(clip: TextEncoder, models: Catalogue, text: str) -> None:
    keep(models, {"emb_params": torch.randn(1, 16)})
    [chunk] = tokenize(clip.towers[0], text, models)
    assert isinstance(chunk[1][0], torch.Tensor)
    assert chunk[1][1] == (1.3 if "1.3" in text else 1.0)
    behind = words(clip, ", cat") if "cat" in text else [END]
    assert [token for token, _ in chunk[2 : 2 + len(behind)]] == behind


def test_each_tower_of_sdxl_takes_its_own_vectors(sdxl_clip: TextEncoder, models: Catalogue) -> None:
    mine = {"clip_l": torch.randn(1, 16), "clip_g": torch.randn(1, 16)}
    keep(models, mine)
    for tower in sdxl_clip.towers:
        [chunk] = tokenize(tower, "embedding:style", models)
        assert torch.equal(chunk[1][0], mine[tower.kind][0])  # type: ignore[arg-type]


def test_a_missing_embedding_names_the_nearest(clip: TextEncoder, models: Catalogue) -> None:
    keep(models, {"emb_params": torch.randn(1, 16)})
    with pytest.raises(ModelNotFound, match=r'nearest: "style.safetensors"'):
        encode_prompt(clip, "a embedding:styl cat", models)


def test_an_embedding_of_another_family_is_refused(clip: TextEncoder, models: Catalogue) -> None:
    keep(models, {"emb_params": torch.randn(1, 768)})
    with pytest.raises(UnsupportedModel, match="768 numbers; the text encoder takes 16"):
        encode_prompt(clip, "embedding:style", models)


@pytest.mark.parametrize(
    ("tensors", "code"),
    [
        ({"emb_params": torch.full((1, 16), float("nan"))}, "model_corrupt"),
        ({"lora_unet_a.lora_up.weight": torch.zeros(1, 16)}, "wrong_model_kind"),
        ({"emb_params": torch.zeros(1, 1, 16)}, "wrong_model_kind"),
    ],
)
def test_a_file_that_is_no_embedding(
    clip: TextEncoder, models: Catalogue, tensors: dict[str, torch.Tensor], code: str
) -> None:
    keep(models, tensors)
    with pytest.raises(ModelError) as caught:
        encode_prompt(clip, "embedding:style", models)
    assert caught.value.code == code


def test_an_embedding_for_clip_is_nothing_to_t5(make_tower: Any, models: Catalogue) -> None:
    keep(models, {"clip_l": torch.randn(1, 16), "clip_g": torch.randn(1, 16)})
    [chunk] = tokenize(make_tower("t5xxl"), "a embedding:style cat", models)
    assert [token for token, _ in chunk] == [3, 9, 1712, 1]


def test_words_behind_an_embedding_may_stand_on_the_next_line(clip: TextEncoder, models: Catalogue) -> None:
    keep(models, {"emb_params": torch.randn(1, 16)})
    [chunk] = tokenize(clip.towers[0], "embedding:style\ncat", models)
    assert [token for token, _ in chunk[2:4]] == [*words(clip, "cat"), END]
