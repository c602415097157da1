"""Pictures to latents and back."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import (
    Autoencoder,
    Network,
    decode_latents,
    encode_image,
    load_autoencoder,
)
from bridge.diffusion import vae as vae_module
from bridge.diffusion.device import Placement
from bridge.diffusion.tiling import Tiling
from bridge.engine import Job
from bridge.errors import ExecutionError, InputError, Interrupted, OutOfMemory

AsNode = Callable[[Any], Any]


def soft_picture(height: int, width: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear").movedim(1, -1)


async def test_latents_are_the_mean_and_unscaled(vae: Autoencoder, as_node: AsNode) -> None:
    image = soft_picture(64, 48)
    latents = await as_node(encode_image(vae, image))
    expected = vae.network.module().encode(image.movedim(-1, 1) * 2 - 1).latent_dist.mean
    assert latents.shape == (1, 4, 8, 6)
    torch.testing.assert_close(latents, expected, atol=1e-5, rtol=1e-5)


async def test_odd_sizes_are_cropped_around_the_centre(vae: Autoencoder, as_node: AsNode) -> None:
    image = soft_picture(70, 53)
    whole = await as_node(encode_image(vae, image))
    cropped = await as_node(encode_image(vae, image[:, 3:67, 2:50]))
    torch.testing.assert_close(whole, cropped)


async def test_alpha_is_left_out(vae: Autoencoder, as_node: AsNode) -> None:
    image = soft_picture(32, 32)
    with_alpha = torch.cat((image, torch.rand(1, 32, 32, 1)), dim=-1)
    torch.testing.assert_close(
        await as_node(encode_image(vae, with_alpha)), await as_node(encode_image(vae, image))
    )


async def test_a_picture_too_small_is_refused(vae: Autoencoder, as_node: AsNode) -> None:
    with pytest.raises(InputError, match="7×20") as caught:
        await as_node(encode_image(vae, torch.rand(1, 20, 7, 3)))
    assert caught.value.hint == "8×8 is the least."


async def test_sizes_follow_the_latent_factor(fine_vae: Autoencoder, as_node: AsNode) -> None:
    image = soft_picture(66, 51)
    latents = await as_node(encode_image(fine_vae, image))
    assert latents.shape == (1, 4, 16, 12)
    torch.testing.assert_close(latents, await as_node(encode_image(fine_vae, image[:, 1:65, 1:49])))
    assert (await as_node(decode_latents(fine_vae, latents))).shape == (1, 64, 48, 3)
    with pytest.raises(InputError, match="3×20") as caught:
        await as_node(encode_image(fine_vae, torch.rand(1, 20, 3, 3)))
    assert caught.value.hint == "4×4 is the least."


async def test_pictures_are_ordinary_tensors_in_range(vae: Autoencoder, as_node: AsNode) -> None:
    image = await as_node(decode_latents(vae, torch.randn(2, 4, 4, 6) * 5))
    assert image.shape == (2, 32, 48, 3)
    assert image.dtype == torch.float32
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    assert not image.is_inference()
    assert image.is_contiguous()


@pytest.fixture
def demo_vae() -> Autoencoder:
    """A trained one: with random weights nothing far away matters, and tiling could not go wrong.

    Its norms see a tile instead of the picture, so that results are nearly, not exactly, the same.
    """
    return load_autoencoder(model_folder(), "demo")


async def test_tiled_encoding_equals_the_whole(demo_vae: Autoencoder, as_node: AsNode) -> None:
    image = soft_picture(320, 256)
    whole = await as_node(encode_image(demo_vae, image))
    tiled = await as_node(encode_image(demo_vae, image, Tiling(192, 64)))
    assert tiled.shape == whole.shape
    assert float(torch.linalg.norm(tiled - whole) / torch.linalg.norm(whole)) < 0.12


async def test_tiled_decoding_equals_the_whole(demo_vae: Autoencoder, as_node: AsNode) -> None:
    latents = await as_node(encode_image(demo_vae, soft_picture(320, 256)))
    whole = await as_node(decode_latents(demo_vae, latents))
    tiled = await as_node(decode_latents(demo_vae, latents, Tiling(192, 64)))
    assert float((tiled - whole).abs().mean()) < 0.03


def without_far_sight(vae: Autoencoder) -> Autoencoder:
    """Take out what looks beyond a tile: with random weights, norms and attention would tell tiles apart."""
    network = vae.network.module()
    for module in [module for module in network.modules() if not isinstance(module, torch.nn.GroupNorm)]:
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.GroupNorm):
                setattr(module, name, torch.nn.Identity())
    network.encoder.mid_block.attentions[0] = network.decoder.mid_block.attentions[0] = None
    return vae


@pytest.mark.parametrize("kind", ["vae", "fine_vae"])
async def test_tiles_follow_the_latent_factor(
    kind: str, request: pytest.FixtureRequest, as_node: AsNode
) -> None:
    """Convolutions still reach beyond a tile by more than the overlap, but not by much.

    Tiles one latent off would differ by 0.24 and 0.015.
    """
    vae = without_far_sight(request.getfixturevalue(kind))
    image = soft_picture(40 * vae.latent_factor, 32 * vae.latent_factor)
    latents = await as_node(encode_image(vae, image))
    tiled = await as_node(encode_image(vae, image, Tiling(24 * vae.latent_factor, 8 * vae.latent_factor)))
    assert tiled.shape == latents.shape == (1, 4, 40, 32)
    assert float(torch.linalg.norm(tiled - latents) / torch.linalg.norm(latents)) < 0.06
    whole = await as_node(decode_latents(vae, latents))
    tiled = await as_node(decode_latents(vae, latents, Tiling(24 * vae.latent_factor, 8 * vae.latent_factor)))
    assert tiled.shape == whole.shape == image.shape
    assert float((tiled - whole).abs().mean()) < 0.003


@pytest.mark.parametrize("kind", ["vae", "fine_vae"])
async def test_tiles_and_their_overlap_are_measured_in_pixels(
    kind: str, request: pytest.FixtureRequest, as_node: AsNode
) -> None:
    vae: Autoencoder = request.getfixturevalue(kind)
    network = vae.network.module()
    sizes: list[torch.Size] = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape))
    await as_node(encode_image(vae, torch.rand(1, 64, 112, 3), Tiling(64, 16)))
    square, low, high = [(1, 3, 64, 64)] * 2, [(1, 3, 32, 112)] * 3, [(1, 3, 64, 32)] * 6
    assert sizes == square + low + high


async def test_a_picture_that_fits_into_one_tile_is_not_changed_by_tiling(
    vae: Autoencoder, as_node: AsNode
) -> None:
    latents = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(
        await as_node(decode_latents(vae, latents, Tiling())), await as_node(decode_latents(vae, latents))
    )


class Choosy(torch.nn.Module):
    """An autoencoder that runs out of memory on anything large."""

    def __init__(self, real: Any, largest: int) -> None:
        super().__init__()
        self.real = real
        self.largest = largest

    @property
    def device(self) -> torch.device:
        return self.real.device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        return self.real.dtype  # type: ignore[no-any-return]

    def decode(self, latents: torch.Tensor) -> Any:
        if latents.shape[2] * latents.shape[3] > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.real.decode(latents)


async def test_full_memory_leads_to_tiles(
    vae: Autoencoder, as_node: AsNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vae_module, "DECODING_TILES", Tiling(64, 16))
    choosy = Autoencoder(Network("choosy", lambda placement: Choosy(vae.network.module(), largest=64)), 8)
    image = await as_node(decode_latents(choosy, torch.randn(1, 4, 16, 16)))
    assert image.shape == (1, 128, 128, 3)


@pytest.mark.parametrize(("factor", "pixels"), [(8, "128×64"), (4, "64×32")])
async def test_memory_too_small_for_a_tile_is_said(
    vae: Autoencoder, as_node: AsNode, factor: int, pixels: str
) -> None:
    choosy = Autoencoder(Network("choosy", lambda placement: Choosy(vae.network.module(), largest=0)), factor)
    with pytest.raises(OutOfMemory, match=f"decoding {pixels} pixels"):
        await as_node(decode_latents(choosy, torch.randn(1, 4, 8, 16)))


async def test_broken_latents_are_found(vae: Autoencoder, as_node: AsNode) -> None:
    with pytest.raises(ExecutionError) as caught:
        await as_node(decode_latents(vae, torch.full((1, 4, 4, 4), torch.nan)))
    assert caught.value.code == "nan_output"
    assert caught.value.hint


async def test_an_autoencoder_out_of_range_goes_on_in_float32(as_node: AsNode, vae: Autoencoder) -> None:
    network = vae.network.module()
    network.decoder.conv_in.weight.mul_(1e4)  # beyond 65504 in half precision, harmless before a norm

    def load(where: Placement) -> Any:
        return copy.deepcopy(network).to(where.dtype)

    hot = Network("hot VAE", load, place=lambda where: replace(where, dtype=torch.float16))
    latents = torch.randn(1, 4, 4, 4) * 100
    assert not hot.module().decode(latents.half()).sample.isfinite().all()
    image = await as_node(decode_latents(Autoencoder(hot, 8), latents))
    assert image.isfinite().all()
    hot.drop()
    assert hot.module().dtype == torch.float32


async def test_latents_of_another_kind_are_refused(vae: Autoencoder, as_node: AsNode) -> None:
    with pytest.raises(InputError, match="16 channels, tiny VAE works on 4") as caught:
        await as_node(decode_latents(vae, torch.zeros(1, 16, 4, 4)))
    assert caught.value.hint


async def test_a_batch_takes_no_more_memory_than_one(vae: Autoencoder, as_node: AsNode) -> None:
    batches = []
    vae.network.module().post_quant_conv.register_forward_pre_hook(
        lambda module, inputs: batches.append(len(inputs[0]))
    )
    latents = torch.randn(3, 4, 4, 4)
    images = await as_node(decode_latents(vae, latents))
    assert batches == [1, 1, 1]
    torch.testing.assert_close(images[2:], await as_node(decode_latents(vae, latents[2:])))


async def test_cancelled_between_tiles(
    vae: Autoencoder, as_node: AsNode, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = vae.network.module()
    decode = network.decode
    calls = []

    def decode_and_cancel(latents: torch.Tensor) -> Any:
        calls.append(latents.shape)
        job.cancel()
        return decode(latents)

    monkeypatch.setattr(network, "decode", decode_and_cancel)
    with pytest.raises(Interrupted):
        await as_node(decode_latents(vae, torch.randn(1, 4, 16, 16), Tiling(32, 8)))
    assert len(calls) == 1
