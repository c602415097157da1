"""Unreal's axes against the wire's: the same places, by way of full matrices."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from .staged import import_core
from .test_core_projection import SIZES, VIEWS, rays, turning, view_of


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return import_core(tmp_path_factory.mktemp("plugin"))


@pytest.mark.parametrize("name", VIEWS)
def test_basis_is_that_of_the_turns_one_after_the_other(core: Any, name: str) -> None:
    view = view_of(core, name)
    assert pytest.approx(turning(view.rotation), abs=1e-12) == np.array(view.basis()).T


@pytest.mark.parametrize("name", VIEWS)
def test_wire_camera_sees_a_point_at_the_same_place_and_depth(core: Any, name: str) -> None:
    view = view_of(core, name)
    camera = core("core.axes").wire_camera(view)
    to_camera, to_clip = (np.array(matrix).reshape(4, 4) for matrix in (camera.view, camera.projection))
    random = np.random.default_rng(5)
    width, height = SIZES[name]
    places = random.uniform((0, 0), (width, height), (50, 2))
    depths = random.uniform(50, 3000, 50)
    begin, way = rays(view, places[:, 0], places[:, 1])
    points = begin + way * depths[:, None]
    wire = np.column_stack((points * (0.01, -0.01, 0.01), np.ones(50)))
    seen = wire @ to_camera.T
    assert -seen[:, 2] == pytest.approx(depths / 100, rel=1e-9)
    clip = seen @ to_clip.T
    flat = clip[:, :2] / clip[:, 3:]
    found = np.column_stack(((flat[:, 0] + 1) / 2 * width, (1 - flat[:, 1]) / 2 * height))
    assert np.abs(found - places).max() < 1e-6
    assert np.linalg.det(to_camera[:3, :3]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", VIEWS)
def test_normals_are_turned_as_ways_are(core: Any, name: str) -> None:
    view = view_of(core, name)
    axes = core("core.axes")
    rotation = np.array(axes.normal_rotation(view)).reshape(3, 3)
    to_camera = np.array(axes.wire_camera(view).view).reshape(4, 4)[:3, :3]
    for normal in np.random.default_rng(6).normal(size=(20, 3)):
        assert rotation @ normal == pytest.approx(to_camera @ (normal * (1, -1, 1)))


@pytest.mark.parametrize("name", VIEWS)
def test_view_survives_as_text(core: Any, name: str) -> None:
    for exposure in (None, 11.5):
        view = replace(view_of(core, name), exposure=exposure)
        assert core("core.axes").view_from_json(view.to_json()) == view


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"location": [1, 2], "rotation": [0, 0, 0]}', "null"])
def test_damaged_view_is_told(core: Any, text: str) -> None:
    with pytest.raises(core("_bridge.errors").BridgeError, check=lambda error: error.code == "bad_view"):
        core("core.axes").view_from_json(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": float("inf")},
        {"width": 10**9},
        {"height": 0},
        {"near": 0.0},
        {"field_of_view": 180.0},
        {"location": [float("nan"), 0.0, 0.0]},
        {"location": [0.0, 0.0]},
        {"exposure": float("nan")},
    ],
)
def test_a_view_from_nowhere_is_told(core: Any, changes: dict[str, Any]) -> None:
    axes = core("core.axes")
    data = json.loads(axes.View((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 64, 64).to_json())
    assert axes.view_from_json(json.dumps(data)).width == 64
    for text in (json.dumps(data | changes), "[" * 100_000):
        with pytest.raises(Exception, match="cannot be read") as caught:
            axes.view_from_json(text)
        assert caught.value.code == "bad_view"
