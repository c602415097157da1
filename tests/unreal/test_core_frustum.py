"""What a view spans, and the planes that fill it."""

from typing import Any

import numpy as np
import pytest

from .staged import import_core
from .test_core_projection import VIEWS, rays, turning, view_of


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return import_core(tmp_path_factory.mktemp("plugin"))


@pytest.mark.parametrize("name", VIEWS)
def test_frame_at_a_distance_is_what_its_corners_see(core: Any, name: str) -> None:
    view = view_of(core, name)
    middle, half_width, half_height = core("core.frustum").frame_at(view, 700.0)
    axes = turning(view.rotation)
    begin, way = rays(view, np.array(float(view.width)), np.array(0.0))
    corner = begin + way * 700.0
    assert np.array(middle) + axes @ (0.0, half_width, half_height) == pytest.approx(corner, abs=1e-6)


@pytest.mark.parametrize("name", VIEWS)
def test_plane_faces_the_camera_upright(core: Any, name: str) -> None:
    view = view_of(core, name)
    plane = turning(core("core.frustum").plane_rotation(view))
    axes = turning(view.rotation)
    assert plane[:, 2] == pytest.approx(-axes[:, 0], abs=1e-9)
    assert plane[:, 0] == pytest.approx(axes[:, 2], abs=1e-9)


def test_reach_is_behind_what_is_there_but_not_behind_a_sky(core: Any) -> None:
    frustum, view = core("core.frustum"), view_of(core, "level")
    tower = ((2000.0, 0.0, 100.0), (50.0, 50.0, 500.0))
    sky = ((0.0, 0.0, 0.0), (1e6, 1e6, 1e6))
    assert frustum.reach(view, [tower, sky]) == pytest.approx(2450.0 * frustum.BEYOND)
    assert frustum.reach(view, []) == pytest.approx(frustum.LEAST_REACH * frustum.BEYOND)


@pytest.mark.parametrize("name", VIEWS)
def test_nothing_that_is_seen_is_left_out(core: Any, name: str) -> None:
    view = view_of(core, name)
    random = np.random.default_rng(8)
    for x, y, depth in random.uniform((0, 0, 50), (view.width, view.height, 3000), (50, 3)):
        begin, way = rays(view, np.array(x), np.array(y))
        half = random.uniform(1, 200, 3)
        middle = begin + way * depth + random.uniform(-1, 1, 3) * half
        assert core("core.frustum").may_see(view, (tuple(middle), tuple(half)))


def test_what_is_behind_or_beside_is_left_out(core: Any) -> None:
    may_see, view = core("core.frustum").may_see, view_of(core, "level")
    half = (50.0, 50.0, 50.0)
    assert not may_see(view, ((-900.0, 0.0, 100.0), half))
    assert not may_see(view, ((0.0, 2000.0, 100.0), half))
    assert may_see(view, ((0.0, 0.0, 100.0), half))
