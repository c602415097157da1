"""Configurations of model folders are data, and suspicious data."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bridge.diffusion.folder import (
    read_autoencoder_config,
    read_schedule,
    read_text_config,
    read_unet_config,
)
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.errors import ModelError, UnsupportedModel

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "_class_name": "EulerDiscreteScheduler",
}


def unet_folder(tmp_path: Path, **changes: Any) -> Path:
    config = {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": "0.42.1",
        "in_channels": 4,
        "block_out_channels": [32, 64],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "cross_attention_dim": 64,
        "attention_head_dim": 8,
        "use_linear_projection": False,
        "encoder_hid_dim": None,
        **changes,
    }
    folder = tmp_path / "unet"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_known_keys_are_taken_and_defaults_ignored(tmp_path: Path) -> None:
    config = read_unet_config(unet_folder(tmp_path))
    assert config["block_out_channels"] == (32, 64)
    assert "encoder_hid_dim" not in config
    assert not [key for key in config if key.startswith("_")]


@pytest.mark.parametrize(
    "changes",
    [
        {"use_linear_projection": 1},
        {"class_embed_type": "projection"},
        {"in_channels": 5},
        {"down_block_types": ["__import__('os').system('x')"]},
        {"block_out_channels": [10**9]},
        {"block_out_channels": [True]},
        {"block_out_channels": 32},
        {"act_fn": "gelu"},
        {"norm_eps": float("nan")},
        {"auto_map": {"UNet": "evil.py"}},
        {"time_cond_proj_dim": 256},
        {"sample_size_of_my_own": 3},
    ],
    ids=str,
)
def test_anything_else_is_refused_by_name(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel, match=next(iter(changes))):
        read_unet_config(unet_folder(tmp_path, **changes))


@pytest.mark.parametrize("missing", ["addition_time_embed_dim", "projection_class_embeddings_input_dim"])
def test_a_network_of_sdxl_says_how_wide_sizes_are(tmp_path: Path, missing: str) -> None:
    sizes = {"addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816, missing: None}
    with pytest.raises(UnsupportedModel, match=missing):
        read_unet_config(unet_folder(tmp_path, addition_embed_type="text_time", **sizes))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '"text"', "\x00"])
def test_a_damaged_configuration_is_said(tmp_path: Path, text: str) -> None:
    folder = unet_folder(tmp_path)
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"unet/config\.json"):
        read_unet_config(folder)


def test_an_enormous_configuration_is_not_read(tmp_path: Path) -> None:
    folder = unet_folder(tmp_path)
    (folder / "config.json").write_text(" " * 2_000_000)
    with pytest.raises(ModelError, match="too large"):
        read_unet_config(folder)


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        read_autoencoder_config(tmp_path)


def test_training_keys_of_the_text_tower_are_dropped(tmp_path: Path) -> None:
    config = {"hidden_size": 64, "dropout": 0.1, "torch_dtype": "float16", "vocab_size": 49408}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_text_config(tmp_path) == {"hidden_size": 64, "vocab_size": 49408}


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 32128}))
    with pytest.raises(UnsupportedModel, match="vocab_size"):
        read_text_config(tmp_path)


def schedule_of(tmp_path: Path, **changes: Any) -> Any:
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({**SCHEDULER, **changes}))
    return read_schedule(file)


def test_stable_diffusions_schedule(tmp_path: Path) -> None:
    schedule = schedule_of(tmp_path)
    torch.testing.assert_close(schedule.sigmas, stable_diffusion_schedule().sigmas)
    assert schedule.prediction == "v_prediction"


def test_linear_betas(tmp_path: Path) -> None:
    schedule = schedule_of(tmp_path, beta_schedule="linear")
    alphas = torch.cumprod(1 - torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64), 0)
    torch.testing.assert_close(schedule.sigmas, ((1 - alphas) / alphas).sqrt().float())


def test_zero_snr(tmp_path: Path) -> None:
    assert schedule_of(tmp_path, rescale_betas_zero_snr=True).sigma_max > 4000


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction_type": "flow_prediction"},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"trained_betas": [0.1]},
        {"beta_end": 2},
    ],
    ids=str,
)
def test_other_schedules_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel, match=next(iter(changes))):
        schedule_of(tmp_path, **changes)
