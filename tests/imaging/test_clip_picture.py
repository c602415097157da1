"""Squares for CLIP."""

import numpy as np
import pytest

from bridge.imaging import Position, squared_for_clip


def bands(height: int, width: int) -> np.ndarray:
    """Red, green and blue thirds along the longer side."""
    picture = np.zeros((height, width, 3), np.float32)
    for channel in range(3):
        along = slice(channel * max(height, width) // 3, (channel + 1) * max(height, width) // 3)
        picture[(along, slice(None)) if height > width else (slice(None), along)] = np.eye(3)[channel]
    return picture


@pytest.mark.parametrize(
    ("position", "size", "channel"),
    [
        ("top", (900, 300), 0),
        ("center", (900, 300), 1),
        ("bottom", (900, 300), 2),
        ("left", (300, 900), 0),
        ("center", (300, 900), 1),
        ("right", (300, 900), 2),
    ],
)
def test_a_third_is_kept(position: Position, size: tuple[int, int], channel: int) -> None:
    square = squared_for_clip(bands(*size), "LANCZOS", position, 0.0)
    assert square.shape == (224, 224, 3)
    assert square[112, 112].tolist() == np.eye(3)[channel].tolist()


def test_padding_keeps_all_between_black_bars() -> None:
    square = squared_for_clip(np.ones((300, 900, 3), np.float32), "BILINEAR", "pad", 0.0)
    assert square[112].min() == 1
    assert square[:70].max() == 0
    assert square[-70:].max() == 0


def test_sharpening_follows_the_formula_at_an_edge() -> None:
    image = np.full((224, 224, 3), 0.25, np.float32)
    image[:, 112:] = 0.5
    sharp = squared_for_clip(image, "NEAREST", "center", 1.0)
    low, high = (round(each * 255) / 255 for each in (0.25, 0.5))
    weight = -np.sqrt(min(2 * low, 2 - 2 * high) / (2 * high)) / 5
    expected = (weight * (3 * low + high) + low) / (1 + 4 * weight)
    assert sharp[100, 111, 0] == pytest.approx(expected, abs=1e-5)
    assert sharp[100, 50, 0] == pytest.approx(low, abs=1e-6)
