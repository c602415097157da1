"""Presets that work on a result, around one, on all cameras, and with a picture of the artist's."""

from typing import Any

import pytest

VERSIONS = ("5.0",)
"""What differs between versions is tested elsewhere."""


@pytest.fixture(scope="module")
def worked_on(blender, daemon_home) -> dict[str, Any]:
    return blender.run("worked_on", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_a_result_is_painted_on_at_all_sides_and_stays_as_it_is(worked_on):
    found = worked_on["around"]
    assert found["ends"] == ["FINISHED"]
    assert found["sizes"] == [[128, 72], [192, 112]]
    assert found["middle_kept"]
    assert found["colors_beside"] > 50


def test_the_wider_picture_lies_around_the_result(worked_on):
    assert worked_on["around"]["place"] == pytest.approx(worked_on["around"]["expected"], abs=0.002)


def test_what_is_captured_around_a_result_is_the_scene(worked_on):
    found = worked_on["around_shows_the_scene"]
    assert found["difference"] < 0.01
    assert found["sky_agrees"] > 0.99
    assert (found["mask_inside"], found["mask_outside"]) == (0.0, 1.0)


def test_an_upscaler_takes_the_result(worked_on):
    found = worked_on["result"]
    assert found["ends"] == ["FINISHED"]
    assert found["sizes"] == [[64, 64], [128, 128]]
    assert found["same_view"]
    assert found["alike"] < 12


def test_all_cameras_are_painted_as_one_picture_and_kept_one_by_one(worked_on):
    found = worked_on["cameras"]
    assert found["ends"] == ["FINISHED"]
    assert found["names"] == [
        "Framebridge 004",
        "Framebridge 003 Left",
        "Framebridge 002 Front",
        "Framebridge 001 Back",
    ]
    assert found["has_view"] == [False, True, True, True]
    assert set(found["behind"]) == {0}  # of all of them: behind none
    assert found["behind_tile"] == {"Left": "Framebridge 003 Left"}
    assert found["looked_at"] == "Framebridge 004"
    assert found["is_part"]
    assert found["different"]


def test_what_cannot_be_is_told_with_a_remedy(worked_on):
    found = worked_on["refused"]
    assert "Generate a picture first" in found["no result"]
    assert "one picture at a time" in found["animation"]
    assert "Place 1 to 12 cameras" in found["no camera"]
    assert "Choose one beside Look" in found["no picture"]
    assert "ip-adapter_sd15.safetensors" in found["no model"]
    assert found["images"] == 0
