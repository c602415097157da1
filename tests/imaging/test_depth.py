import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.errors import InputError
from bridge.imaging import (
    DepthRange,
    check_depth,
    depth_to_control,
    find_range,
    quantise_depth,
    restore_depth,
)

RAMP = np.linspace(2, 20, 400, dtype=np.float32).reshape(20, 20)


def faults(depth):
    with pytest.raises(InputError) as caught:
        check_depth(np.asarray(depth, np.float32))
    assert caught.value.code == "bad_depth"
    return caught.value


def test_near_is_white_far_is_grey_and_sky_is_black():
    depth = RAMP.copy()
    depth[0] = np.inf
    control, _ = depth_to_control(depth)
    assert control.max() == 1.0
    assert (control[0] == 0).all()
    assert 0 < control[-1, -1] < 0.2


def test_grey_levels_follow_inverse_distance():
    control, _ = depth_to_control(RAMP, DepthRange(2, 20))
    expected = (1 / RAMP - 1 / 20) / (1 / 2 - 1 / 20)
    np.testing.assert_allclose(control, expected, atol=1e-6)


def test_subject_keeps_its_grey_levels_in_front_of_a_floor_that_runs_far_back():
    depth = np.geomspace(4.6, 169, 256, dtype=np.float32)[:, None] * np.ones((1, 256), np.float32)
    subject = np.linspace(7.2, 8.6, 100, dtype=np.float32)
    depth[100:200, 100:200] = subject[:, None]
    control, _ = depth_to_control(depth)
    levels = np.unique((control[100:200, 100] * 255).astype(np.uint8))
    assert len(levels) > 20  # a normalised linear depth leaves it three


def test_a_few_stray_pixels_do_not_set_the_range():
    depth = RAMP.copy()
    depth[0, 0] = 0.001
    assert find_range(depth).near == pytest.approx(find_range(RAMP).near, rel=0.05)


def test_frozen_range_keeps_brightness_when_the_scene_changes():
    _, used = depth_to_control(RAMP)
    closer = np.minimum(RAMP, 10)
    frozen, again = depth_to_control(closer, used)
    assert again == used
    both = RAMP <= 10
    np.testing.assert_array_equal(frozen[both], depth_to_control(RAMP, used)[0][both])


def test_flat_depth_is_white():
    control, used = depth_to_control(np.full((16, 16), 3.0, np.float32))
    np.testing.assert_allclose(control, 1, rtol=1e-6)
    assert used.near < used.far


def test_noise_on_a_wall_is_not_stretched_to_full_contrast():
    noise = np.random.default_rng(1).normal(0, 1e-4, (64, 64))
    control, _ = depth_to_control((5 + noise).astype(np.float32))
    assert control.min() > 0.98


def test_orthographic_depth_is_linear():
    control, used = depth_to_control(RAMP + 1000, is_perspective=False)
    middle = (used.far - (RAMP + 1000)) / (used.far - used.near)
    np.testing.assert_allclose(control, np.clip(middle, 0, 1), atol=1e-3)  # f32 at 1000 m: 6e-5 m of 20
    assert np.ptp(control) > 0.8


def test_range_is_found_where_little_is_not_sky():
    depth = np.full((600, 600), np.inf, np.float32)
    depth[301, 299] = 4
    assert find_range(depth).near == pytest.approx(4)


def test_nan_is_refused_with_its_share():
    depth = RAMP.copy()
    depth[:12, 0] = np.nan
    assert faults(depth).message == "3 % of the depth map is not a number (NaN)"


def test_a_single_nan_is_not_reported_as_none():
    depth = np.ones((100, 100))
    depth[0, 0] = np.nan
    assert faults(depth).message.startswith("0.01 %")


def test_only_sky_is_refused():
    assert "nothing but sky" in faults(np.full((4, 4), np.inf)).message


@pytest.mark.parametrize("value", [0.0, -1.0, -np.inf])
def test_depth_behind_the_camera_is_refused(value):
    assert "zero or negative" in faults([[1, value], [1, 1]]).message


def test_empty_map_is_refused():
    faults(np.empty((0, 4)))


@pytest.mark.parametrize("ends", [(0, 1), (2, 1), (1, 1), (-1, 1), (float("nan"), 1)])
def test_empty_range_is_refused(ends):
    with pytest.raises(InputError, match="depth range"):
        DepthRange(*ends)


@given(
    near=st.floats(0.01, 10),
    ratio=st.floats(1.01, 1e5),
    share=arrays.arrays(np.float64, (4, 5), elements=st.floats(0, 1)),
)
def test_sixteen_bits_keep_inverse_depth_within_half_a_step(near, ratio, share):
    far = near * ratio
    inverse = 1 / far + share * (1 / near - 1 / far)
    depth = np.clip(1 / inverse, near, far).astype(np.float32)
    restored = restore_depth(quantise_depth(depth, near, far), near, far)
    step = (1 / near - 1 / far) / 65534
    # Half a step, and the rounding of the two float32 arrays.
    bound = step / 2 + 3e-7 * inverse
    assert (np.abs(1 / restored.astype(np.float64) - 1 / depth.astype(np.float64)) <= bound).all()


def test_sixteen_bits_keep_the_ends_and_the_sky():
    depth = np.array([[0.5, 50.0, np.inf, 0.1, 500.0]], np.float32)
    packed = quantise_depth(depth, 0.5, 50)
    assert packed.tolist() == [[65535, 1, 0, 65535, 1]]
    np.testing.assert_allclose(restore_depth(packed, 0.5, 50), [[0.5, 50, np.inf, 0.5, 50]], rtol=1e-6)


def test_sixteen_bits_are_exact_at_every_step():
    packed = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(quantise_depth(restore_depth(packed, 0.1, 100), 0.1, 100), packed)
