"""Tiny transformers with seeded weights, and a run of a few Euler steps through the denoiser."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from torch import Tensor

from bridge.diffusion import SAMPLERS, DiffusionModel, Network, Prompt
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.noise import NoiseSource
from bridge.models import Family
from tests.diffusion.tiny_transformers import error, noise, seeded

SIGMAS = (1.0, 0.7, 0.4, 0.0)


@pytest.fixture(scope="session", name="seeded")
def _seeded() -> Callable[..., Any]:
    return seeded


@pytest.fixture(scope="session", name="noise")
def _noise() -> Callable[..., Tensor]:
    return noise


@pytest.fixture
def make_model() -> Callable[..., DiffusionModel]:
    """Make a flow's model around a transformer."""

    def make(module: Any, family: Family, **changes: Any) -> DiffusionModel:
        network: Network[Any] = Network("tiny transformer", lambda placement: module)
        return DiffusionModel(network, flow_schedule(1.0), 0.5, 8, family=family, **changes)

    return make


Run = Callable[..., Any]


@pytest.fixture
def run(as_node: Callable[[Any], Any]) -> Run:
    """Follow Euler's steps along noise levels."""

    async def follow(
        model: DiffusionModel,
        noisy: Tensor,
        positive: Sequence[Prompt],
        negative: Sequence[Prompt] = (),
        guidance_scale: float = 1.0,
        sigmas: Sequence[float] = SIGMAS,
        **outset: Any,
    ) -> Tensor:
        async def steps() -> Tensor:
            denoiser = Denoiser(model, positive, negative, guidance_scale, noisy.shape, **outset)
            solve = SAMPLERS["euler"].for_schedule(model.schedule)
            latents = noisy
            async for step in solve(denoiser, noisy, list(sigmas), NoiseSource(noisy, list(sigmas), 0)):
                latents = step.latents
            return latents

        finished: Tensor = await as_node(steps())
        return finished

    return follow


@pytest.fixture(scope="session", name="error")
def _error() -> Callable[[Tensor, Tensor], float]:
    return error
