import numpy as np
import pytest

from training.controls import (
    CANNY_THRESHOLDS,
    GEOMETRIC_SHARE,
    depth_control,
    line_control,
    random_line_control,
)

DRAWS = 400


def test_depth_control_is_bright_near_and_black_in_the_sky(view):
    control = depth_control(view)
    assert control.shape == view.shape
    assert control.min() == 0
    assert control.max() == 1
    assert (control[view.sky] == 0).all()
    assert control[30, 30] > control[63, 0] > control[45, 0]  # 2.5, 3 and about 7.7 metres


def test_depth_control_of_nothing_but_sky_is_black(view):
    empty = type(view)(view.color, view.albedo, view.normal, view.object_id, np.full_like(view.depth, np.inf))
    control = depth_control(empty)
    assert control.shape == view.shape
    assert not control.any()


@pytest.mark.parametrize("thresholds", CANNY_THRESHOLDS)
def test_line_control_is_zero_or_one_and_draws_the_object(view, thresholds):
    control = line_control(view, thresholds)
    assert control.shape == view.shape
    assert set(np.unique(control)) == {0, 1}
    assert control[25:45, 18:22].any(1).all()
    assert not control[25:45, 26:38].any()


def test_random_lines_are_geometric_edges_or_a_canny_picture_in_their_shares(view):
    # Floor and sky have one colour, so that only the geometric edges show the horizon.
    pictures = [line_control(view, thresholds) for thresholds in CANNY_THRESHOLDS]
    assert not any(np.array_equal(picture, view.edges) for picture in pictures)
    rng, geometric = np.random.default_rng(0), 0
    for _ in range(DRAWS):
        control = random_line_control(view, rng)
        is_geometric = np.array_equal(control, view.edges)
        assert is_geometric or any(np.array_equal(control, picture) for picture in pictures)
        geometric += is_geometric
    # Three standard deviations of a binomial share, sqrt(p (1 - p) / 400) = 0.022.
    assert abs(geometric / DRAWS - GEOMETRIC_SHARE) < 0.065
