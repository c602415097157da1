"""Reading published files into diffusers' modules, through diffusers' own converters."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.loaders import single_file_utils as converters
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from bridge.diffusion import stable_diffusion_schedule
from bridge.diffusion.text_loading import clip_tokenizer
from bridge.models import Family
from tests.diffusion import vision_weights
from tests.families.published import (
    AUTOENCODER,
    TEXT_LAYERS,
    Published,
    controlnet_config,
    unet_config,
)

State = dict[str, Tensor]
SCALING_FACTORS = {False: 0.18215, True: 0.13025}
"""Of latents, by whether a family is SDXL's."""


def read_model(model: Published, models: Path) -> dict[str, Any]:
    """Return what a pipeline is made of: networks, tokenizers and a scheduler."""
    unet = diffusers.UNet2DConditionModel(**unet_config(model))
    vae = diffusers.AutoencoderKL(
        **AUTOENCODER, scaling_factor=SCALING_FACTORS[model.is_xl], force_upcast=False
    )
    if model.is_split:
        unet.load_state_dict(_state(models / "diffusion_models" / "model.safetensors"))
        vae_state = _state(models / "vae" / "vae.safetensors")
        texts = _split_texts(models / "text_encoders")
    else:
        vae_state = state = _state(models / "checkpoints" / "model.safetensors")
        unet.load_state_dict(converters.convert_ldm_unet_checkpoint(state, unet.config))
        texts = _texts(model, state)
    vae.load_state_dict(converters.convert_ldm_vae_checkpoint(vae_state, vae.config))
    return {"unet": unet.eval(), "vae": vae.eval(), "scheduler": _scheduler(model), **texts}


def read_controlnet(family: Family, file: Path) -> Any:
    module = diffusers.ControlNetModel(**controlnet_config(family))
    module.load_state_dict(converters.convert_controlnet_checkpoint(_state(file), module.config))
    return module.eval()


def read_clip_vision(file: Path) -> Any:
    sizes = vision_weights
    config = CLIPVisionConfig(
        hidden_size=sizes.WIDTH, intermediate_size=sizes.INNER, num_hidden_layers=sizes.LAYERS,
        num_attention_heads=16, projection_dim=sizes.PROJECTION, hidden_act="gelu", patch_size=14,
        image_size=14 * math.isqrt(sizes.POSITIONS - 1),
    )  # fmt: skip
    module = CLIPVisionModelWithProjection(config)
    module.load_state_dict(_state(file))
    return module.eval()


def _split_texts(folder: Path) -> dict[str, Any]:
    """Read SDXL's text towers where they are in transformers' names."""
    first, second = (_state(folder / f"clip_{name}.safetensors") for name in "lg")
    return {
        "text_encoder": _text_model(CLIPTextModel, 768, TEXT_LAYERS, "quick_gelu", lambda _: first),
        "text_encoder_2": _text_model(
            CLIPTextModelWithProjection, 1280, TEXT_LAYERS, "gelu", lambda _: second
        ),
        **_tokenizers("tokenizer", "tokenizer_2"),
    }


def _texts(model: Published, state: State) -> dict[str, Any]:
    """Read the text towers of a checkpoint."""
    if model.family is Family.SD1:
        return {"text_encoder": _clip_l(state, "cond_stage_model.transformer."), **_tokenizers("tokenizer")}
    if model.family is Family.SD2:  # the last layer is there, and not used
        tower = _open_clip(state, "cond_stage_model.model.", CLIPTextModel, 1024, TEXT_LAYERS - 1)
        return {"text_encoder": tower, "tokenizer": _tokenizers("", "tokenizer")["tokenizer"]}
    if model.family is Family.SDXL:
        return {
            "text_encoder": _clip_l(state, "conditioner.embedders.0.transformer."),
            "text_encoder_2": _clip_g(state, "conditioner.embedders.1.model."),
            **_tokenizers("tokenizer", "tokenizer_2"),
        }
    return {
        "text_encoder": None,
        "text_encoder_2": _clip_g(state, "conditioner.embedders.0.model."),
        **_tokenizers("tokenizer", "tokenizer_2"),
        "tokenizer": None,
    }


def _tokenizers(*names: str) -> dict[str, Any]:
    """Give the first what fills up prompts with ends of text, the second what does with ``!``."""
    zeros = copy.deepcopy(clip_tokenizer())
    zeros.pad_token = "!"
    return dict(zip(names, (clip_tokenizer(), zeros), strict=False))


def _clip_l(state: State, prefix: str) -> Any:
    return _text_model(
        CLIPTextModel, 768, TEXT_LAYERS, "quick_gelu",
        lambda _: converters.convert_ldm_clip_checkpoint(state, remove_prefix=prefix),
    )  # fmt: skip


def _clip_g(state: State, prefix: str) -> Any:
    return _open_clip(state, prefix, CLIPTextModelWithProjection, 1280, TEXT_LAYERS)


def _open_clip(state: State, prefix: str, kind: Any, width: int, layers: int) -> Any:
    return _text_model(
        kind, width, layers, "gelu",
        lambda module: converters.convert_open_clip_checkpoint(module, state, prefix),
    )  # fmt: skip


def _text_model(kind: Any, width: int, layers: int, act: str, convert: Callable[[Any], State]) -> Any:
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=width // 64, projection_dim=width, hidden_act=act,
    )  # fmt: skip
    with torch.device("meta"):
        module = kind(config)
    wanted = module.state_dict().keys()
    # Converters write the names of transformers 4, where each tower was a part of its model.
    state = convert(module)
    state |= {key.removeprefix("text_model."): value for key, value in state.items()}
    module.load_state_dict({key: state[key] for key in wanted}, assign=True)
    getattr(module, "text_model", module).embeddings.position_ids = torch.arange(77)[None]
    return module.eval()


class _BetweenLevels(diffusers.EulerDiscreteScheduler):  # type: ignore[misc]
    """Euler's steps through noise levels between those that networks are trained at.

    Networks are told the nearest of those, as in ComfyUI; diffusers tells them a fraction.
    """

    def _sigma_to_t(self, sigma: float, log_sigmas: Any) -> int:
        return stable_diffusion_schedule().timestep(float(sigma))


def _scheduler(model: Published) -> Any:
    kinds = {0: diffusers.EulerDiscreteScheduler, 1: diffusers.EulerAncestralDiscreteScheduler}
    return kinds.get(model.steps, _BetweenLevels)(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing",
        prediction_type=model.prediction,
        steps_offset=1,  # pipelines ask for it; trailing spacing does not use it
    )  # fmt: skip


def _state(file: Path) -> State:
    return {name: tensor.float() for name, tensor in load_file(file).items()}
