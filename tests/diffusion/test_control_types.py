"""What ControlNets are told of masks; types of unions are told in ``nodes/test_control.py``."""

from typing import Any

import pytest
import torch

from bridge.diffusion import Control, ControlNetwork, Network, with_mask
from bridge.models import Family

GREY = torch.full((1, 4, 8, 3), 0.5)


def control(image: torch.Tensor = GREY, *, sees_mask: bool = True) -> Control:
    network: Network[Any] = Network("tiny", lambda placement: torch.nn.Module())
    return Control(ControlNetwork(network, (Family.SD3,), sees_mask=sees_mask), image)


def test_what_is_to_be_made_anew_is_black() -> None:
    mask = torch.zeros(1, 4, 8)
    mask[:, :, 4:] = 1.0
    told = with_mask(control(), mask)
    assert torch.equal(told.image, GREY * torch.tensor([1.0] * 4 + [0.0] * 4)[:, None])
    assert told.mask is mask


def test_a_mask_of_another_shape_is_cut_and_of_another_size_is_scaled() -> None:
    """Of 4×4, what remains for a picture twice as wide as high are the two rows in the middle."""
    mask = torch.zeros(1, 4, 4)
    mask[:, (0, 3)] = 1.0
    mask[:, 1:3, :2] = 1.0
    black = with_mask(control(), mask).image[0, 0, :, 0] == 0
    assert black.tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize(("value", "is_black"), [(0.4, False), (0.5, True), (0.6, True)])
def test_half_and_above_counts(value: float, is_black: bool) -> None:
    assert bool((with_mask(control(), torch.full((1, 4, 8), value)).image == 0).all()) is is_black


def test_each_picture_of_a_batch_has_its_mask() -> None:
    assert with_mask(control(), torch.zeros(3, 4, 8)).image.shape == (3, 4, 8, 3)
    assert with_mask(control(GREY.repeat(2, 1, 1, 1)), torch.zeros(1, 4, 8)).image.shape == (2, 4, 8, 3)


def test_others_are_shown_the_picture_as_it_is() -> None:
    plain = control(sees_mask=False)
    assert with_mask(plain, torch.ones(1, 4, 8)) is plain
