"""Pictures that ControlNets see as latents: when they are encoded, and for which prompts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import FluxControlNetModel, FluxTransformer2DModel

from bridge.diffusion import (
    SAMPLERS,
    Area,
    Autoencoder,
    Control,
    ControlNetwork,
    DiffusionModel,
    DualGuidance,
    LatentBatch,
    Network,
    PerpendicularGuidance,
    Placement,
    Prompt,
    PromptGuidance,
    SeededNoise,
    with_rule,
)
from bridge.diffusion.control_pictures import control_latents
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.sampling import run
from bridge.diffusion.transformer_controlnets import TransformerControlNet
from bridge.models import Family
from tests.diffusion.tiny_transformers import SCALING, SHIFT, noise, seeded, tiny_vae

pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")  # diffusers' own

CONFIG = {
    "in_channels": 64, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 32,
    "num_attention_heads": 2, "joint_attention_dim": 12, "pooled_projection_dim": 8,
    "axes_dims_rope": (4, 14, 14),
}  # fmt: skip
SHAPE = (1, 16, 4, 6)


@pytest.fixture
def loaded() -> list[str]:
    """Names of networks, in the order in which they are loaded."""
    return []


@pytest.fixture
def network(loaded: list[str]) -> Callable[[str, Any], Network[Any]]:
    def make(name: str, module: Any) -> Network[Any]:
        def load(placement: Placement) -> Any:
            loaded.append(name)
            return module

        return Network(name, load)

    return make


@pytest.fixture
def flux(network: Any) -> DiffusionModel:
    unet = network("Flux", seeded(FluxTransformer2DModel(**CONFIG)))
    return DiffusionModel(unet, flow_schedule(1.0), SCALING, 8, family=Family.FLUX, shift_factor=SHIFT)


@pytest.fixture
def prompt(network: Any) -> Prompt:
    """A prompt with a control."""
    module = TransformerControlNet(seeded(FluxControlNetModel(**CONFIG)))
    steering = ControlNetwork(network("ControlNet", module), (Family.FLUX,), latent_channels=16)
    control = Control(steering, torch.rand(1, 32, 48, 3), vae=Autoencoder(network("VAE", tiny_vae()), 8, 16))
    return Prompt(noise(1, 5, 12, seed=1), noise(1, 8, seed=2), controls=(control,))


async def test_they_are_encoded_before_the_denoiser_is_loaded(
    flux: DiffusionModel, prompt: Prompt, loaded: list[str], as_node: Any
) -> None:
    guider, latents = PromptGuidance(flux, (prompt,)), LatentBatch(samples=torch.zeros(SHAPE))
    await as_node(run(guider, SAMPLERS["euler"], [1.0, 0.5, 0.0], SeededNoise(1), latents))
    assert loaded.index("VAE") < loaded.index("Flux")


async def test_a_prompt_of_a_part_sees_the_picture_in_its_size(
    flux: DiffusionModel, prompt: Prompt, as_node: Any
) -> None:
    part = replace(prompt, area=Area(height=32, width=16, y=0, x=0))
    found = await as_node(control_latents(flux, (prompt, part, prompt), SHAPE))
    assert {size: tuple(latents.shape) for (_, size), latents in found.items()} == {
        (4, 6): SHAPE, (4, 2): (1, 16, 4, 2),
    }  # fmt: skip


def test_every_side_of_guidance_has_its_pictures_encoded(flux: DiffusionModel) -> None:
    first, second, third = (Prompt(noise(1, 5, 12, seed=seed)) for seed in range(3))
    perpendicular = with_rule(flux, PerpendicularGuidance((third,), 1.0))
    assert PromptGuidance(perpendicular, (first,), (second,)).prompts == (first, second, third)
    assert DualGuidance(flux, (first,), (second,), (third,), 1.0, 1.0).prompts == (first, second, third)
