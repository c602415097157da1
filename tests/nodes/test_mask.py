"""Masks; their numbers are compared with ComfyUI in ``test_reference``."""

import pytest
import torch

from bridge.errors import InputError
from bridge.nodes.mask import (
    crop_mask,
    feather_mask_node,
    grow_mask,
    image_to_mask,
    mask_composite,
    mask_to_image,
    solid_mask,
)

POINT = torch.zeros(1, 7, 9)
POINT[0, 3, 4] = 1


def test_growing_with_tapered_corners_gives_a_diamond_and_else_a_square():
    assert grow_mask(POINT, 2).sum() == 13
    assert grow_mask(POINT, 2, tapered_corners=False).sum() == 25
    assert torch.equal(grow_mask(grow_mask(POINT, 2, False), -2, False), POINT)


def test_growing_ends_when_everything_is_selected():
    assert grow_mask(POINT, 16_384).min() == 1


def test_fading_reaches_the_full_value_inside():
    faded = feather_mask_node(torch.ones(1, 4, 8), left=4)
    assert faded[0, 0].tolist() == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_a_mask_that_lies_outside_changes_nothing():
    assert torch.equal(mask_composite(POINT, torch.ones(1, 2, 2), 9, 0, "add"), POINT)
    assert torch.equal(mask_composite(POINT, torch.ones(1, 2, 2), 0, 700, "add"), POINT)


@pytest.mark.parametrize("shape", [(7, 9), (1, 7, 9), (1, 1, 7, 9)])
def test_a_mask_of_a_pack_may_have_a_channel_or_no_batch(shape):
    mask = POINT.reshape(shape)
    assert mask_to_image(mask).shape == (1, 7, 9, 3)
    assert torch.equal(grow_mask(mask, 2), grow_mask(POINT, 2))
    assert torch.equal(feather_mask_node(mask, 2), feather_mask_node(POINT, 2))
    assert torch.equal(crop_mask(mask, 1, 1, 4, 4), crop_mask(POINT, 1, 1, 4, 4))
    assert torch.equal(mask_composite(mask, mask, operation="add"), POINT)


def test_one_mask_serves_a_whole_batch():
    combined = mask_composite(torch.zeros(3, 4, 4), torch.ones(2, 4, 4), operation="or")
    assert combined.min() == 1


@pytest.mark.parametrize("place", [(9, 0), (0, 7)])
def test_a_rectangle_outside_is_an_error(place):
    with pytest.raises(InputError, match="outside a mask of 9×7"):
        crop_mask(POINT, *place)


def test_a_picture_without_alpha_has_none_to_take():
    with pytest.raises(InputError, match="no alpha"):
        image_to_mask(torch.zeros(1, 4, 4, 3), "alpha")


def test_sizes_are_bounded():
    with pytest.raises(InputError) as caught:
        solid_mask(1.0, 16_384, 16_384 * 2)
    assert caught.value.code == "image_too_large"
