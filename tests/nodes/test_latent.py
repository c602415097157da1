"""Latent nodes; their numbers are compared in ``test_reference``."""

import pytest
import torch

from bridge.diffusion import LatentBatch
from bridge.errors import InputError
from bridge.nodes.latent import (
    empty_latent_image,
    latent_add,
    latent_composite,
    latent_composite_masked,
    latent_crop,
    latent_interpolate,
    latent_upscale,
    latent_upscale_by,
)


def some(batch: int = 1, channels: int = 4, **more: object) -> LatentBatch:
    samples = torch.randn(batch, channels, 16, 24, generator=torch.Generator().manual_seed(batch))
    return {"samples": samples, **more}  # type: ignore[typeddict-item]


def test_empty_latents_have_an_eighth_of_the_size() -> None:
    latents = empty_latent_image(100, 64, 3)
    assert latents["samples"].shape == (3, 4, 8, 12)
    assert not latents["samples"].any()
    assert latents["downscale_ratio_spacial"] == 8


def test_pixels_are_measured_by_the_latent_factor() -> None:
    fine = some(downscale_ratio_spacial=4)
    scaled = latent_upscale(fine, "bilinear", 128, 64)
    assert scaled["samples"].shape == (1, 4, 16, 32)
    assert scaled["downscale_ratio_spacial"] == 4
    assert latent_crop(fine, 64, 64, 8, 0)["samples"].shape == (1, 4, 16, 16)
    laid = latent_composite(fine, {"samples": torch.zeros(1, 4, 2, 2)}, 8, 4)["samples"]
    assert not laid[:, :, 1:3, 2:4].any()
    assert laid[:, :, 0].all()


def test_mask_and_noise_of_pictures_travel_along() -> None:
    mask = torch.rand(1, 1, 8, 8)
    scaled = latent_upscale_by(some(noise_mask=mask, batch_index=[7]), "bislerp", 2.0)
    assert scaled["noise_mask"] is mask
    assert scaled["batch_index"] == [7]


def test_one_picture_serves_a_whole_batch_and_inputs_stay_as_they_are() -> None:
    first, second = some(3), some(1)
    before = first["samples"].clone()
    for node in (latent_add, latent_interpolate, latent_composite, latent_composite_masked):
        assert node(first, second)["samples"].shape == before.shape
    assert torch.equal(first["samples"], before)


def test_interpolation_ends_at_either() -> None:
    first, second = some(3), some(1)
    torch.testing.assert_close(latent_interpolate(first, second, 1.0)["samples"], first["samples"])
    at_zero = latent_interpolate(first, second, 0.0)["samples"]
    torch.testing.assert_close(at_zero, second["samples"].expand(3, -1, -1, -1))


@pytest.mark.parametrize("node", [latent_add, latent_composite, latent_composite_masked])
def test_latents_of_another_vae_are_refused(node: object) -> None:
    with pytest.raises(InputError, match="4 and of 16 channels"):
        node(some(), some(channels=16))  # type: ignore[operator]


def test_sizes_are_bounded() -> None:
    with pytest.raises(InputError) as caught:
        latent_upscale(some(64), "nearest-exact", 16_384, 16_384)
    assert caught.value.code == "image_too_large"
    with pytest.raises(InputError) as caught:
        latent_upscale_by(some(), "area", 0.01)
    assert caught.value.code == "image_too_small"


def test_a_small_picture_is_cropped_to_itself() -> None:
    small: LatentBatch = {"samples": torch.rand(1, 4, 4, 4)}
    assert torch.equal(latent_crop(small, 64, 64, 800, 800)["samples"], small["samples"])
