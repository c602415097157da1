"""KSampler and KSamplerAdvanced hand their inputs on, in the field's words."""

from typing import Any

import pytest

from bridge.diffusion import Settings
from bridge.nodes import sampling
from bridge.nodes.sampling import ksampler, ksampler_advanced


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    async def sample(*arguments: Any) -> Any:
        calls.append(arguments)
        return "latents"

    monkeypatch.setattr(sampling, "sample", sample)
    return calls


COMMON: Any = {
    "model": "m",
    "steps": 9,
    "cfg": 3.5,
    "sampler_name": "heun",
    "scheduler": "karras",
    "positive": "p",
    "negative": "n",
    "latent_image": "l",
}


async def test_ksampler(called: list[Any]) -> None:
    assert await ksampler(**COMMON, seed=5, denoise=0.4) == "latents"
    [(model, positive, negative, latents, settings)] = called
    assert (model, positive, negative, latents) == ("m", "p", "n", "l")
    assert settings == Settings(5, 9, 3.5, "heun", "karras", strength=0.4)
    assert settings.adds_noise
    assert settings.end_at_step is None


async def test_ksampler_advanced(called: list[Any]) -> None:
    await ksampler_advanced(
        **COMMON,
        add_noise="disable",
        noise_seed=5,
        start_at_step=2,
        end_at_step=6,
        return_with_leftover_noise="enable",
    )
    assert called[0][-1] == Settings(
        5,
        9,
        3.5,
        "heun",
        "karras",
        adds_noise=False,
        start_at_step=2,
        end_at_step=6,
        keeps_leftover_noise=True,
    )


async def test_ksampler_advanced_by_default_adds_noise_and_finishes(called: list[Any]) -> None:
    await ksampler_advanced(**COMMON, add_noise="enable", return_with_leftover_noise="disable")
    settings = called[0][-1]
    assert settings.adds_noise
    assert not settings.keeps_leftover_noise
