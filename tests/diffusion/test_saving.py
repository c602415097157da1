"""What is saved is what a checkpoint's publisher writes, and loads again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bridge.diffusion import load_autoencoder, load_checkpoint, load_text_encoder, saving
from bridge.diffusion import networks as networks_module
from bridge.diffusion.saving import autoencoder_state, checkpoint_state, tower_state, write_state
from bridge.models import read_header


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
