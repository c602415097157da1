"""Pictures of unfinished latents."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from bridge.builtin import model_folder
from bridge.diffusion import Autoencoder, decode_latents, encode_image, load_autoencoder
from bridge.diffusion.preview import MAX_SIDE, previewer
from bridge.engine import Job, running
from bridge.errors import Interrupted, Problem
from bridge.protocol import Plane

AsNode = Callable[[Any], Any]


def pixels(plane: Any) -> np.ndarray:
    return np.frombuffer(plane.data, np.uint8).reshape(plane.shape)


async def show(vae: Autoencoder, latents: torch.Tensor) -> Plane:
    preview = await previewer(vae)
    assert preview
    return preview(latents)


async def test_colours_are_those_of_the_decoded_picture(as_node: AsNode) -> None:
    vae = load_autoencoder(model_folder(), "demo")
    blobs = torch.rand(1, 3, 3, 3, generator=torch.Generator().manual_seed(9))
    image = torch.nn.functional.interpolate(blobs, size=(128, 128), mode="bilinear").movedim(1, -1)
    latents = await as_node(encode_image(vae, image))
    small = pixels(await as_node(show(vae, latents))) / 255
    decoded = await as_node(decode_latents(vae, latents))
    expected = avg_pool2d(decoded.movedim(-1, 1), vae.latent_factor)[0].movedim(0, -1).numpy()
    assert small.shape == (128 // vae.latent_factor, 128 // vae.latent_factor, 3)
    assert np.abs(small - expected).mean() < 0.12
    flat = np.abs(expected - expected.mean((0, 1))).mean()
    assert np.abs(small - expected).mean() < 0.7 * flat


async def test_one_pixel_a_latent_whatever_the_factor(
    vae: Autoencoder, fine_vae: Autoencoder, as_node: AsNode
) -> None:
    for each in (vae, fine_vae):
        assert (await as_node(show(each, torch.randn(1, 4, 8, 6)))).shape == (8, 6, 3)


async def test_the_map_is_fitted_once(vae: Autoencoder, as_node: AsNode) -> None:
    network = vae.network.module()
    calls: list[int] = []
    network.encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    for _ in range(3):
        await as_node(show(vae, torch.randn(1, 4, 8, 8)))
    assert len(calls) == 1


async def test_large_pictures_are_made_smaller(vae: Autoencoder, as_node: AsNode) -> None:
    plane = await as_node(show(vae, torch.randn(2, 4, MAX_SIDE, 2 * MAX_SIDE)))
    assert plane.shape == (MAX_SIDE // 2, MAX_SIDE, 3)
    assert plane.dtype == "u8"
    assert plane.raw_bytes == len(plane.data)


async def test_wild_latents_stay_in_range(vae: Autoencoder, as_node: AsNode) -> None:
    plane = await as_node(show(vae, torch.full((1, 4, 4, 4), 1e6)))
    assert set(np.unique(pixels(plane))) <= {0, 255}


async def test_a_broken_autoencoder_shows_nothing_and_stops_nothing(vae: Autoencoder, job: Job) -> None:
    vae.network.module().encoder.conv_in.weight.fill_(torch.nan)
    warnings: list[Problem] = []
    with running(job, "3", warnings):
        assert await previewer(vae) is None
    [warning] = warnings
    assert warning.code == "no_preview"
    assert "tiny VAE" in warning.message


async def test_a_cancelled_job_is_not_taken_for_a_broken_autoencoder(vae: Autoencoder, job: Job) -> None:
    job.cancel()
    with running(job, "3"), pytest.raises(Interrupted):
        await previewer(vae)
