"""Pictures to latents and back."""

from pathlib import Path

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import Autoencoder, load_checkpoint
from bridge.engine import Folders, Job, running
from bridge.nodes.vae import vae_decode, vae_decode_tiled, vae_encode, vae_encode_tiled


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path / "in", tmp_path / "out", tmp_path / "temp", tmp_path / "frames"))


@pytest.fixture(scope="module")
def vae() -> Autoencoder:
    return load_checkpoint(model_folder(), "demo")[2]


async def test_there_and_back(job: Job, vae: Autoencoder) -> None:
    image = torch.full((2, 32, 40, 3), 0.5)
    async with running(job, "1"):
        latents = await vae_encode(image, vae)
        assert latents["samples"].shape == (2, 4, 32 // vae.latent_factor, 40 // vae.latent_factor)
        assert latents["downscale_ratio_spacial"] == vae.latent_factor
        assert (await vae_decode(latents, vae)).shape == (2, 32, 40, 3)


async def test_tiles_give_nearly_the_whole(job: Job, vae: Autoencoder) -> None:
    image = torch.rand(1, 12, 16, 3, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(image.movedim(-1, 1), scale_factor=8, mode="bicubic")
    image = image.movedim(1, -1).clamp(0, 1)
    async with running(job, "1"):
        whole = await vae_encode(image, vae)
        tiled = await vae_encode_tiled(image, vae, tile_size=64, overlap=4096)
        assert tiled["samples"].shape == whole["samples"].shape
        assert tiled["downscale_ratio_spacial"] == vae.latent_factor
        decoded = await vae_decode(whole, vae)
        in_tiles = await vae_decode_tiled(whole, vae, tile_size=64, overlap=16)
    assert 0 < float((in_tiles - decoded).abs().mean()) < 0.03
