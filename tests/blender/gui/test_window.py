"""The window that other tests look at and click into: what it finds, it finds to the pixel."""

import pytest

from .window import SCREENSHOTS, faults_in


@pytest.fixture(scope="module")
def window(lone_window):
    lone_window.run("bpy.context.space_data.show_region_ui = True")
    lone_window.open_tab("Item")
    return lone_window


def test_names_last_from_one_call_to_the_next(window):
    window.run("import math\ndouble = lambda value: 2 * value")
    assert window.run("double(number) + math.floor(0.5)", number=21) == 42


def test_fault_in_blender_fails_the_test(window):
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        window.run("1 / 0")


def test_text_is_found_where_blender_draws_it(window):
    found, sidebar = window.find("XYZ Euler"), window.region("UI")
    assert sidebar.x <= found.x < sidebar.x + sidebar.width
    assert window.button_at(*found.middle) == 'bpy.data.objects["Cube"].rotation_mode'


def test_text_that_is_not_there_is_not_found(window):
    assert not window.shows("Framebridge is not here")
    assert not window.shows("XYZ Euler", "HEADER")


def test_ambiguous_text_has_to_be_counted(window):
    with pytest.raises(AssertionError, match="3 times"):
        window.find("0 m")
    assert window.find("0 m", nth=0).y < window.find("0 m", nth=2).y


def test_menus_open_and_close(window):
    window.click("XYZ Euler")
    window.click("Quaternion (WXYZ)", "")
    window.wait("bpy.context.object.rotation_mode == 'QUATERNION'")
    window.run("bpy.context.object.rotation_mode = 'XYZ'")


def test_field_beside_its_label_is_typed_into(window):
    window.rest()
    window.click_row("X", 0.4, nth=0, times=2)
    window.enter("1.25")
    window.wait("abs(bpy.context.object.location.x - 1.25) < 1e-6")


def test_field_is_dragged(window):
    before = window.run("bpy.context.object.location.y")
    x, y = window.find("Y", nth=0).middle
    window.drag((x + 30, y), (x + 90, y))
    window.wait("bpy.context.object.location.y > before + 0.1", before=before)


def test_tabs_are_opened(window):
    window.open_tab("View")
    assert window.shows("Clip Start")


def test_screenshots_are_kept(window):
    kept = window.photograph("window", "UI")
    assert kept.shape[1] == window.region("UI").width
    assert (SCREENSHOTS / "window.png").stat().st_size > 1000


def test_blender_quits_without_complaint(window):
    window.quit()
    assert window.faults() == []


def test_complaints_are_seen(tmp_path):
    log = tmp_path / "blender.log"
    log.write_text(
        "Saved session recovery\nTraceback (most recent call last):\nTypeError: of ours\nEGL Error\n"
    )
    assert faults_in(log) == ["Traceback (most recent call last):", "TypeError: of ours"]
