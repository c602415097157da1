"""Tiny transformers with seeded weights, and a run of a few Euler steps through the denoiser."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import SAMPLERS, DiffusionModel, Network, Prompt
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.noise import NoiseSource
from bridge.models import Family

SIGMAS = (1.0, 0.7, 0.4, 0.0)


def seeded(module: Any, seed: int = 1) -> Any:
    """Give a module weights that keep signals at their size, and make every input count."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    return module.eval().requires_grad_(False)


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


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


@pytest.fixture(scope="session")
def error() -> Callable[[Tensor, Tensor], float]:
    """Relative error of one tensor against another."""

    def of(found: Tensor, expected: Tensor) -> float:
        assert found.shape == expected.shape
        return float((found - expected).norm() / expected.norm())

    return of
