"""Guidance by skipped layers, against diffusers' own way of skipping them and ComfyUI's formulas."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from torch import Tensor

from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.guidance import Predictions, follow
from bridge.diffusion.residency import Network
from bridge.diffusion.skipped_layers import SkipLayerGuidance, Skipping, WeakenedNegative, skipping
from bridge.diffusion.types import DiffusionModel
from bridge.errors import InputError, UnsupportedModel
from bridge.models import Family

ALWAYS = {"highest_sigma": 1.0, "lowest_sigma": 0.0}


def sd3() -> Any:
    torch.manual_seed(0)
    return SD3Transformer2DModel(
        sample_size=8, in_channels=4, num_layers=3, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=8, caption_projection_dim=16, pooled_projection_dim=8, out_channels=4,
        pos_embed_max_size=8,
    ).eval()  # fmt: skip


def flux() -> Any:
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=8, num_layers=2, num_single_layers=3, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=8, pooled_projection_dim=8, axes_dims_rope=(2, 2, 4),
    ).eval()  # fmt: skip


def ask_sd3(network: Any, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    sample, words, pooled = (
        torch.randn(shape, generator=generator) for shape in ((2, 4, 8, 8), (2, 5, 8), (2, 8))
    )
    with torch.inference_mode():
        prediction: Tensor = network(sample, words, pooled, torch.tensor([500.0] * 2), **options).sample
    return prediction


def ask_flux(network: Any) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    sample, words, pooled = (
        torch.randn(shape, generator=generator) for shape in ((2, 6, 8), (2, 5, 8), (2, 8))
    )
    with torch.inference_mode():
        prediction: Tensor = network(
            sample, words, pooled, torch.tensor([0.5] * 2), torch.zeros(6, 3), torch.zeros(5, 3)
        ).sample
    return prediction


@pytest.mark.parametrize("layers", [(1,), (0, 2)])
def test_sd3_without_layers_is_as_diffusers_skips_them(layers: tuple[int, ...]) -> None:
    network = sd3()
    whole = ask_sd3(network)
    twin = Skipping(layers, (0, 7), **ALWAYS).twin(network)
    torch.testing.assert_close(ask_sd3(twin), ask_sd3(network, skip_layers=list(layers)))
    assert not torch.allclose(ask_sd3(twin), whole, atol=1e-4)
    assert torch.equal(ask_sd3(network), whole)


def test_flux_without_layers_is_one_that_never_had_them() -> None:
    network, cut = flux(), flux()
    del cut.transformer_blocks[0]
    del cut.single_transformer_blocks[1]
    twin = Skipping((0,), (1,), **ALWAYS).twin(network)
    torch.testing.assert_close(ask_flux(twin), ask_flux(cut))
    assert not torch.allclose(ask_flux(twin), ask_flux(network), atol=1e-4)


def test_layers_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match=r"layer 7 .* has 2"):
        Skipping((7, 8, 9), (), **ALWAYS).twin(flux())


@pytest.fixture
def seen() -> Predictions:
    generator = torch.Generator().manual_seed(5)
    latents, positive, negative, without = (torch.randn(2, 4, 4, 4, generator=generator) for _ in range(4))

    def ask(asked: Tensor, side: Any, change: Any = None) -> Tensor:
        assert asked is latents
        assert change is not None
        return without if side == "positive" else without * 2

    return Predictions(latents, 0.5, positive, negative, 3.0, True, ask, {})


@pytest.mark.parametrize("rescale", [0.0, 0.7])
def test_guidance_goes_away_from_what_is_seen_without_layers(seen: Predictions, rescale: float) -> None:
    without = seen.ask(seen.latents, "positive", lambda network: network)
    guided = seen.negative + 3 * (seen.positive - seen.negative) + 2 * (seen.positive - without)
    factor = rescale * seen.positive.std() / guided.std() + 1 - rescale
    rule = SkipLayerGuidance(Skipping((1,), (), **ALWAYS), 2.0, rescale)
    torch.testing.assert_close(follow((rule,), seen)[0], guided * factor)


def test_a_weakened_negative_is_guided_away_from(seen: Predictions) -> None:
    weak = seen.ask(seen.latents, "negative", lambda network: network)
    guided, negative = follow((WeakenedNegative(Skipping((1,), (), **ALWAYS)),), seen)
    torch.testing.assert_close(guided, weak + 3 * (seen.positive - weak))
    assert torch.equal(negative, weak)


@pytest.mark.parametrize("sigma", [0.39, 0.81])
def test_outside_its_levels_nothing_is_skipped(seen: Predictions, sigma: float) -> None:
    part = Skipping((1,), (), highest_sigma=0.8, lowest_sigma=0.4)
    elsewhere = replace(seen, sigma=sigma)
    plain = follow((), elsewhere)[0]
    assert torch.equal(follow((SkipLayerGuidance(part, 2.0), WeakenedNegative(part)), elsewhere)[0], plain)
    assert torch.equal(follow((SkipLayerGuidance(part, 0.0),), seen)[0], follow((), seen)[0])


def model(family: Family) -> DiffusionModel:
    return DiffusionModel(Network("net", lambda placement: None), flow_schedule(3.0), 1.0, 8, family=family)


def test_layers_and_levels_are_read_from_what_is_written() -> None:
    expected = Skipping((7, 8, 19), (3,), pytest.approx(0.75), pytest.approx(3 / 7))
    assert skipping(model(Family.SD3), "7, 8;x19", "3", 0.5, 0.8) == expected
    assert skipping(model(Family.FLUX), "", " ") is None


@pytest.mark.parametrize("family", [Family.SDXL, Family.PIXART_SIGMA])
def test_other_kinds_of_models_are_refused(family: Family) -> None:
    with pytest.raises(UnsupportedModel, match=family.value):
        skipping(model(family), "7", "")
