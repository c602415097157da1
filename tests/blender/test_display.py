"""Pictures in image datablocks of real Blenders."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def pictures(blender) -> dict[str, Any]:
    return blender.run("pictures")


@pytest.mark.parametrize("channels", [3, 4])
def test_picture_survives_saving_pixel_by_pixel(pictures, channels):
    assert pictures["kept"][f"{channels} channels"] == {"equal": True}


def test_every_result_has_an_image_of_its_own(pictures):
    found = pictures["history"]
    assert found["names"] == ["Framebridge 003", "The best one", "Framebridge 001"]
    assert found["same"] == [True, True, True]
    assert found["packed"] == [True, True, True]
    assert found["newest_is_looked_at"]


def test_result_remembers_what_it_was_made_from(pictures):
    found = pictures["history"]
    assert found["prompts"] == ["Bär 2", "Bär 1", "Bär 0"]
    assert found["view"]
    assert found["size"] == [53, 37]
    assert found["described"] == "53 × 37, stylize, seed 2"


def test_images_of_the_user_are_left_alone(pictures):
    found = pictures["neighbours"]
    assert found["user_pixels_kept"]
    assert found["is_new"]
    assert found["unusable_left"]


def test_each_slot_has_one_image_whatever_its_name(pictures):
    assert pictures["neighbours"]["slots_differ"]
    assert pictures["neighbours"]["reused"]


def test_image_holds_display_referred_bytes(pictures):
    assert pictures["neighbours"]["color_space"] == "sRGB"
    assert not pictures["neighbours"]["is_float"]


def test_image_of_another_size_stays_the_same_datablock(pictures):
    assert pictures["user_of_image"] == {"same": True, "size": [20, 90]}


def test_what_is_no_picture_is_refused(pictures):
    assert set(pictures["refused"]["codes"].values()) == {"bad_image"}
    assert len(pictures["refused"]["codes"]) == 4
    assert pictures["refused"]["images"] == 0
