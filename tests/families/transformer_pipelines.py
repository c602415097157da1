"""What diffusers' own pipelines make of the same transformers, prompts, pictures and noise."""

import inspect
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders import single_file_utils as converters
from safetensors.torch import load_file
from torch import Tensor

from bridge.diffusion import Prompt, encode_prompt, load_text_encoder
from bridge.diffusion.ldm_names import Place
from bridge.diffusion.transformer_names import transformer_places
from bridge.models import Family
from tests.families.pictures import SIDE, padded, picture
from tests.families.pipelines import normalised
from tests.families.reading import read_clip_vision
from tests.families.table import Made
from tests.families.transformer_workflows import (
    GUIDANCE,
    STEPS,
    is_shown,
    starts_from_picture,
    task_of,
)
from tests.families.transformers import (
    MODELS,
    Transformer,
    autoencoder_config,
    controlnet,
    network,
)
from tests.families.workflows import NEGATIVE, OWN, PROMPT, SEED, STRENGTH, WEIGHT, Mode, Task

SCALING, SHIFTS = {Family.SD3: 1.5305, Family.FLUX: 0.3611}, {Family.SD3: 0.0609, Family.FLUX: 0.1159}
"""Of latents; PixArt's come from its own VAEs."""

_PIXART_SCALING = {Family.PIXART_ALPHA: 0.18215, Family.PIXART_SIGMA: 0.13025}


class _MeanAutoencoder(diffusers.AutoencoderKL):  # type: ignore[misc]
    """An autoencoder that gives pipelines the mean, as we take it, where they draw a sample."""

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        encoded = super().encode(x)
        encoded.latent_dist.sample = lambda generator=None: encoded.latent_dist.mode()
        return encoded


def pipeline_name(model: Transformer, mode: Mode) -> str | None:
    """Return the name of the pipeline that does the same; ``None`` where diffusers has none."""
    task = task_of(model, mode)
    kind = {"inpaint": "Inpaint", "outpaint": "Inpaint", "img2img": "Img2Img", "upscale": "Img2Img"}.get(
        task, ""
    )
    if model.is_pixart:
        name = "PixArtAlpha" if model.family is Family.PIXART_ALPHA else "PixArtSigma"
        return f"{name}Pipeline" if mode == "txt2img" else None
    if mode == "ControlNet":
        if model.sees != "noise":
            return None
        return (
            "StableDiffusion3ControlNetPipeline" if model.family is Family.SD3 else "FluxControlNetPipeline"
        )
    if model.family is Family.SD3:
        return f"StableDiffusion3{kind}Pipeline"
    match model.sees:
        case "mask":
            return "FluxFillPipeline" if kind == "Inpaint" and mode != "IP-Adapter" else None
        case "hint":  # FluxControlImg2ImgPipeline takes no latents of an enlarged picture
            return None if task == "upscale" or mode == "IP-Adapter" else f"FluxControl{kind}Pipeline"
        case "reference" if kind != "Img2Img":
            return f"FluxKontext{kind}Pipeline"
        case _:
            return f"Flux{kind}Pipeline"


class Pipelines:
    """The models in diffusers' hands.

    Args:
        models: The model folder that they were written to.
    """

    def __init__(self, models: Path) -> None:
        self._models = models
        self._vaes = {channels: _autoencoder(models, channels) for channels in (4, 16)}
        self._prompts = {family: _prompts(models, family) for family in {each.family for each in MODELS}}

    @torch.inference_mode()
    def latents(self, model: Transformer, mode: Mode, made: Made) -> Tensor | None:
        """Return what the pipeline makes, as on sockets; ``None`` where there is none."""
        name = pipeline_name(model, mode)
        if name is None:
            return None
        pipeline = self._pipeline(name, model, mode)
        if model.is_pixart:
            return self._pixart(pipeline, model)
        inputs = self._inputs(model, task_of(model, mode), made)
        if mode == "ControlNet":
            inputs |= {"control_image": 2 * picture("picture") - 1, "controlnet_conditioning_scale": WEIGHT}
        if mode == "IP-Adapter":
            inputs |= self._add_ip_adapter(pipeline, model)
        latents = pipeline(**inputs).images
        if model.family is Family.FLUX:
            side = math.isqrt(latents.shape[1]) * 16
            latents = pipeline._unpack_latents(latents, side, side, 8)
        return latents / SCALING[model.family] + SHIFTS[model.family]  # type: ignore[no-any-return]

    @torch.inference_mode()
    def decoded(self, model: Transformer, latents: Tensor) -> Any:
        """Decode latents to a picture, shape (H, W, 3), 0..255."""
        pixels = self._vaes[model.channels].decode(latents).sample[0]
        return ((pixels / 2 + 0.5).clamp(0, 1) * 255).movedim(0, -1).numpy()

    @torch.inference_mode()
    def encoded(self, model: Transformer, image: Tensor) -> Tensor:
        """Encode a picture of the range 0..1."""
        return self._vaes[model.channels].encode(2 * image - 1).latent_dist.mode()  # type: ignore[no-any-return]

    def _pipeline(self, name: str, model: Transformer, mode: Mode) -> Any:
        kind, vae = getattr(diffusers, name), self._vaes[model.channels]
        parts = dict.fromkeys(inspect.signature(kind).parameters) | {
            "transformer": network(model), "vae": vae, "scheduler": _scheduler(model),
        }  # fmt: skip
        if not model.is_pixart:
            vae.register_to_config(scaling_factor=SCALING[model.family], shift_factor=SHIFTS[model.family])
        if mode == "ControlNet":
            parts["controlnet"] = controlnet(model)
        pipeline = kind(**parts)
        pipeline.set_progress_bar_config(disable=True)
        self._add_loras(pipeline, model, mode)
        return pipeline

    def _add_loras(self, pipeline: Any, model: Transformer, mode: Mode) -> None:
        weights = {}
        if model.control_lora:
            state = self._control_lora(model, pipeline.transformer.state_dict())
            pipeline.load_lora_weights(state, adapter_name="canny")
            weights["canny"] = 1.0
        if mode == "LoRA":
            pipeline.load_lora_weights(self._models / "loras", weight_name=model.file, adapter_name="own")
            weights["own"] = WEIGHT
        if weights:
            pipeline.set_adapters(list(weights), list(weights.values()))

    def _add_ip_adapter(self, pipeline: Any, model: Transformer) -> dict[str, Any]:
        """Return what the pipeline is to show it; the second is not looked at."""
        pipeline.register_modules(image_encoder=read_clip_vision(self._models / "clip_vision" / OWN))
        pipeline.load_ip_adapter(self._models / "ipadapter", model.file, low_cpu_mem_usage=False)
        pipeline.set_ip_adapter_scale(WEIGHT)
        seen = normalised(picture("hint"))
        return {"ip_adapter_image": seen, "negative_ip_adapter_image": seen}

    def _control_lora(self, model: Transformer, names: Iterable[str]) -> dict[str, Tensor]:
        """Translate a LoRA to diffusers' names, whose own converter takes the published depth for granted."""
        theirs = load_file(self._models / "loras" / "canny.safetensors")
        found = {}
        for name in names:
            [place] = transformer_places(name, model.layout)
            layer, stem = name.removesuffix(".weight"), place.name.removesuffix(".weight")
            if stem.endswith(".scale"):
                found[name] = theirs[stem]
            elif stem != place.name:
                found[f"{layer}.lora_A.weight"] = theirs[f"{stem}.lora_A.weight"]
                for end in ("lora_B.weight", "lora_B.bias"):
                    found[f"{layer}.{end}"] = _part(theirs[f"{stem}.{end}"], place)
        return {f"transformer.{name}": tensor.float() for name, tensor in found.items()}

    def _inputs(self, model: Transformer, task: Task, made: Made) -> dict[str, Any]:
        positive, negative = self._prompts[model.family]
        is_start = starts_from_picture(model, task)
        steps, side = STEPS * 2 if is_start else STEPS, SIDE * 2 if task == "upscale" else SIDE
        inputs: dict[str, Any] = {
            "height": side, "width": side, "guidance_scale": GUIDANCE, "output_type": "latent",
            "sigmas": [1 - step / steps for step in range(steps)], "num_inference_steps": steps,
            "generator": torch.Generator().manual_seed(SEED), **_embeds("", positive),
        }  # fmt: skip
        if model.family is Family.SD3:
            inputs |= _embeds("negative_", negative)
        image, mask = padded() if task == "outpaint" else (picture("picture"), picture("mask")[:, :1])
        if is_start:
            start = image if made.enlarged is None else self._for_network(model, made.enlarged)
            inputs |= {"image": start, "strength": STRENGTH}
        if task in ("inpaint", "outpaint"):
            inputs["mask_image"] = mask
        match model.sees:
            case "mask":
                noise = torch.randn(1, 16, SIDE // 8, SIDE // 8, generator=inputs["generator"])
                inputs |= {"image": image, "strength": 1.0, "latents": _tokens(noise)}
            case "hint":
                inputs["control_image"] = self._hint(model, made)
            case "reference" if task not in ("img2img", "upscale"):
                inputs |= {"max_area": SIDE**2, "_auto_resize": False}
                inputs["image"] = image if is_shown(model, task) else None
        return inputs

    def _hint(self, model: Transformer, made: Made) -> Tensor:
        if made.hint is not None:
            return torch.from_numpy(made.hint)[None].movedim(-1, 1) / 127.5 - 1  # laid out in memory as ours
        return _tokens(self._for_network(model, torch.zeros(1, 16, SIDE // 8, SIDE // 8)))

    def _for_network(self, model: Transformer, latents: Tensor) -> Tensor:
        return (latents - SHIFTS[model.family]) * SCALING[model.family]

    def _pixart(self, pipeline: Any, model: Transformer) -> Tensor:
        sigma = float((1 / pipeline.scheduler.alphas_cumprod[-1] - 1) ** 0.5)
        noise = torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(SEED))
        embeds = [prompt.prompt_embeds for prompt in self._prompts[model.family]]
        longest = max(each.shape[1] for each in embeds)
        (positive, seen), (negative, unseen) = (_filled_up(each, longest) for each in embeds)
        made = pipeline(
            prompt_embeds=positive, negative_prompt_embeds=negative, prompt_attention_mask=seen,
            negative_prompt_attention_mask=unseen, negative_prompt=None,
            latents=noise * math.sqrt(1 + sigma**2) / sigma, height=SIDE, width=SIDE,
            num_inference_steps=STEPS, guidance_scale=GUIDANCE, use_resolution_binning=False,
            output_type="latent",
        ).images  # fmt: skip
        return made / _PIXART_SCALING[model.family]  # type: ignore[no-any-return]


def _filled_up(embeds: Tensor, count: int) -> tuple[Tensor, Tensor]:
    missing = count - embeds.shape[1]
    mask = torch.nn.functional.pad(torch.ones(1, embeds.shape[1]), (0, missing))
    return torch.nn.functional.pad(embeds, (0, 0, 0, missing)), mask


def _tokens(latents: Tensor) -> Tensor:
    return diffusers.FluxPipeline._pack_latents(latents, *latents.shape)  # type: ignore[no-any-return]


def _part(whole: Tensor, place: Place) -> Tensor:
    """Take what belongs to one of diffusers' layers from one of the original's."""
    if place.is_swapped:
        return torch.cat(whole.chunk(2)[::-1])
    first, last, of = place.rows or (0, 1, 1)
    return whole[first * len(whole) // of : last * len(whole) // of]


def _scheduler(model: Transformer) -> Any:
    if not model.is_pixart:
        return diffusers.FlowMatchEulerDiscreteScheduler(shift=model.shift)
    return diffusers.EulerDiscreteScheduler(
        beta_start=0.0001, beta_end=0.02, beta_schedule="linear", timestep_spacing="trailing", steps_offset=1
    )


def _autoencoder(models: Path, channels: int) -> Any:
    vae = _MeanAutoencoder(**autoencoder_config(channels))
    state = {
        name: each.float() for name, each in load_file(models / "vae" / f"{channels}.safetensors").items()
    }
    vae.load_state_dict(converters.convert_ldm_vae_checkpoint(state, vae.config))
    return vae.eval()


def _prompts(models: Path, family: Family) -> tuple[Prompt, Prompt]:
    """Encode both prompts as we do: what text encoders make of them is compared in ``tests/diffusion``."""
    names, kind = {
        Family.SD3: (("clip_l",), "sd3"),
        Family.FLUX: (("clip_l", "t5"), "flux"),
    }.get(family, (("t5",), "pixart"))
    paths = [models / "text_encoders" / f"{name}.safetensors" for name in names]
    clip = load_text_encoder(paths, names, kind)
    return encode_prompt(clip, PROMPT), encode_prompt(clip, NEGATIVE)


def _embeds(prefix: str, prompt: Prompt) -> dict[str, Any]:
    return {
        f"{prefix}prompt_embeds": prompt.prompt_embeds,
        f"{prefix}pooled_prompt_embeds": prompt.pooled_prompt_embeds,
    }
