"""Sizes for Flux Kontext."""

import pytest

from bridge.diffusion.kontext import SIZES, kontext_size


def test_a_trained_size_stays() -> None:
    assert [kontext_size(*size) for size in SIZES] == list(SIZES)
    assert all(width % 16 == height % 16 == 0 for width, height in SIZES)
    assert all(0.98 < width * height / 1024**2 < 1.02 for width, height in SIZES)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [((64, 64), (1024, 1024)), ((1920, 1080), (1392, 752)), ((10, 1000), (672, 1568))],
)
def test_the_nearest_shape_is_taken(picture: tuple[int, int], expected: tuple[int, int]) -> None:
    assert kontext_size(*picture) == expected
