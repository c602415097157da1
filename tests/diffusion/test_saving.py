"""What is saved is what a checkpoint's publisher writes, and loads again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bridge.diffusion import (
    DiffusionModel,
    Network,
    TextEncoder,
    flow_schedule,
    load_autoencoder,
    load_checkpoint,
    load_denoiser,
    load_text_encoder,
    saving,
)
from bridge.diffusion import networks as networks_module
from bridge.diffusion.saving import autoencoder_state, checkpoint_state, tower_state, write_state
from bridge.diffusion.transformer_networks import with_positions
from bridge.models import UNET_PREFIX, Family, read_header
from tests.diffusion.transformer_weights import SMALL, original_state, small_transformer


@pytest.fixture
def published(tmp_path: Path, ldm: Any) -> Path:
    """A tiny checkpoint in the original naming, with a mark for v-prediction."""
    made = [
        networks_module.empty_unet({**ldm.UNET, "layers_per_block": 1}),
        networks_module.empty_autoencoder(ldm.AUTOENCODER),
        networks_module.empty_text_tower(ldm.TEXT),
    ]
    generator = torch.Generator().manual_seed(0)
    for module in made:
        module.to_empty(device="cpu")
        for parameter in module.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
    file = tmp_path / "published.safetensors"
    ldm.write_checkpoint(file, *made, v_pred=torch.tensor([]))
    return file


def write(state: dict[str, torch.Tensor], folder: Path) -> Path:
    return write_state(state, folder, {"prompt": "{}"}).rename(folder / "saved.safetensors")


def test_a_checkpoint_is_saved_as_it_was_published(published: Path, tmp_path: Path) -> None:
    file = write(checkpoint_state(*load_checkpoint(published, "tiny")), tmp_path)
    mine, theirs = load_file(file), load_file(published)
    assert {name: tensor.shape for name, tensor in mine.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert read_header(file).metadata == {"prompt": "{}"}


def test_a_vae_and_a_text_encoder_load_alone(published: Path, tmp_path: Path) -> None:
    _, clip, vae = load_checkpoint(published, "tiny")
    alone = load_autoencoder(write(autoencoder_state(vae), tmp_path), "x").network.module()
    assert torch.equal(alone.decoder.conv_in.weight, vae.network.module().decoder.conv_in.weight)
    [tower] = load_text_encoder(
        [write(tower_state(clip.towers[0]), tmp_path)], ["x"], "stable_diffusion"
    ).towers
    [mine, theirs] = (each.network.module().state_dict() for each in (tower, clip.towers[0]))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_file_half_written_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tensors: Any, path: Path, texts: Any) -> None:
        path.write_bytes(b"half")
        raise MemoryError

    monkeypatch.setattr(saving, "save_file", interrupted)
    with pytest.raises(MemoryError):
        write_state({}, tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_nothing_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        write_state({}, tmp_path / "file", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- transformers --------------------------------------------------------------------------------------


@pytest.fixture
def sd3_clip(make_tower: Any) -> TextEncoder:
    towers = make_tower(), make_tower("clip_g", projection=16), make_tower("t5xxl")
    return TextEncoder(towers, Family.SD3)


def of_transformer(name: str) -> DiffusionModel:
    layout, family = SMALL[name]
    unet = Network("tiny transformer", lambda placement: with_positions(small_transformer(layout)))
    return DiffusionModel(unet, flow_schedule(1.0), 1.0, 8, family=family)


@pytest.mark.parametrize("name", SMALL)
def test_a_transformer_is_saved_as_it_was_published(tmp_path: Path, name: str) -> None:
    model = of_transformer(name)
    state = checkpoint_state(model, None, None)
    published = original_state(model.unet.module().state_dict(), SMALL[name][0])
    assert all(torch.equal(state[UNET_PREFIX + key], tensor) for key, tensor in published.items())
    saved = load_denoiser(write(state, tmp_path), "x")
    assert saved.family is model.family
    mine, theirs = (each.unet.module().state_dict() for each in (saved, model))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_three_text_encoders_are_saved_where_they_are_looked_for(
    tmp_path: Path, sd3_clip: TextEncoder
) -> None:
    file = write(checkpoint_state(of_transformer("sd3"), sd3_clip, None), tmp_path)
    _, clip, _ = load_checkpoint(file, "x")
    assert [tower.kind for tower in clip.towers] == ["clip_l", "clip_g", "t5xxl"]
    for saved, tower in zip(clip.towers, sd3_clip.towers, strict=True):
        mine, theirs = (each.network.module().state_dict() for each in (saved, tower))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_t5_is_saved_in_the_names_of_its_file(tmp_path: Path, sd3_clip: TextEncoder) -> None:
    t5 = sd3_clip.towers[2]
    file = write(tower_state(t5), tmp_path)
    assert load_file(file).keys() == t5.network.module().state_dict().keys()
    [saved] = load_text_encoder([file], ["x"], "pixart").towers
    assert torch.equal(saved.network.module().shared.weight, t5.network.module().shared.weight)
