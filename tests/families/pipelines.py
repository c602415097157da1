"""What diffusers' own pipelines make of the same files, prompts, pictures and noise."""

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor

from bridge.diffusion import stable_diffusion_schedule
from bridge.diffusion.extra_channels import GREY
from bridge.diffusion.schedulers import SCHEDULERS
from bridge.models import Family
from tests.families.pictures import SIDE, padded, picture
from tests.families.published import Published
from tests.families.reading import SCALING_FACTORS, read_clip_vision, read_controlnet, read_model
from tests.families.workflows import (
    AESTHETIC_SCORES,
    GUIDANCE,
    IMAGE_GUIDANCE,
    NEGATIVE,
    OWN,
    PROMPT,
    SEED,
    STEPS,
    STRENGTH,
    WEIGHT,
    Mode,
    Task,
    is_from_noise,
    task_of,
)

_MEAN, _DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP was trained on (openai/CLIP)."""


def normalised(image: Tensor) -> Tensor:
    """Return a picture, range 0..1, as CLIP vision reads it."""
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (_MEAN, _DEVIATION))
    return (image - mean) / deviation


def pipeline_name(model: Published, mode: Mode) -> str | None:
    """Return the name of the pipeline that does the same; ``None`` where diffusers has none."""
    task, prefix = task_of(model, mode), "StableDiffusionXL" if model.is_xl else "StableDiffusion"
    if model.in_channels == 8:
        is_there = task in ("txt2img", "instruct") and mode != "ControlNet"
        if not is_there or (mode == "IP-Adapter" and model.is_xl):
            return None
        return f"{prefix}InstructPix2PixPipeline"
    if model.family is Family.SDXL_REFINER and task == "txt2img":
        task = "img2img"
    kind = "ControlNet" if mode == "ControlNet" else ""
    if model.in_channels == 9 or task in ("inpaint", "outpaint"):
        kind += "Inpaint"
    elif task in ("img2img", "upscale"):
        kind += "Img2Img"
    return f"{prefix}{kind}Pipeline"


class Pipelines:
    """A published model in diffusers' hands.

    Args:
        model: What it is.
        models: The model folder that it was written to.
    """

    def __init__(self, model: Published, models: Path) -> None:
        self._model = model
        self._models = models
        self._parts = read_model(model, models)
        self._factor = SCALING_FACTORS[model.is_xl]

    @torch.inference_mode()
    def latents(self, mode: Mode, enlarged: Tensor | None) -> Tensor | None:
        """Return what the pipeline makes, not multiplied by the scaling factor.

        Args:
            mode: Of the table.
            enlarged: The latents of the picture that an upscaling network made, of which diffusers has none.

        Returns:
            Shape (1, 4, h, w); ``None`` where there is no pipeline.
        """
        name = pipeline_name(self._model, mode)
        if name is None:
            return None
        parts, inputs = dict(self._parts), self._inputs(mode, enlarged)
        if mode == "ControlNet":
            parts["controlnet"] = read_controlnet(self._model.family, self._models / "controlnet" / OWN)
            place = "image" if name.endswith("ControlNetPipeline") else "control_image"
            inputs |= {place: picture("picture"), "controlnet_conditioning_scale": WEIGHT}
        if mode in ("LoRA", "IP-Adapter"):  # both change the UNet
            parts["unet"] = copy.deepcopy(parts["unet"])
        pipeline = self._pipeline(name, parts)
        if mode == "LoRA":
            pipeline.load_lora_weights(self._models / "loras", weight_name=OWN, adapter_name="own")
            pipeline.set_adapters("own", WEIGHT)
        if mode == "IP-Adapter":
            self._add_ip_adapter(pipeline)
            inputs["ip_adapter_image"] = normalised(picture("hint"))
        made = pipeline(**inputs).images / self._factor
        if mode == "LoRA":
            pipeline.unload_lora_weights()
        return made  # type: ignore[no-any-return]

    @torch.inference_mode()
    def encoded(self, image: Tensor) -> Tensor:
        """Encode a picture of the range 0..1."""
        return self._parts["vae"].encode(2 * image - 1).latent_dist.mode()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def decoded(self, latents: Tensor) -> Any:
        """Decode latents to a picture, shape (H, W, 3), 0..255."""
        pixels = self._parts["vae"].decode(latents).sample[0]
        return ((pixels / 2 + 0.5).clamp(0, 1) * 255).movedim(0, -1).numpy()

    def _pipeline(self, name: str, parts: Mapping[str, Any]) -> Any:
        extra: dict[str, Any] = {}
        if not self._model.is_xl:
            extra = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        elif self._model.family is Family.SDXL_REFINER:
            extra = {"requires_aesthetics_score": True}
        pipeline = getattr(diffusers, name)(**parts, **extra)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _add_ip_adapter(self, pipeline: Any) -> None:
        tower = read_clip_vision(self._models / "clip_vision" / OWN)
        pipeline.register_modules(image_encoder=tower)
        pipeline.load_ip_adapter(self._models, "ipadapter", OWN, None, low_cpu_mem_usage=False)
        pipeline.set_ip_adapter_scale(WEIGHT)

    def _inputs(self, mode: Mode, enlarged: Tensor | None) -> dict[str, Any]:
        model, task = self._model, task_of(self._model, mode)
        inputs: dict[str, Any] = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "guidance_scale": 1.0 if model.steps else GUIDANCE,
            "output_type": "latent",
            **self._schedule(task),
            **(self._noise() if is_from_noise(model, task) else self._start(task, enlarged)),
        }
        if model.family is Family.SDXL_REFINER:
            inputs |= dict(
                zip(("aesthetic_score", "negative_aesthetic_score"), AESTHETIC_SCORES, strict=True)
            )
            inputs["original_size"] = SIDE, SIDE
        if model.in_channels == 8:
            seen = picture("picture") if task == "instruct" else torch.zeros(1, 4, SIDE // 8, SIDE // 8)
            inputs |= {"image": seen, "image_guidance_scale": IMAGE_GUIDANCE}
        elif model.in_channels == 9 or task in ("inpaint", "outpaint"):
            inputs |= self._masked(task)
        return inputs

    def _schedule(self, task: Task) -> dict[str, Any]:
        if self._model.steps == 1:
            return {"num_inference_steps": 1 if is_from_noise(self._model, task) else 2}
        if self._model.steps:
            levels = SCHEDULERS["sgm_uniform"](stable_diffusion_schedule(), self._model.steps)
            return {"sigmas": levels.tolist()}
        return {"num_inference_steps": STEPS}

    def _noise(self) -> dict[str, Any]:
        """Let a pipeline start from noise as ours does, which has a variance of 1 before the network."""
        noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(SEED))
        sigma = float((1 / self._parts["scheduler"].alphas_cumprod[-1] - 1) ** 0.5)
        noise = noise * math.sqrt(1 + sigma**2)
        if self._model.family is Family.SDXL_REFINER:  # it has no pipeline but from a picture: a noisy one
            return {"image": noise, "denoising_start": 1e-9}
        if self._model.in_channels == 8 and not self._model.is_xl:  # the picture says how large
            return {"latents": noise / sigma}
        return {"latents": noise / sigma, "height": SIDE, "width": SIDE}

    def _start(self, task: Task, enlarged: Tensor | None) -> dict[str, Any]:
        """Let a pipeline start from a picture's latents and its own noise."""
        latents = self.encoded(padded()[0] if task == "outpaint" else picture("picture"))
        return {
            "image": (latents if enlarged is None else enlarged) * self._factor,
            "strength": STRENGTH,
            "generator": torch.Generator().manual_seed(SEED),
        }

    def _masked(self, task: Task) -> dict[str, Any]:
        """Say what an inpainting pipeline takes besides: outside of inpainting, that it sees nothing."""
        side = 2 * SIDE if task == "upscale" else SIDE
        blank = torch.tensor(GREY).view(1, 4, 1, 1).expand(1, 4, side // 8, side // 8)
        inputs: dict[str, Any] = {"height": side, "width": side, "masked_image_latents": blank}
        image, mask = picture("picture"), torch.ones(1, 1, side, side)
        if task in ("inpaint", "outpaint"):
            image, mask = padded() if task == "outpaint" else (image, picture("mask")[:, :1])
            if self._model.in_channels == 9:  # others must be given something that they do not look at
                del inputs["masked_image_latents"]
        if is_from_noise(self._model, task):
            inputs |= {"image": image, "strength": 1.0}
        return inputs | {"mask_image": mask}
