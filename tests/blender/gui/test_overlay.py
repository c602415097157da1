"""The overlay in a real viewport, compared with screenshots pixel by pixel."""

import base64

import numpy as np
import pytest

from .window import Window

EXACT = 2
"""Of 255: rounding, and Blender's dithering."""

DARKEST = 6
"""Values below it have no place in a viewport's framebuffer."""

SETUP = """
import base64
import numpy as np
from framebridge.overlay import Overlay
from framebridge.viewport import camera_view, find_viewport, natural_size, picture_rectangle, region_view
from mathutils import Quaternion

bpy.context.scene.render.dither_intensity = 0.0
bpy.context.preferences.system.viewport_aa = "OFF"
viewport, region_3d = find_viewport(), bpy.context.space_data.region_3d
region, mixing = viewport.region, [1.0, 0.0]
overlay = Overlay(lambda scene: mixing)

def mix(opacity, split):
    mixing[:] = opacity, split
    region.tag_redraw()

def natural_view():
    return region_view(viewport, region.width, region.height)

def reset():
    region_3d.view_perspective = "PERSP"
    bpy.context.space_data.overlay.show_overlays = True
    overlay.clear()
    mix(1.0, 0.0)
"""

MIDDLE = np.s_[180:480, 330:500]
"""Of the region: no gizmo, no text, no cursor, left of the middle."""

RIGHT = np.s_[180:480, 560:900]
"""The same, right of the middle."""


@pytest.fixture(scope="module")
def window(lone_window: Window) -> Window:
    lone_window.run(SETUP)
    lone_window.rest()
    return lone_window


@pytest.fixture(scope="module")
def scene(window: Window) -> np.ndarray:
    """What the region shows without any picture."""
    return seen(window, "overlay-none")


@pytest.fixture(scope="module")
def rows(window: Window, scene: np.ndarray) -> np.ndarray:
    """A picture of the region's size, each pixel of it of another colour."""
    height, width, _ = scene.shape
    rows = np.random.default_rng(0).integers(DARKEST, 256, (height, width, 3), np.uint8)
    data = base64.b64encode(rows.tobytes()).decode()
    window.run(
        "rows = np.frombuffer(base64.b64decode(data), np.uint8).reshape(size)", data=data, size=rows.shape
    )
    return rows.astype(float)


@pytest.fixture(autouse=True)
def clean(window: Window) -> None:
    window.run("reset()")
    window.wait_drawn()


@pytest.fixture
def picture(window: Window, rows: np.ndarray, clean: None) -> np.ndarray:
    """The same, shown as a picture of what the region looks at."""
    window.run("overlay.show(rows, natural_view())")
    return rows


def seen(window: Window, name: str) -> np.ndarray:
    return window.photograph(name, "WINDOW").astype(float)


def furthest(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max())


@pytest.mark.parametrize("transform", ["Standard", "Filmic", "Raw"])
def test_screen_shows_the_pictures_own_values(window, picture, transform):
    window.run("bpy.context.scene.view_settings.view_transform = transform", transform=transform)
    found = seen(window, f"overlay-{transform.lower()}")
    window.run("bpy.context.scene.view_settings.view_transform = 'Filmic'")
    assert furthest(found[MIDDLE], picture[MIDDLE]) <= EXACT
    assert furthest(found[RIGHT], picture[RIGHT]) <= EXACT


def test_half_opaque_picture_mixes_the_light(window, scene, picture):
    window.run("mix(0.5, 0.0)")
    found = seen(window, "overlay-half")
    light = ((picture[MIDDLE] / 255) ** 2.2 + (scene[MIDDLE] / 255) ** 2.2) / 2
    assert furthest(found[MIDDLE], 255 * light ** (1 / 2.2)) <= EXACT + 1  # stored twice


def test_split_shows_the_scene_and_the_picture(window, scene, picture):
    window.run("mix(1.0, 0.5)")
    found = seen(window, "overlay-split")
    assert furthest(found[MIDDLE], scene[MIDDLE]) == 0
    assert furthest(found[RIGHT], picture[RIGHT]) <= EXACT
    middle = scene.shape[1] // 2
    assert found[300, middle - 1 : middle + 2].min(axis=1).max() > 200  # the line


def test_stale_picture_is_dimmed_and_says_why(window, picture):
    window.run("overlay.mark_stale()")
    found = seen(window, "overlay-stale")
    assert is_dimmed(found, picture)
    label = found[-60:, 400:660]
    assert label.max() > 200
    window.run("overlay.mark_current()")
    assert furthest(seen(window, "overlay-current")[MIDDLE], picture[MIDDLE]) <= EXACT


def test_picture_goes_when_it_is_cleared(window, scene, picture):
    window.run("overlay.clear()")
    assert furthest(seen(window, "overlay-cleared")[MIDDLE], scene[MIDDLE]) == 0


def test_picture_goes_with_the_viewports_overlays(window, picture):
    window.run("bpy.context.space_data.overlay.show_overlays = False")
    found = seen(window, "overlay-off")
    assert furthest(found[MIDDLE], picture[MIDDLE]) > 100
    assert not window.run("overlay.is_unseen(0.5)")


def test_gizmos_stay_above_the_picture(window, picture):
    gizmo = np.s_[40:110, 965:1045]
    found = np.abs(seen(window, "overlay-gizmos")[gizmo] - picture[gizmo]).max(axis=2)
    assert 0.1 < (found > EXACT).mean() < 0.5


def test_camera_picture_covers_exactly_the_cameras_frame(window):
    window.run("region_3d.view_perspective = 'CAMERA'")
    window.run("region_3d.view_camera_zoom, region_3d.view_camera_offset = 12.0, (0.05, -0.03)")
    frame = seen(window, "overlay-camera-none")
    window.run("width, height = natural_size(viewport, 'CAMERA', 512)")
    window.run("magenta = np.tile(np.array((255, 0, 255), np.uint8), (height, width, 1))")
    window.run("overlay.show(magenta, camera_view(viewport, width, height))")
    found = seen(window, "overlay-camera")
    covered = np.abs(found - (255, 0, 255)).max(axis=2) <= EXACT
    lines, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    edges = [lines[0], lines[-1], columns[0], columns[-1]]
    assert covered[edges[0] : edges[1] + 1, edges[2] : edges[3] + 1].mean() > 0.98  # the cursor lies above
    assert edges == pytest.approx(dashed_frame(frame), abs=2.5)  # Blender's dashes run around it


def test_live_picture_stays_dimmed_while_the_view_turns(window, rows):
    window.run(
        "kept, turned = region_3d.view_rotation.copy(), region_3d.view_rotation @ Quaternion((0, 0, 1), 0.2)"
    )
    window.run("overlay.show(rows, natural_view(), viewport)")
    assert furthest(seen(window, "overlay-live")[MIDDLE], rows[MIDDLE]) <= EXACT
    window.run("region_3d.view_rotation = turned")
    assert is_dimmed(seen(window, "overlay-live-turned"), rows)
    window.run("overlay.mark_current()")
    assert not is_dimmed(seen(window, "overlay-live-ended"), rows)
    window.run("region_3d.view_rotation = kept")
    assert furthest(seen(window, "overlay-live-back")[MIDDLE], rows[MIDDLE]) <= EXACT


def test_live_picture_that_comes_late_is_dimmed_where_the_last_one_was(window, rows):
    window.run(
        "kept, turned = region_3d.view_rotation.copy(), region_3d.view_rotation @ Quaternion((0, 0, 1), 0.2)"
    )
    window.run("captured = natural_view(); overlay.show(rows, captured, viewport)")
    window.wait_drawn()
    window.run("region_3d.view_rotation = turned; overlay.show(rows[::-1].copy(), captured, viewport)")
    assert is_dimmed(seen(window, "overlay-late"), rows[::-1])
    window.run("region_3d.view_perspective = 'CAMERA'")
    assert not is_dimmed(seen(window, "overlay-late-camera"), rows[::-1])
    window.run("overlay.mark_current(); region_3d.view_rotation = kept")


def test_views_that_look_elsewhere_show_nothing(window, picture):
    window.run("bpy.ops.screen.region_quadview()")
    window.wait_drawn()
    window.run("quarters = [part for part in bpy.context.area.regions if part.type == 'WINDOW']")
    match = window.run(
        "[bool(picture_rectangle(part, part.data, overlay._picture.view)) for part in quarters]"
    )
    places = window.run("[[part.x, part.y, part.width, part.height] for part in quarters]")
    found = window.photograph("overlay-quad").astype(float)
    window.run("bpy.ops.screen.region_quadview(); del quarters")
    assert sorted(match) == [False, False, False, True]
    for is_matching, (x, y, width, height) in zip(match, places, strict=True):
        part = found[found.shape[0] - y - height : found.shape[0] - y, x : x + width]
        assert (np.abs(np.diff(part, axis=1)).mean() > 20) == is_matching


def test_window_is_unseen_while_it_is_not_drawn(window, rows):
    window.run("import time")
    asked = "overlay.show(rows, natural_view()); time.sleep(0.2)"  # Blender draws only after that
    assert window.run(f"{asked}\n[overlay.is_unseen(0.1), overlay.is_unseen(0.5)]") == [True, False]
    window.wait("not overlay.is_unseen(0.0)")


def test_fault_is_kept_and_not_printed(window, picture):
    window.run("kept_mixing = overlay._mixing\noverlay._mixing = lambda scene: 1 / 0\nregion.tag_redraw()")
    message = window.wait("overlay.problem and overlay.problem.message")
    assert "ZeroDivisionError" in message
    window.run("overlay._mixing = kept_mixing")
    assert window.run("overlay.is_shown")


def test_blender_quits_cleanly_with_a_picture_freed(window, picture):
    window.run("overlay.free()")
    window.quit()
    assert window.faults() == []


def is_dimmed(found: np.ndarray, picture: np.ndarray) -> bool:
    bright = picture[MIDDLE] * 0.6 > DARKEST
    return furthest(found[MIDDLE][bright], 0.6 * picture[MIDDLE][bright]) <= EXACT


def dashed_frame(region: np.ndarray) -> list[int]:
    """Return top, bottom, left and right of Blender's own dashed frame, from its black pixels."""
    black = region.max(axis=2) < 12
    lines = np.flatnonzero(black.sum(axis=1) > 0.2 * black.shape[1])
    columns = np.flatnonzero(black.sum(axis=0) > 0.2 * black.shape[0])
    return [lines[0], lines[-1], columns[0], columns[-1]]
