"""What IP-Adapters see in pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bridge.diffusion.clip_vision import VisionTower, encode_pictures
from bridge.diffusion.ip_adapter import (
    combined,
    embeds_of,
    embeds_of_nothing,
    joined,
    load_ip_adapter,
    merged,
)
from bridge.errors import InputError, ModelError
from bridge.models import VisionLayout

Write = Callable[..., Path]


def test_a_plain_adapter_reads_pooled_embeddings_against_zeros(
    vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    positive, negative = embeds_of(load_ip_adapter(write_adapter(), "a"), vision, picture)
    assert torch.equal(positive, encode_pictures(vision, picture).image_embeds)
    assert torch.equal(negative, torch.zeros(1, 24))


def test_a_plus_adapter_reads_patches_against_those_of_black(
    vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter("plus"), "a")
    pictures = picture.repeat(2, 1, 1, 1)
    positive, negative = embeds_of(adapter, vision, pictures)
    black = encode_pictures(vision, torch.zeros(1, 9, 9, 3)).penultimate_hidden_states
    assert torch.equal(positive, encode_pictures(vision, pictures).penultimate_hidden_states)
    assert torch.equal(negative, black.expand(2, -1, -1))
    assert torch.equal(embeds_of_nothing(adapter, vision, positive), negative)


def test_a_negative_picture_is_seen_too(vision: VisionTower, write_adapter: Write, picture: Tensor) -> None:
    adapter = load_ip_adapter(write_adapter(), "a")
    positive, negative = embeds_of(adapter, vision, picture, 1 - picture)
    swapped = embeds_of(adapter, vision, 1 - picture, picture)
    assert torch.equal(negative, swapped[0])
    assert torch.equal(positive, swapped[1])


def test_ways_to_combine() -> None:
    embeds = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 4.0]])
    assert merged(embeds, "add").tolist() == [[9.0, 12.0]]
    assert merged(embeds, "subtract").tolist() == [[-3.0, -3.0]]
    assert merged(embeds, "average").tolist() == [[3.0, 4.0]]
    assert merged(embeds, "max").tolist() == [[5.0, 6.0]]
    assert merged(embeds, "min").tolist() == [[1.0, 2.0]]
    norms = torch.tensor([35.0, 56.0]).sqrt()
    torch.testing.assert_close(merged(embeds, "norm average"), torch.tensor([[3.0, 4.0]]) / norms)
    assert combined(embeds, embeds, "concat") == (embeds, embeds)
    assert combined(embeds, embeds, "average")[1].tolist() == [[1.0, 2.0]]


def test_channels_that_are_zero_everywhere_stay_so_in_a_norm_average() -> None:
    embeds = torch.tensor([[0.0, 3.0], [0.0, 4.0]])
    torch.testing.assert_close(merged(embeds, "norm average"), torch.tensor([[0.0, 0.7]]))


def test_the_last_mask_is_that_of_all_pictures_left(
    vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter(), "a")
    left = torch.zeros(1, 40, 56)
    left[..., :28] = 1
    masks = torch.cat((left, 1 - left))
    pictures = picture.expand(3, -1, -1, -1)
    seen, _ = embeds_of(adapter, vision, pictures, mask=masks)
    each = [embeds_of(adapter, vision, picture, mask=mask)[0] for mask in (left, 1 - left, 1 - left)]
    torch.testing.assert_close(seen, torch.cat(each))
    assert len(embeds_of(adapter, vision, picture, mask=masks)[0]) == 1


def test_embeddings_of_unlike_adapters_are_not_joined() -> None:
    assert len(joined([torch.zeros(1, 4), torch.zeros(2, 4)])) == 3
    with pytest.raises(InputError, match="different kinds of IP-Adapters"):
        joined([torch.zeros(1, 4), torch.zeros(1, 5, 4)])


def test_an_adapter_without_clip_vision_says_which(write_adapter: Write, picture: Tensor) -> None:
    projection = {"proj.weight": torch.zeros(64, 1024), "norm.weight": torch.zeros(16)}
    projection |= {"proj.bias": torch.zeros(64), "norm.bias": torch.zeros(16)}
    adapter = load_ip_adapter(write_adapter(image_proj=projection), "a")
    with pytest.raises(InputError, match="needs a CLIP vision model") as caught:
        embeds_of(adapter, None, picture)
    assert "ViT-H/14" in caught.value.hint


def test_another_clip_vision_is_refused_with_both_named(
    vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    big = VisionTower(vision.network, VisionLayout(1664, 8192, 48, 257, 1280), "CLIP-bigG")
    projection = {"proj.weight": torch.zeros(64, 1024), "norm.weight": torch.zeros(16)}
    projection |= {"proj.bias": torch.zeros(64), "norm.bias": torch.zeros(16)}
    adapter = load_ip_adapter(write_adapter(image_proj=projection), "a")
    with pytest.raises(ModelError, match=r'"a" reads .* 1024 \(ViT-H/14\), .*"CLIP-bigG" .* 1280') as caught:
        embeds_of(adapter, big, picture)
    assert caught.value.code == "model_mismatch"
