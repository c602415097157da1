"""What inpainting and instruct-pix2pix UNets see beside the noisy latents."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import DiffusionModel, Network, Prompt
from bridge.diffusion.extra_channels import GREY, extra_channels, spread
from bridge.errors import UnsupportedModel

SHAPE = (2, 4, 8, 8)
PLAIN = Prompt(torch.zeros(1, 77, 16))
PICTURE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
CLEAN = torch.randn(SHAPE, generator=torch.Generator().manual_seed(4))


class _Shape(torch.nn.Linear):
    """As much of a UNet as is asked for."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, 1)
        self.config = {"in_channels": channels}


def taking(model: DiffusionModel, channels: int) -> DiffusionModel:
    network: Network[Any] = Network("special UNet", lambda placement: _Shape(channels))
    return replace(model, unet=network)


def test_a_plain_unet_takes_none(model: DiffusionModel) -> None:
    """Inpainting's conditioning also serves plain checkpoints, which then only follow the noise mask."""
    shown = replace(PLAIN, concat_latents=PICTURE, concat_mask=torch.ones(1, 1, 8, 8))
    assert extra_channels(shown, taking(model, 4), SHAPE, CLEAN, None) is None


@pytest.mark.parametrize("channels", [4, 9])
def test_a_picture_to_edit_that_would_not_be_seen_is_refused(model: DiffusionModel, channels: int) -> None:
    shown = replace(PLAIN, concat_latents=PICTURE)
    with pytest.raises(UnsupportedModel, match="picture to edit, which special UNet") as caught:
        extra_channels(shown, taking(model, channels), SHAPE, CLEAN, None)
    assert "InstructPix2Pix" in caught.value.hint


def test_an_unknown_number_is_refused(model: DiffusionModel) -> None:
    with pytest.raises(UnsupportedModel, match="special UNet takes 5 channels"):
        extra_channels(PLAIN, taking(model, 5), SHAPE, None, None)


def test_instructions_come_with_the_picture_as_it_is(model: DiffusionModel) -> None:
    shown = replace(PLAIN, concat_latents=PICTURE)
    channels = extra_channels(shown, taking(model, 8), SHAPE, CLEAN, None)
    assert channels is not None
    assert torch.equal(channels, PICTURE.expand(2, -1, -1, -1))
    blank = extra_channels(PLAIN, taking(model, 8), SHAPE, CLEAN, None)
    assert torch.equal(blank, torch.zeros(SHAPE))


def test_inpainting_sees_the_rounded_mask_before_the_scaled_picture(model: DiffusionModel) -> None:
    mask = torch.full((1, 1, 8, 8), 0.4)
    mask[..., 4:] = 0.6
    shown = replace(PLAIN, concat_latents=PICTURE, concat_mask=mask)
    channels = extra_channels(shown, taking(model, 9), SHAPE, CLEAN, torch.zeros(1, 8, 8))
    assert channels is not None
    assert channels.shape == (2, 5, 8, 8)
    assert torch.equal(channels[:, :1], mask.round().expand(2, -1, -1, -1))
    torch.testing.assert_close(channels[:, 1:], PICTURE.expand(2, -1, -1, -1) * model.scaling_factor)


def test_inpainting_falls_back_on_the_run(model: DiffusionModel) -> None:
    noise_mask = torch.zeros(1, 64, 64)
    noise_mask[:, :32] = 1.0
    channels = extra_channels(PLAIN, taking(model, 9), SHAPE, CLEAN, noise_mask)
    assert channels is not None
    assert channels[:, 0, :, 0].tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]] * 2
    assert torch.equal(channels[:, 1:], CLEAN)


def test_inpainting_without_a_mask_sees_all_selected_on_grey(model: DiffusionModel) -> None:
    channels = extra_channels(PLAIN, taking(model, 9), SHAPE, CLEAN, None)
    assert channels is not None
    assert channels[1, :, 3, 5].tolist() == pytest.approx([1.0, *GREY])


def test_pictures_of_another_size_are_cropped_and_resized(model: DiffusionModel) -> None:
    wide = torch.zeros(1, 4, 4, 8)
    wide[..., 2:6] = 1.0
    channels = extra_channels(replace(PLAIN, concat_latents=wide), taking(model, 8), SHAPE, None, None)
    assert channels is not None
    assert torch.equal(channels, torch.ones(SHAPE))


@pytest.mark.parametrize(
    ("here", "count", "picked"),
    [(3, 3, [0, 1, 2]), (3, 1, [0]), (5, 3, [0, 2, 4]), (2, 4, [0, 0, 1, 1]), (2, 3, [0, 1, 1])],
)
def test_a_batch_of_another_size_is_spread_evenly(here: int, count: int, picked: list[int]) -> None:
    values: Tensor = torch.arange(here)
    assert spread(values, count).tolist() == picked
