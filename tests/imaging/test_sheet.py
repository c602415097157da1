import numpy as np
import pytest

from bridge.imaging.sheet import BACKGROUND, GAP, LABEL_HEIGHT, contact_sheet


def flat(red: int, size: tuple[int, int] = (32, 48)) -> np.ndarray:
    return np.full((*size, 3), (red, 0, 0), np.uint8)


def test_pictures_stand_row_by_row():
    sheet = contact_sheet([("a", flat(50)), ("b", flat(100)), ("c", flat(150))], columns=2)
    assert sheet.shape == (GAP + 2 * (32 + LABEL_HEIGHT + GAP), GAP + 2 * (48 + GAP), 3)
    assert sheet[GAP, GAP, 0] == 50
    assert sheet[GAP, GAP + 48 + GAP, 0] == 100
    assert sheet[GAP + 32 + LABEL_HEIGHT + GAP, GAP, 0] == 150
    assert tuple(sheet[-GAP - 1, -GAP - 1]) == BACKGROUND


def test_each_picture_has_ink_below_it():
    sheet = contact_sheet([("label", flat(50))], columns=1)
    strip = sheet[GAP + 32 : GAP + 32 + LABEL_HEIGHT]
    assert strip.max() > 150


def test_a_picture_of_another_size_is_fitted():
    sheet = contact_sheet([("a", flat(50)), ("b", flat(100, (64, 96)))], columns=2)
    assert sheet[GAP + 16, GAP + 48 + GAP + 24, 0] == 100


def test_a_long_label_stays_below_its_picture():
    short = contact_sheet([("wide", flat(50)), ("", flat(50))], columns=2)
    long = contact_sheet([("wide" * 20, flat(50)), ("", flat(50))], columns=2)
    neighbour = slice(GAP + 48 + 1, None)
    assert np.array_equal(short[:, neighbour], long[:, neighbour])


@pytest.mark.parametrize(("pictures", "columns"), [([], 1), ([("a", flat(1))], 0)])
def test_nothing_to_lay_out_is_an_error(pictures: list, columns: int):
    with pytest.raises(ValueError, match="contact sheet"):
        contact_sheet(pictures, columns)
