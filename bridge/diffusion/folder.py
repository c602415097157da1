"""Reading the configuration of a model folder in diffusers' layout, trusting nothing in it.

Only keys that the networks of Stable Diffusion and SDXL understand are taken, with values of the expected
kind; a key that would make another network of it is refused by name, never ignored. The configuration of a
transformer is not read at all: its family and its tensors tell everything.
"""

import inspect
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from bridge.diffusion.libraries import diffusers
from bridge.diffusion.sigmas import NoiseSchedule, VarianceSchedule
from bridge.errors import ModelError, UnsupportedModel

MAX_CONFIG_BYTES = 1_000_000
MAX_COUNT = 1_000_000
SUPPORTED = "Stable Diffusion 1.x, 2.x and SDXL models are supported."
AGAIN = "Download the folder again, with all of its files."

Check = Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_counts(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= 16 and all(_is_count(entry) for entry in value)


def _are_depths(value: Any) -> bool:
    """A number for all levels, or one for each, or several for a level whose blocks differ."""
    is_each = isinstance(value, list) and 0 < len(value) <= 16
    return _is_count(value) or (is_each and all(_is_count(level) or _is_counts(level) for level in value))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is(*allowed: Any) -> Check:
    return lambda value: any(value == entry for entry in allowed)


def _is_list_of(*allowed: str) -> Check:
    return lambda value: (
        isinstance(value, list) and 0 < len(value) <= 16 and all(entry in allowed for entry in value)
    )


_ENCODER: Mapping[str, Check] = {
    "act_fn": _is("silu"),
    "addition_embed_type": _is(None, "text_time"),
    "addition_time_embed_dim": _is(None, 256),
    "attention_head_dim": lambda value: _is_count(value) or _is_counts(value),
    "block_out_channels": _is_counts,
    "cross_attention_dim": _is_count,
    "down_block_types": _is_list_of("CrossAttnDownBlock2D", "DownBlock2D"),
    "downsample_padding": _is_count,
    "flip_sin_to_cos": _is_flag,
    "freq_shift": _is_number,
    "in_channels": _is(4, 8, 9),
    "layers_per_block": _is_count,
    "mid_block_type": _is(None, "UNetMidBlock2D", "UNetMidBlock2DCrossAttn"),
    "mid_block_scale_factor": _is_number,
    "norm_eps": _is_number,
    "norm_num_groups": _is_count,
    "projection_class_embeddings_input_dim": lambda value: value is None or _is_count(value),
    "sample_size": lambda value: True,
    "transformer_layers_per_block": _are_depths,
    "upcast_attention": _is_flag,
    "use_linear_projection": _is_flag,
}
UNET_KEYS: Mapping[str, Check] = {
    **_ENCODER,
    "class_embed_type": _is(None, "projection"),
    "out_channels": _is(4),
    "reverse_transformer_layers_per_block": lambda value: value is None or _are_depths(value),
    "up_block_types": _is_list_of("CrossAttnUpBlock2D", "UpBlock2D"),
}
CONTROLNET_KEYS: Mapping[str, Check] = {
    **_ENCODER,
    "conditioning_channels": _is(3),
    "conditioning_embedding_out_channels": _is_counts,
    "global_pool_conditions": _is_flag,
}
XS_KEYS: Mapping[str, Check] = {
    "base_block_out_channels": _is_counts,
    "block_out_channels": _is_counts,
    "conditioning_channel_order": _is("rgb", "bgr"),
    "conditioning_channels": _is(3),
    "conditioning_embedding_out_channels": _is_counts,
    "cross_attention_dim": _is_count,
    "down_block_types": _ENCODER["down_block_types"],
    "learn_time_embedding": _is_flag,
    "max_norm_num_groups": _is_count,
    "num_attention_heads": lambda value: _is_count(value) or _is_counts(value),
    "sample_size": lambda value: True,
    "time_embedding_mix": lambda value: _is_number(value) and 0 <= value <= 1,
    "transformer_layers_per_block": _ENCODER["transformer_layers_per_block"],
    "upcast_attention": _is_flag,
    "use_linear_projection": _is_flag,
}
AUTOENCODER_KEYS: Mapping[str, Check] = {
    "act_fn": _is("silu"),
    "block_out_channels": _is_counts,
    "down_block_types": _is_list_of("DownEncoderBlock2D"),
    "force_upcast": _is_flag,
    "in_channels": _is(3),
    "latent_channels": _is(4, 16),
    "layers_per_block": _is_count,
    "mid_block_add_attention": _is_flag,
    "norm_num_groups": _is_count,
    "out_channels": _is(3),
    "sample_size": lambda value: True,
    "scaling_factor": _is_number,
    "shift_factor": lambda value: value is None or _is_number(value),
    "up_block_types": _is_list_of("UpDecoderBlock2D"),
    "use_post_quant_conv": _is_flag,
    "use_quant_conv": _is_flag,
}
TEXT_KEYS: Mapping[str, Check] = {
    "hidden_act": _is("quick_gelu", "gelu"),
    "hidden_size": _is_count,
    "intermediate_size": _is_count,
    "layer_norm_eps": _is_number,
    "max_position_embeddings": _is(77),
    "num_attention_heads": _is_count,
    "num_hidden_layers": _is_count,
    "projection_dim": _is_count,
    "vocab_size": _is(49408),
}
SCHEDULER_KEYS: Mapping[str, Check] = {
    "beta_end": lambda value: _is_number(value) and 0 < value < 1,
    "beta_schedule": _is("scaled_linear", "linear"),
    "beta_start": lambda value: _is_number(value) and 0 < value < 1,
    "num_train_timesteps": lambda value: _is_count(value) and value > 1,
    "prediction_type": _is("epsilon", "v_prediction", "sample"),
    "rescale_betas_zero_snr": _is_flag,
    "trained_betas": _is(None),
}


def read_unet_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a UNet; arguments for ``UNet2DConditionModel``.

    Raises:
        ModelError: If the file is damaged.
        UnsupportedModel: If it describes something else than Stable Diffusion's UNet.
    """
    return _with_sizes(folder, _network_config(folder, UNET_KEYS, diffusers.UNet2DConditionModel))


def read_controlnet_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a ControlNet; as ``read_unet_config``."""
    return _with_sizes(folder, _network_config(folder, CONTROLNET_KEYS, diffusers.ControlNetModel))


def read_xs_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a ControlNet-XS; arguments for ``ControlNetXSAdapter``, errors as above."""
    return _network_config(folder, XS_KEYS, diffusers.ControlNetXSAdapter)


def read_autoencoder_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of an autoencoder; as ``read_unet_config``."""
    return _network_config(folder, AUTOENCODER_KEYS, diffusers.AutoencoderKL)


def read_text_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a CLIP text tower; as ``read_unet_config``.

    Other keys are dropped: they speak of training and generation.
    """
    data = _read(folder / "config.json")
    return {key: _checked(folder, key, data[key], check) for key, check in TEXT_KEYS.items() if key in data}


def read_schedule(file: Path) -> NoiseSchedule:
    """Read the noise schedule from a scheduler's configuration; how it samples is the user's choice.

    Raises:
        ModelError: If the file is damaged.
        UnsupportedModel: If the schedule is of another kind.
    """
    data = _read(file)
    config = {
        key: _checked(file.parent, key, data[key], check)
        for key, check in SCHEDULER_KEYS.items()
        if key in data
    }
    start, end = config.get("beta_start", 0.00085), config.get("beta_end", 0.012)
    power = 0.5 if config.get("beta_schedule", "scaled_linear") == "scaled_linear" else 1.0
    count = config.get("num_train_timesteps", 1000)
    betas = torch.linspace(start**power, end**power, count, dtype=torch.float64) ** (1 / power)
    return VarianceSchedule.of_betas(
        betas,
        config.get("prediction_type", "epsilon"),
        is_zero_snr=config.get("rescale_betas_zero_snr", False),
    )


def _network_config(folder: Path, keys: Mapping[str, Check], network: type) -> dict[str, Any]:
    data = _read(folder / "config.json")
    defaults = inspect.signature(network).parameters
    config = {}
    for key, value in data.items():
        if key in keys:
            config[key] = _checked(folder, key, value, keys[key])
        elif not key.startswith("_") and not (key in defaults and value == _listed(defaults[key].default)):
            raise UnsupportedModel(
                f'"{folder.parent.name}/{folder.name}" sets "{key}", which Stable Diffusion does not have',
                hint=SUPPORTED,
            )
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def _with_sizes(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Check that a network that is told a picture's sizes, or of a picture, says how wide that is."""
    for kind, key in (
        ("addition_embed_type", "addition_time_embed_dim"),
        ("addition_embed_type", "projection_class_embeddings_input_dim"),
        ("class_embed_type", "projection_class_embeddings_input_dim"),
    ):
        if config.get(kind) and not config.get(key):
            raise UnsupportedModel(
                f'"{folder.parent.name}/{folder.name}" lacks "{key}", which belongs to its {kind}',
                hint=SUPPORTED,
            )
    return config


def _listed(value: Any) -> Any:
    """JSON has no tuples."""
    return list(value) if isinstance(value, tuple) else value


def _checked(folder: Path, key: str, value: Any, check: Check) -> Any:
    if check(value):
        return value
    raise UnsupportedModel(
        f'"{folder.parent.name}/{folder.name}" has the unexpected value {json.dumps(value)[:80]} for "{key}"',
        hint=SUPPORTED,
    )


def _read(file: Path) -> dict[str, Any]:
    place = f"{file.parent.name}/{file.name}"
    try:
        if file.stat().st_size > MAX_CONFIG_BYTES:
            raise _unreadable(place, "is too large for a configuration")
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(place, f"cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise _unreadable(place, "is not a JSON object")
    return data


def _unreadable(place: str, fault: str) -> ModelError:
    return ModelError(f'"{place}" {fault}', code="model_corrupt", hint=AGAIN)
