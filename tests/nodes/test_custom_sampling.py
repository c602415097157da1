"""Nodes of custom sampling hand their inputs on."""

import math
from typing import Any

import pytest
import torch

from bridge.diffusion import (
    SAMPLERS,
    DiffusionModel,
    DualGuidance,
    PromptGuidance,
    SeededNoise,
    Tolerance,
    stable_diffusion_schedule,
)
from bridge.errors import InputError
from bridge.nodes import custom_sampling, model_sampling, samplers, sigmas


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    async def run(*arguments: Any) -> Any:
        calls.append(arguments)
        return "output", "denoised"

    monkeypatch.setattr(custom_sampling, "run", run)
    return calls


async def test_sampler_custom(called: list[Any]) -> None:
    arguments: Any = {"model": "m", "positive": "p", "negative": "n", "latent_image": "l"}
    await custom_sampling.sampler_custom(
        **arguments, add_noise=False, noise_seed=5, cfg=3.0, sampler="s", sigmas=torch.tensor([2.0, 0.0])
    )
    [(guider, sampler, levels, noise, latents)] = called
    assert (guider.model, guider.positive, guider.negative, guider.guidance_scale) == ("m", "p", "n", 3.0)
    assert (sampler, levels, latents) == ("s", [2.0, 0.0], "l")
    assert noise == SeededNoise(5, is_silent=True)


async def test_sampler_custom_advanced(called: list[Any]) -> None:
    arguments: Any = ("noise", "guider", "sampler", torch.tensor([2.0, 0.0]), "latents")
    assert await custom_sampling.sampler_custom_advanced(*arguments) == ("output", "denoised")
    assert called == [("guider", "sampler", [2.0, 0.0], "noise", "latents")]


def test_noise_and_guiders() -> None:
    prompts: Any = ("a", "b", "c")
    assert custom_sampling.random_noise(7) == SeededNoise(7)
    assert custom_sampling.disable_noise().is_silent
    basic: Any = custom_sampling.basic_guider("m", prompts)  # type: ignore[arg-type]
    assert isinstance(basic, PromptGuidance)
    assert (basic.positive, basic.negative, basic.guidance_scale) == (prompts, (), 1.0)
    dual: Any = custom_sampling.dual_cfg_guider("m", *prompts, 4.0, 2.0, style="nested")  # type: ignore[arg-type]
    assert isinstance(dual, DualGuidance)
    assert (dual.first, dual.second, dual.negative) == prompts
    assert (dual.first_scale, dual.second_scale, dual.is_nested) == (4.0, 2.0, True)


def test_samplers_take_their_options() -> None:
    assert samplers.ksampler_select("heun") is SAMPLERS["heun"]
    solve: Any = samplers.sampler_dpmpp_2m_sde("heun", 0.5, 1.1, noise_device="gpu").solve
    assert solve.keywords == {"eta": 0.5, "noise_scale": 1.1, "rule": "heun"}
    adaptive: Any = samplers.sampler_dpm_adaptive(2, rtol=0.1, eta=0.5).solve
    assert adaptive.keywords["tolerance"] == Tolerance(order=2, relative=0.1)
    assert adaptive.keywords["eta"] == 0.5


def test_a_second_look_at_the_place_of_the_first_is_refused() -> None:
    with pytest.raises(InputError, match="second look") as caught:
        samplers.sampler_dpmpp_sde(r=0.0, noise_device="cpu")
    assert caught.value.input_name == "r"


def test_splitting_leaves_the_level_between_in_both_parts() -> None:
    high, low = sigmas.split_sigmas(torch.tensor([3.0, 2.0, 1.0, 0.0]), 1)
    assert (high.tolist(), low.tolist()) == ([3.0, 2.0], [2.0, 1.0, 0.0])


class Model:
    schedule = stable_diffusion_schedule()


@pytest.mark.parametrize(
    ("percent", "is_actual", "expected"),
    [(0.0, False, 999_999_999.9), (0.0, True, 14.614641), (1.0, False, 0.0), (1.0, True, 0.029167)],
)
def test_a_share_of_the_way_has_a_level(percent: float, is_actual: bool, expected: float) -> None:
    model: Any = Model
    assert sigmas.sampling_percent_to_sigma(model, percent, is_actual) == pytest.approx(expected, rel=1e-4)


def test_a_model_is_told_what_it_predicts_and_how_to_be_used() -> None:
    unet: Any = "unet"
    model = DiffusionModel(unet, stable_diffusion_schedule(), 0.18215, 8)
    changed = model_sampling.model_sampling_discrete(model, "lcm")
    assert (changed.schedule.prediction, len(changed.schedule.sigmas)) == ("consistency", 50)
    assert model_sampling.model_sampling_discrete(model, "v_prediction", True).schedule.sigma_max > 4000
    assert model_sampling.model_sampling_sd3(model).schedule.sigma_at(0.5) == pytest.approx(0.75)
    aura = model_sampling.model_sampling_aura_flow(model).schedule
    assert aura.sigma_at(0.5) == pytest.approx(1.73 / 2.73)
    flux = model_sampling.model_sampling_flux(model, width=256, height=256).schedule
    assert flux.sigma_at(0.5) == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert len(flux.sigmas) == 10_000
    assert model_sampling.rescale_cfg(model, 0.4).guidance_rescale == 0.4
    assert model_sampling.differential_diffusion(model).soft_inpainting == 1.0
    assert model_sampling.differential_diffusion(model, 0.0).soft_inpainting == 0.0
