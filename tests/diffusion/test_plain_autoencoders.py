"""TAESD and pixel space in a VAE's place.

``comfyui/taesd.npz``: what ComfyUI 0.3.64 made of the weights of ``tiny_vae_weights`` and of ``picture()``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bridge.builtin import model_folder
from bridge.diffusion import (
    Autoencoder,
    choose_placement,
    decode_latents,
    encode_image,
    load_autoencoder,
    placement,
    set_placement,
)
from bridge.diffusion.saving import autoencoder_state, write_state
from bridge.errors import ModelError
from bridge.models import Catalogue
from tests.diffusion.tiny_vae_weights import original_state, write_halves

AsNode = Callable[[Any], Any]
COMFYUI = Path(__file__).parent / "comfyui" / "taesd.npz"


def picture() -> torch.Tensor:
    bytes = np.random.RandomState(1).randint(0, 256, (1, 32, 40, 3)).astype(np.uint8)
    return torch.from_numpy(bytes).float() / 255


def opened(folder: Path, name: str) -> Autoencoder:
    return load_autoencoder(Catalogue([folder], model_folder()).find("vae", name), name)


@pytest.mark.parametrize("name", ["taesd", "taesdxl", "taesd3", "taef1"])
async def test_taesd_has_comfyuis_numbers(tmp_path: Path, as_node: AsNode, name: str) -> None:
    write_halves(tmp_path / "vae_approx", name)
    vae = opened(tmp_path, name)
    latents = await as_node(encode_image(vae, picture()))
    image = await as_node(decode_latents(vae, latents))
    with np.load(COMFYUI) as expected:
        np.testing.assert_allclose(latents, expected[f"{name}_latents"], atol=1e-5)
        shown = "image16" if vae.latent_channels == 16 else "image"
        np.testing.assert_allclose(image, expected[shown], atol=1e-5)


async def test_pixel_space_leaves_pictures_as_they_are(tmp_path: Path, as_node: AsNode) -> None:
    vae = opened(tmp_path, "pixel_space")
    latents = await as_node(encode_image(vae, picture()))
    torch.testing.assert_close(latents, picture().movedim(-1, 1) * 2 - 1)
    torch.testing.assert_close(await as_node(decode_latents(vae, latents)), picture())


async def test_pixel_space_rounds_nothing_where_networks_are_coarse(tmp_path: Path, as_node: AsNode) -> None:
    before = placement()
    set_placement(choose_placement("cpu", "bfloat16"))
    try:
        vae = opened(tmp_path, "pixel_space")
        latents = await as_node(encode_image(vae, picture()))
        torch.testing.assert_close(await as_node(decode_latents(vae, latents)), picture())
    finally:
        set_placement(before)


@pytest.mark.parametrize("name", ["taesdxl", "taef1", "pixel_space"])
async def test_what_is_saved_opens_again(tmp_path: Path, as_node: AsNode, name: str) -> None:
    write_halves(tmp_path / "vae_approx", name)
    vae = opened(tmp_path, name)
    again = load_autoencoder(write_state(autoencoder_state(vae), tmp_path, {}), "saved")
    latents = await as_node(encode_image(vae, picture()))
    torch.testing.assert_close(await as_node(encode_image(again, picture())), latents)
    torch.testing.assert_close(
        await as_node(decode_latents(again, latents)), await as_node(decode_latents(vae, latents))
    )


def test_saved_tensors_have_the_names_of_comfyui(tmp_path: Path) -> None:
    write_halves(tmp_path / "vae_approx")
    assert autoencoder_state(opened(tmp_path, "taesd")).keys() == original_state().keys()
    assert {"taesd_encoder.14.bias", "taesd_decoder.19.weight", "vae_scale"} <= original_state().keys()


def test_a_damaged_decoder_is_named(tmp_path: Path) -> None:
    write_halves(tmp_path / "vae_approx")
    file = tmp_path / "vae_approx" / "taesd_decoder.safetensors"
    weights = load_file(file)
    del weights["1.weight"]
    save_file(weights, file)
    with pytest.raises(ModelError, match=r'"taesd_decoder.safetensors" .*"1.weight" is missing'):
        opened(tmp_path, "taesd")
