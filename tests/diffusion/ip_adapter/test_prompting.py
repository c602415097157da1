"""Models steered by pictures, against diffusers' own IP-Adapter."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from bridge.diffusion import DiffusionModel, free
from bridge.diffusion.clip_vision import VisionTower
from bridge.diffusion.ip_adapter import Emphasis, IPAdapter, add_image_prompt, embeds_of, load_ip_adapter
from bridge.diffusion.look import Look, looking
from bridge.engine.cache import size_of
from bridge.errors import InputError, ModelError
from bridge.models import Family

Write = Callable[..., Path]
SAMPLE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(4))
TEXT = torch.randn(2, 77, 16, generator=torch.Generator().manual_seed(5))
BOTH = (False, True)


def predicted(
    model: DiffusionModel,
    sigma: float = 1.0,
    is_negative: tuple[bool, ...] = BOTH,
    sample: Tensor = SAMPLE,
    text: Tensor = TEXT,
) -> Tensor:
    with looking(Look(sigma, is_negative, *sample.shape[2:])):
        output: Tensor = model.unet.module()(sample, 500, encoder_hidden_states=text, return_dict=False)[0]
    return output


def steered(
    model: DiffusionModel, adapter: IPAdapter, vision: VisionTower, picture: Tensor, **emphasis: Any
) -> DiffusionModel:
    positive, negative = embeds_of(adapter, vision, picture)
    return add_image_prompt(model, adapter, positive, negative, Emphasis(**emphasis))


def relative_error(mine: Tensor, theirs: Tensor) -> float:
    return float((mine - theirs).abs().max() / theirs.abs().max())


def test_the_cache_reckons_with_what_a_picture_takes(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter("plain"), "plain")
    mask = torch.ones(1, 512, 512)
    small, large = (steered(model, adapter, vision, picture, mask=each) for each in (None, mask))
    assert size_of(large) - size_of(small) == mask.nbytes
    assert size_of(small) > 0


@pytest.mark.parametrize("kind", ["plain", "plus", "full"])
def test_noise_is_predicted_as_diffusers_does(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor, kind: str
) -> None:
    file = write_adapter(kind)
    adapter = load_ip_adapter(file, kind)
    positive, negative = embeds_of(adapter, vision, picture)
    mine = predicted(add_image_prompt(model, adapter, positive, negative, Emphasis()))
    plain = predicted(model)
    free()  # diffusers changes its UNet in place

    unet = model.unet.module()
    unet._load_ip_adapter_weights([_as_diffusers_wants_it(file)], low_cpu_mem_usage=False)
    embeds = torch.stack((positive, negative))  # (2, 1, …)
    theirs = unet(
        SAMPLE,
        500,
        encoder_hidden_states=TEXT,
        added_cond_kwargs={"image_embeds": [embeds]},
        return_dict=False,
    )[0]
    assert relative_error(mine, theirs) < 1e-5
    assert relative_error(plain, theirs) > 1e-2


def test_the_base_stays_as_it_was_and_shares_its_weights(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    before = predicted(model)
    changed = steered(model, load_ip_adapter(write_adapter(), "a"), vision, picture)
    assert relative_error(predicted(changed), before) > 1e-2
    assert torch.equal(predicted(model), before)
    mine, theirs = changed.unet.module(), model.unet.module()
    assert all(a is b for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))


def test_it_speaks_in_its_part_of_the_schedule_only(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter(), "a")
    changed = steered(model, adapter, vision, picture, start=0.2, end=0.6)
    plain = predicted(model)
    for percent, speaks in ((0.1, False), (0.3, True), (0.7, False)):
        same = torch.equal(predicted(changed, model.schedule.sigma_at(percent)), plain)
        assert same is not speaks


def test_weight_zero_is_the_model_itself(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    assert steered(model, load_ip_adapter(write_adapter(), "a"), vision, picture, weight=0.0) is model


def test_two_adapters_add_up_in_every_attention(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter(), "a")
    once = steered(model, adapter, vision, picture, weight=0.7)
    less = steered(model, adapter, vision, picture, weight=0.3)
    twice = steered(less, adapter, vision, picture, weight=0.4)
    assert relative_error(predicted(twice), predicted(once)) < 1e-5


def test_sides_are_told_apart_whatever_their_order(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    changed = steered(model, load_ip_adapter(write_adapter("plus"), "a"), vision, picture)
    forth = predicted(changed)
    back = predicted(changed, is_negative=(True, False), sample=SAMPLE.flip(0), text=TEXT.flip(0))
    torch.testing.assert_close(back.flip(0), forth, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(predicted(changed, is_negative=(False, False))[1], forth[1])


def test_a_batch_of_pictures_goes_with_each_prompt(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    changed = steered(model, load_ip_adapter(write_adapter(), "a"), vision, picture)
    rows = [0, 0, 0, 1, 1, 1]
    many = predicted(changed, sample=SAMPLE[rows], text=TEXT[rows])
    torch.testing.assert_close(many, predicted(changed)[rows], atol=1e-5, rtol=1e-4)


def test_tokens_of_several_pictures_stand_side_by_side(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter(), "a")
    same = steered(model, adapter, vision, picture.repeat(3, 1, 1, 1))
    other = steered(model, adapter, vision, torch.cat((picture, 1 - picture)))
    one = predicted(steered(model, adapter, vision, picture))
    torch.testing.assert_close(predicted(same), one, atol=1e-5, rtol=1e-4)  # softmax over equal tokens
    assert relative_error(predicted(other), one) > 1e-3


def test_a_white_mask_changes_nothing_and_a_part_of_it_less(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    adapter = load_ip_adapter(write_adapter(), "a")
    plain, whole = predicted(model), predicted(steered(model, adapter, vision, picture))
    white = steered(model, adapter, vision, picture, mask=torch.ones(1, 64, 64))
    assert torch.equal(predicted(white), whole)
    mask = torch.zeros(1, 50, 70)
    mask[:, :20, :20] = 1
    partial = predicted(steered(model, adapter, vision, picture, mask=mask))
    assert 0 < float((partial - plain).norm()) < float((whole - plain).norm())


def test_an_empty_mask_is_an_error(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    with pytest.raises(InputError, match="mask of the image prompt is empty"):
        steered(model, load_ip_adapter(write_adapter(), "a"), vision, picture, mask=torch.zeros(1, 8, 8))


def test_an_adapter_of_another_family_is_refused_with_both_named(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    from_sdxl = {f"{key}.to_{part}_ip.weight": torch.zeros(64, 2048) for key in (1, 3) for part in "kv"}
    projection = {"proj.weight": torch.zeros(2048, 24), "proj.bias": torch.zeros(2048)}
    projection |= {"norm.weight": torch.ones(2048), "norm.bias": torch.zeros(2048)}
    adapter = load_ip_adapter(write_adapter(image_proj=projection, ip_adapter=from_sdxl), "xl")
    with pytest.raises(ModelError, match=r'"xl" was made for SDXL, .* is Stable Diffusion 1\.x') as caught:
        steered(replace(model, family=Family.SD1), adapter, vision, picture)
    assert caught.value.code == "model_mismatch"


@pytest.mark.parametrize("kind", ["plain", "plus"])
@pytest.mark.parametrize(
    ("positive", "negative", "named"),
    [
        ((1, 24), (1, 5, 32), ("neg_embed", "pos_embed")),
        ((1, 5, 32), (1, 24), ("pos_embed", "neg_embed")),
        ((1, 20), (1, 20), ("pos_embed", "pos_embed")),
        ((1, 5, 40), (1, 5, 40), ("pos_embed", "pos_embed")),
        ((1, 5, 32), (1, 4, 32), ("pos_embed", "neg_embed")),
    ],
)
def test_embeddings_that_the_adapter_cannot_read_are_refused(
    model: DiffusionModel,
    write_adapter: Write,
    kind: str,
    positive: tuple[int, ...],
    negative: tuple[int, ...],
    named: tuple[str, str],
) -> None:
    adapter = load_ip_adapter(write_adapter(kind), "a")
    with pytest.raises(InputError, match=r'"a" reads') as caught:
        add_image_prompt(model, adapter, torch.zeros(positive), torch.zeros(negative), Emphasis())
    assert caught.value.input_name == named[kind == "plus"]


def test_broken_weights_are_said(
    model: DiffusionModel, vision: VisionTower, write_adapter: Write, picture: Tensor
) -> None:
    broken = {key: each * float("nan") for key, each in _layers(write_adapter).items()}
    file = write_adapter(ip_adapter=broken)
    changed = steered(model, load_ip_adapter(file, "a"), vision, picture)
    with pytest.raises(ModelError, match="no numbers"):
        predicted(changed)


def _layers(write_adapter: Write) -> dict[str, Tensor]:
    return _as_diffusers_wants_it(write_adapter())["ip_adapter"]


def _as_diffusers_wants_it(file: Path) -> dict[str, dict[str, Tensor]]:
    state: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(file).items():
        part, key = name.split(".", 1)
        state[part][key] = tensor
    return state
