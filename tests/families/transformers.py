"""SD3, Flux and PixArt from files in the original names, in each mode, beside diffusers' pipelines.

Widths of prompts and latents are as published, and so are heads; blocks and their widths are fewer and
narrower. Prompts are given as embeddings: those that text encoders make are compared in ``tests/diffusion``.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import diffusers
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import (
    DiffusionModel,
    Prompt,
    Settings,
    encode_image,
    encode_inpainting,
    load_autoencoder,
    load_denoiser,
    sample,
    with_noise_mask,
)
from bridge.diffusion.networks import autoencoder_config, empty_autoencoder
from bridge.engine import Folders, Job, running
from bridge.models import (
    AutoencoderLayout,
    Family,
    FluxLayout,
    PixArtLayout,
    SD3Layout,
    TransformerLayout,
)
from tests.diffusion import ldm
from tests.diffusion.transformer_weights import original_state
from tests.families.pictures import SIDE, picture

Mode = Literal["txt2img", "img2img", "inpaint"]

SEED, STEPS, GUIDANCE = 5, 4, 3.5
TOKENS = {Family.SD3: 154, Family.FLUX: 256, Family.PIXART_ALPHA: 20, Family.PIXART_SIGMA: 20}
SHIFTS = {"SD3 medium": 3.0, "SD 3.5 medium": 3.0, "Flux schnell": 1.0}
FLUX_DEV_SHIFT = math.exp(1.15)

LAYOUTS: dict[str, tuple[TransformerLayout, Family]] = {
    "SD3 medium": (SD3Layout(2, 16, 16, 128, 2, 4096, 2048, 192), Family.SD3),
    "SD 3.5 medium": (SD3Layout(2, 16, 16, 128, 3, 4096, 2048, 384, (0, 1), normalizes=True), Family.SD3),
    "Flux dev": (FluxLayout(64, 64, 256, 128, 1, 2, 4096, 768, is_guided=True), Family.FLUX),
    "Flux schnell": (FluxLayout(64, 64, 256, 128, 1, 2, 4096, 768, is_guided=False), Family.FLUX),
    "Flux fill": (FluxLayout(384, 64, 256, 128, 1, 2, 4096, 768, is_guided=True), Family.FLUX),
    "PixArt-α": (PixArtLayout(2, 4, 8, 96, 2, 4096, takes_sizes=True), Family.PIXART_ALPHA),
    "PixArt-Σ": (PixArtLayout(2, 4, 8, 96, 2, 4096, takes_sizes=False), Family.PIXART_SIGMA),
}
CELLS: tuple[tuple[str, Mode], ...] = (
    *((name, mode) for name in list(LAYOUTS)[:4] for mode in ("txt2img", "img2img", "inpaint")),  # type: ignore[misc]
    ("Flux fill", "inpaint"),
    ("PixArt-α", "txt2img"),
    ("PixArt-Σ", "txt2img"),
)
PIPELINES: dict[tuple[Family, Mode], Any] = {
    (Family.SD3, "txt2img"): diffusers.StableDiffusion3Pipeline,
    (Family.SD3, "img2img"): diffusers.StableDiffusion3Img2ImgPipeline,
    (Family.SD3, "inpaint"): diffusers.StableDiffusion3InpaintPipeline,
    (Family.FLUX, "txt2img"): diffusers.FluxPipeline,
    (Family.FLUX, "img2img"): diffusers.FluxImg2ImgPipeline,
    (Family.FLUX, "inpaint"): diffusers.FluxInpaintPipeline,
    (Family.PIXART_ALPHA, "txt2img"): diffusers.PixArtAlphaPipeline,
    (Family.PIXART_SIGMA, "txt2img"): diffusers.PixArtSigmaPipeline,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A model in our hands and in diffusers'."""

    name: str
    model: DiffusionModel
    vae: Any
    transformer: Any
    their_vae: Any
    prompts: tuple[Prompt, Prompt]

    @property
    def family(self) -> Family:
        return self.model.family


def write_row(name: str, folder: Path) -> Row:
    """Write a model in the original names, and open it."""
    layout, family = LAYOUTS[name]
    network = _seeded(_diffusers_network(layout))
    vae = _deterministic_vae(16 if family in (Family.SD3, Family.FLUX) else 4)
    original = {key: each.contiguous() for key, each in original_state(network.state_dict(), layout).items()}
    if family is Family.PIXART_ALPHA:
        original["y_embedder.y_embedding"] = torch.zeros(120, 4096)
    save_file({f"model.diffusion_model.{key}": each for key, each in original.items()}, folder / name)
    save_file(
        {key: each.contiguous() for key, each in ldm.autoencoder_state(vae).items()}, folder / f"{name} VAE"
    )
    model = load_denoiser(folder / name, name)
    assert model.family is family
    vae.register_to_config(scaling_factor=model.scaling_factor, shift_factor=model.shift_factor or None)
    vector = getattr(layout, "vector_width", 0)
    generator = torch.Generator().manual_seed(11)
    prompts = [
        Prompt(
            torch.randn(1, TOKENS[family], layout.context_width, generator=generator),
            torch.randn(1, vector, generator=generator) if vector else None,
            guidance=GUIDANCE,
        )
        for _ in range(2)
    ]
    return Row(
        name, model, load_autoencoder(folder / f"{name} VAE", name), network, vae, (prompts[0], prompts[1])
    )


def _diffusers_network(layout: TransformerLayout) -> Any:
    """What its users would download of diffusers: described by hand, not as we describe it."""
    match layout:
        case SD3Layout():
            return diffusers.SD3Transformer2DModel(
                num_layers=layout.depth, num_attention_heads=2, joint_attention_dim=4096,
                caption_projection_dim=128, pooled_projection_dim=2048, pos_embed_max_size=layout.positions,
                dual_attention_layers=layout.dual_layers,
                qk_norm="rms_norm" if layout.normalizes else None,
            )  # fmt: skip
        case FluxLayout():
            return diffusers.FluxTransformer2DModel(
                in_channels=layout.in_channels, out_channels=64, num_layers=1, num_single_layers=2,
                num_attention_heads=2, guidance_embeds=layout.is_guided,
            )  # fmt: skip
        case PixArtLayout():
            return diffusers.PixArtTransformer2DModel(
                attention_head_dim=6, num_layers=2, cross_attention_dim=96, caption_channels=4096,
                use_additional_conditions=layout.takes_sizes,
            )  # fmt: skip


def _seeded(module: Any) -> Any:
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    return module.eval().requires_grad_(False)


def _deterministic_vae(channels: int) -> Any:
    """Without deviation: pipelines that draw a sample where we take the mean get the mean."""
    layout = AutoencoderLayout((32, 32, 32, 32), 1, channels, has_quant_convs=channels == 4)
    vae = _seeded(empty_autoencoder(autoencoder_config(layout)).to_empty(device="cpu"))
    last = vae.encoder.conv_out if channels == 16 else vae.quant_conv
    last.weight[channels:] = 0.0
    last.bias[channels:] = -30.0
    return vae


async def ours(row: Row, mode: Mode, folder: Path) -> Tensor:
    """Return latents as on sockets."""
    channels, strength = row.vae.latent_channels, 1.0 if mode == "txt2img" else 0.5
    image, mask = picture("picture").movedim(1, -1), picture("mask")[:, 0]
    positive, negative = row.prompts
    job = Job("job", Folders(folder, folder, folder, folder))
    async with running(job, "3"):
        latents: Any = {"samples": torch.zeros(1, channels, SIDE // 8, SIDE // 8)}
        if row.name == "Flux fill":
            seen = await encode_inpainting(row.vae, image, mask)
            [positive] = seen.on([positive])
            strength = 1.0
        elif mode != "txt2img":
            latents = {"samples": await encode_image(row.vae, image)}
            latents = with_noise_mask(latents, mask) if mode == "inpaint" else latents
        scale = 1.0 if row.family is Family.FLUX else GUIDANCE
        settings = Settings(SEED, STEPS, scale, "euler", "simple", strength=strength)
        made = await sample(row.model, [positive], [negative], latents, settings)
    return made["samples"]


def theirs(row: Row, mode: Mode) -> Tensor:
    """Return the latents of diffusers' pipeline, as on sockets."""
    if row.family in (Family.PIXART_ALPHA, Family.PIXART_SIGMA):
        return _pixart(row)
    steps = STEPS if mode == "txt2img" or row.name == "Flux fill" else 2 * STEPS
    inputs: dict[str, Any] = {
        "height": SIDE, "width": SIDE, "guidance_scale": GUIDANCE, "output_type": "latent",
        "sigmas": [1 - step / steps for step in range(steps)],
        "generator": torch.Generator().manual_seed(SEED),
        **_embeds("", row.prompts[0]),
    }  # fmt: skip
    if row.family is Family.SD3:
        inputs |= _embeds("negative_", row.prompts[1])
    kind = PIPELINES[row.family, mode]
    if row.name == "Flux fill":  # begins with noise alone, and sees the picture beside it
        kind = diffusers.FluxFillPipeline
        noise = torch.randn(1, 16, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(SEED))
        inputs["latents"] = kind._pack_latents(noise, *noise.shape)
        inputs |= {"image": picture("picture"), "mask_image": picture("mask")[:, :1], "strength": 1.0}
    elif mode != "txt2img":
        # Encoded before, as a pipeline that encodes draws from the noise's generator.
        encoded = row.their_vae.encode(2 * picture("picture") - 1).latent_dist.mode()
        encoded = (encoded - row.model.shift_factor) * row.model.scaling_factor
        inputs |= {"image": encoded, "strength": 0.5, "num_inference_steps": steps}
        if mode == "inpaint":
            inputs |= {"mask_image": picture("mask")[:, :1], "masked_image_latents": encoded}
    absent = [None] * (6 if row.family is Family.SD3 else 4)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=SHIFTS.get(row.name, FLUX_DEV_SHIFT))
    if row.family is Family.SD3:
        pipeline = kind(row.transformer, scheduler, row.their_vae, *absent)
    else:
        pipeline = kind(scheduler, row.their_vae, *absent, row.transformer)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(**inputs).images
    if row.family is Family.FLUX:
        made = pipeline._unpack_latents(made, SIDE, SIDE, pipeline.vae_scale_factor)
    return made / row.model.scaling_factor + row.model.shift_factor  # type: ignore[no-any-return]


def _pixart(row: Row) -> Tensor:
    scheduler = diffusers.EulerDiscreteScheduler(
        beta_start=0.0001, beta_end=0.02, beta_schedule="linear", timestep_spacing="trailing", steps_offset=1
    )
    pipeline = PIPELINES[row.family, "txt2img"](None, None, row.their_vae, row.transformer, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(SEED))
    sigma = float((1 / scheduler.alphas_cumprod[-1] - 1) ** 0.5)
    mask = torch.ones(1, TOKENS[row.family])
    made = pipeline(
        prompt_embeds=row.prompts[0].prompt_embeds, negative_prompt_embeds=row.prompts[1].prompt_embeds,
        prompt_attention_mask=mask, negative_prompt_attention_mask=mask, negative_prompt=None,
        latents=noise * math.sqrt(1 + sigma**2) / sigma, height=SIDE, width=SIDE, num_inference_steps=STEPS,
        guidance_scale=GUIDANCE, use_resolution_binning=False, output_type="latent",
    ).images  # fmt: skip
    return made / row.model.scaling_factor  # type: ignore[no-any-return]


def _embeds(prefix: str, prompt: Prompt) -> dict[str, Any]:
    return {
        f"{prefix}prompt_embeds": prompt.prompt_embeds,
        f"{prefix}pooled_prompt_embeds": prompt.pooled_prompt_embeds,
    }


async def relative_error(row: Row, mode: Mode, folder: Path) -> float:
    """Return how far our latents are from the pipeline's."""
    found, expected = await ours(row, mode, folder), theirs(row, mode)
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())
