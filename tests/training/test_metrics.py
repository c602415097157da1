import numpy as np
import pytest

from training.evaluate.metrics import CHROMATIC, edge_f1, hue_distance, mean_psnr


def square(offset: int = 0) -> np.ndarray:
    picture = np.full((64, 64, 3), 20, np.uint8)
    picture[16 + offset : 48 + offset, 16:48] = 230
    return picture


def outline(offset: int = 0) -> np.ndarray:
    edges = np.zeros((64, 64), bool)
    top, bottom = 16 + offset, 47 + offset
    edges[[top, bottom], 16:48] = True
    edges[top : bottom + 1, [16, 47]] = True
    return edges


def test_edges_within_two_pixels_are_the_same():
    assert edge_f1(square(), outline()) == pytest.approx(1.0)
    assert edge_f1(square(), outline(1)) > 0.95


def test_edges_elsewhere_are_not():
    assert edge_f1(square(), outline(12)) < 0.8
    assert edge_f1(np.zeros((64, 64, 3), np.uint8), outline()) == 0.0


def test_psnr_of_one_grey_level_is_48_db():
    first = np.full((8, 8, 3), 100, np.uint8)
    assert mean_psnr([(first, first + 1)]) == pytest.approx(48.13, abs=0.01)
    assert mean_psnr([(first, first + 1), (first, first + 1)]) == pytest.approx(48.13, abs=0.01)


def test_hue_ignores_grey_and_goes_around_the_circle():
    picture = np.full((8, 8, 3), 128, np.uint8)
    picture[:2] = (220, 40, 60)
    assert hue_distance(picture, "red") < 15
    assert hue_distance(picture, "cyan") > 150


def test_white_and_black_are_not_hues():
    assert {"red", "green", "blue", "purple"} <= set(CHROMATIC)
    assert not {"white", "black"} & set(CHROMATIC)
