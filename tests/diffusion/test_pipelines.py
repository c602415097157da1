"""The same folder in diffusers' own pipelines: the same prompts and noise give the same latents.

Steps are those that both sides name exactly: diffusers' ``trailing`` spacing and ComfyUI's ``simple`` meet
where the number of steps divides that of the trained levels.
"""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from bridge.diffusion import Settings, encode_prompt, load_checkpoint, sample
from bridge.diffusion.text_loading import clip_tokenizer
from bridge.models import Family

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

STEPS = 4
GUIDANCE = 5.0
SIDE = 64
PROMPT, NEGATIVE = "a red house by the sea", "blurry"
TOLERANCE = 1e-4
FAMILIES = {
    Family.SD1: {"prediction_type": "epsilon"},
    Family.SD2: {"prediction_type": "v_prediction"},
    Family.SDXL: {"prediction_type": "epsilon"},
}


def seeded(module: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.ndim > 1:
            parameter.data = torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5
    return module.eval()


def text_model(seed: int, projects: bool, act: str) -> Any:
    config = CLIPTextConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, projection_dim=32,
        vocab_size=49408, hidden_act=act,
    )  # fmt: skip
    return seeded((CLIPTextModelWithProjection if projects else CLIPTextModel)(config), seed)


def networks(family: Family, in_channels: int) -> dict[str, Any]:
    is_xl = family is Family.SDXL
    unet = UNet2DConditionModel(
        sample_size=SIDE // 8,
        in_channels=in_channels,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D") if is_xl
        else ("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D") if is_xl
        else ("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=64 if is_xl else 32,
        attention_head_dim=2 if family is Family.SD1 else (1, 2),
        use_linear_projection=family is not Family.SD1,
        transformer_layers_per_block=(1, 2) if is_xl else 1,
        **{
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 32 + 6 * 256,
        } if is_xl else {},
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=0.13025 if is_xl else 0.18215,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing",
        steps_offset=1,  # diffusers warns otherwise; trailing spacing does not use it
        **FAMILIES[family],
    )  # fmt: skip
    act = "gelu" if family is Family.SD2 else "quick_gelu"
    parts: dict[str, Any] = {
        "unet": seeded(unet, 1),
        "vae": seeded(vae, 2),
        "text_encoder": text_model(3, False, act),
        "tokenizer": clip_tokenizer(),
        "scheduler": scheduler,
    }
    padding_with_zeros = copy.deepcopy(clip_tokenizer())
    padding_with_zeros.pad_token = "!"
    if is_xl:
        return parts | {"text_encoder_2": text_model(4, True, "gelu"), "tokenizer_2": padding_with_zeros}
    if family is Family.SD2:
        parts["tokenizer"] = padding_with_zeros
    return parts | {"safety_checker": None, "feature_extractor": None}


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    def make(family: Family, in_channels: int = 4) -> tuple[Path, dict[str, Any]]:
        parts = networks(family, in_channels)
        kind = StableDiffusionXLPipeline if family is Family.SDXL else StableDiffusionPipeline
        kind(**parts).save_pretrained(tmp_path)
        return tmp_path, parts

    return make


def run_theirs(kind: Any, parts: dict[str, Any], steps: int = STEPS, **inputs: Any) -> Tensor:
    """Run a pipeline; its latents are multiplied by the scaling factor."""
    pipeline = kind(**parts, **({} if "XL" in kind.__name__ else {"requires_safety_checker": False}))
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        prompt=PROMPT, negative_prompt=NEGATIVE, guidance_scale=GUIDANCE, num_inference_steps=steps,
        output_type="latent", **inputs,
    )  # fmt: skip
    return made.images / parts["vae"].config.scaling_factor  # type: ignore[no-any-return]


def noise_for_theirs(noise: Tensor, scheduler: Any) -> Tensor:
    """Scale noise as ours begins: at the highest level the network gets noise of variance 1."""
    sigma = float(scheduler.sigmas.max())
    return noise * (math.sqrt(1 + sigma**2) / sigma)


async def run_ours(folder: Path, as_node: Any, latents: Tensor, seed: int, **settings: Any) -> Tensor:
    model, clip, _ = load_checkpoint(folder, "tiny")
    positive, negative = (encode_prompt(clip, text) for text in (PROMPT, NEGATIVE))
    run = Settings(seed, STEPS, GUIDANCE, "euler", "simple", **settings)
    finished = await as_node(sample(model, [positive], [negative], {"samples": latents}, run))
    return finished["samples"]  # type: ignore[no-any-return]


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
async def test_text_to_image(family: Family, folder: Any, as_node: Any) -> None:
    path, parts = folder(family)
    noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(5))
    kind = StableDiffusionXLPipeline if family is Family.SDXL else StableDiffusionPipeline
    theirs = run_theirs(
        kind, parts, height=SIDE, width=SIDE, latents=noise_for_theirs(noise, parts["scheduler"])
    )

    ours = await run_ours(path, as_node, torch.zeros_like(noise), 5)

    assert relative_error(ours, theirs) < TOLERANCE


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
async def test_image_to_image(family: Family, folder: Any, as_node: Any) -> None:
    """Half of eight steps is four steps at a strength of a half."""
    path, parts = folder(family)
    latents = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(6))
    kind = StableDiffusionXLImg2ImgPipeline if family is Family.SDXL else StableDiffusionImg2ImgPipeline
    theirs = run_theirs(
        kind,
        parts,
        image=latents * parts["vae"].config.scaling_factor,
        strength=0.5,
        generator=torch.Generator().manual_seed(5),
        steps=2 * STEPS,
    )

    ours = await run_ours(path, as_node, latents, 5, strength=0.5)

    assert relative_error(ours, theirs) < TOLERANCE


def test_clip_skips_and_paddings_would_be_seen() -> None:
    """The text towers are not so flat that a wrong layer or padding made no difference."""
    tower = text_model(3, False, "quick_gelu")
    ids = torch.tensor([[49406, 320, 49407, *[49407] * 74], [49406, 320, 49407, *[0] * 74]])
    first, second = tower(ids, output_hidden_states=True).hidden_states[-2:]
    assert relative_error(first, second) > 0.1
    assert relative_error(second[:1], second[1:]) > 0.1
