"""Pictures that a preset wants besides the view."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bridge.cli.pictures import with_pictures
from bridge.errors import InputError
from bridge.imaging import decode_plane, to_plane
from bridge.protocol import Frame

FRAME = Frame({"color": to_plane("color", np.zeros((8, 8, 3), np.uint8))})


@pytest.fixture
def red(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "red.png"), np.full((16, 24, 3), (0, 0, 200), np.uint8))
    return tmp_path / "red.png"


def test_a_picture_is_added_to_the_view_as_a_reference(red: Path) -> None:
    frame = with_pictures(FRAME, [str(red)])
    assert frame is not None
    assert set(frame.planes) == {"color", "reference"}
    assert decode_plane(frame.planes["reference"]).tolist() == [[[200, 0, 0]] * 24] * 16


def test_pictures_have_names_and_need_no_view(red: Path) -> None:
    frame = with_pictures(None, [f"color={red}", f"reference_2={red}"])
    assert frame is not None
    assert set(frame.planes) == {"color", "reference_2"}
    assert frame.size == (24, 16)


def test_a_file_may_have_an_equals_sign_in_its_name(red: Path) -> None:
    red = red.rename(red.with_name("a=b.png"))
    frame = with_pictures(None, [str(red)])
    assert frame is not None
    assert set(frame.planes) == {"reference"}


def test_without_pictures_the_frame_is_what_it_was() -> None:
    assert with_pictures(FRAME, []) is FRAME
    assert with_pictures(None, []) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [("depth=x.png", "bad_picture_name"), ("gone.png", "image_not_found"), ("color=", "image_not_found")],
)
def test_what_is_no_picture_is_refused_with_a_remedy(text: str, code: str) -> None:
    with pytest.raises(InputError) as raised:
        with_pictures(None, [text])
    assert raised.value.code == code
    assert raised.value.hint
