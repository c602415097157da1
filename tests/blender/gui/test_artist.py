"""An artist's first hour: the panel driven by clicks and keys, and what is then on the screen."""

import numpy as np
import pytest

from .window import Window

SET_UP = """
from framebridge import changes, display
from framebridge.studio import studio
bpy.ops.mesh.primitive_monkey_add(size=3, location=(0, -2, 1.5), rotation=(0, 0, 0.5))
bpy.ops.object.shade_smooth()
bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.ops.object.select_all(action="DESELECT")
region_3d = bpy.context.space_data.region_3d
region_3d.view_distance = 13
settings = lambda: bpy.context.scene.framebridge  # looked up each time: undo replaces it
values = lambda: settings().p_stylize
settings().longest_side = 256
"""
CLOSED = ("Controls", "Control Units", "Capture", "Results")


@pytest.fixture(scope="module")
def window(connected_window: Window) -> Window:
    connected_window.run(SET_UP)
    connected_window.open_tab("Framebridge")
    connected_window.wait("studio().link.is_ready and studio().link.words.startswith('Ready')", 60)
    connected_window.wait_drawn()
    return connected_window


def fold(window: Window, *titles: str) -> None:
    """Open or close panels by their headers; each has room then."""
    for title in titles:
        window.click(title, nth=0)
        window.wait_drawn()


def scroll_to(window: Window, text: str) -> None:
    """Turn the wheel over the sidebar until a text can be read."""
    window.point(*window.region("UI").middle)
    for _ in range(12):
        if window.shows(text):
            return
        window.screen.click(5)
        window.wait_drawn()
    window.find(text)


def scroll_back(window: Window) -> None:
    window.point(*window.region("UI").middle)
    for _ in range(12):
        window.screen.click(4)
    window.wait_drawn()


def generate(window: Window) -> None:
    """Click Generate and wait for the result."""
    before = window.run("len(display.results())")
    window.rest()
    window.click("Generate")
    window.wait("len(display.results()) == before + 1", 120, before=before)
    window.wait_drawn()


def test_idle_panel_shows_all_that_a_first_picture_needs(window):
    window.rest()
    for text in ("Ready on cpu", "Stylize", "neon", "Generate", "Live", "Controls", "Depth", "Lines"):
        window.find(text, nth=0)
    window.photograph("blender-panel", "UI")
    fold(window, *CLOSED)


def test_prompt_is_typed_and_a_word_is_picked(window):
    field = window.find("neon", nth=1)
    window.click_at(*field.middle, times=2)
    window.enter("ink sketch")
    window.wait("values().p_prompt == 'ink sketch'")
    ui = window.region("UI")
    window.click_at(ui.x + ui.width - 57, field.middle[1])  # the arrow at the end of the field
    window.click("sunset", "")
    window.wait("values().p_prompt == 'ink sketch sunset'")
    window.click_at(*field.middle, times=2)
    window.paste("Straße über Köln, 水彩 🎨")
    window.wait("values().p_prompt == 'Straße über Köln, 水彩 🎨'")
    window.run("values().p_prompt = 'watercolor'")


def test_progress_is_shown_in_words_and_cancel_leaves_nothing(window):
    fold(window, "Controls")
    window.click_row("Steps", 0.55, times=2)
    window.enter("60")
    window.wait("values().p_steps == 60")
    window.click("Generate")
    window.find("Sampler")
    window.photograph("blender-generating", is_still=False)
    found = window.find("Sampler")
    ui = window.region("UI")
    window.click_at(ui.x + ui.width - 57, found.middle[1] + 8)
    window.wait("not studio().is_generating", 60)
    assert window.run("len(display.results())") == 0
    assert not window.run("studio().overlay.is_shown")
    window.find("Cancelled")
    window.run("values().p_steps = 2")
    fold(window, "Controls")


def test_result_lies_over_the_view_and_in_the_history(window):
    scene = window.photograph("scene", "WINDOW")
    generate(window)
    result = window.photograph("blender-result", "WINDOW")
    assert np.abs(result.astype(int) - scene).mean() > 20
    fold(window, "Results")
    window.find("001  watercolor", nth=0)
    scroll_to(window, "Use These Settings Again")
    window.rest()
    window.photograph("blender-history", "UI")
    scroll_back(window)


def test_split_shows_the_scene_beside_the_picture(window):
    whole = window.photograph("whole", "WINDOW")
    slider = window.find("Before / After").middle
    ui = window.region("UI")
    window.drag((ui.x + 30, slider[1]), (ui.x + 30 + 78, slider[1]))
    assert 0.3 < window.run("settings().overlay_split") < 0.7
    window.rest()
    split = window.photograph("blender-split", "WINDOW")
    changed = np.abs(split.astype(int) - whole).max(axis=2) > 12
    width = changed.shape[1]
    assert changed[200:, 80 : width // 4].mean() > 0.3
    assert changed[200:, int(width * 0.70) : int(width * 0.75)].mean() < 0.05
    window.run("settings().overlay_split = 0.0")
    fold(window, "Results")


def test_undo_takes_a_result_away_and_redo_brings_it_back(window):
    """With its picture over the viewport: what is seen is the state that the file is in."""
    view = window.region("WINDOW").middle
    first = window.photograph("first result", "WINDOW").astype(int)
    window.run("bpy.ops.ed.undo_push(message='As it is now')")
    window.run("values().p_prompt = 'lava'")
    generate(window)
    second = window.photograph("second result", "WINDOW").astype(int)
    assert np.abs(second - first).mean() > 10
    for keys, count, expected in (
        ("ctrl+z", 1, first),
        ("ctrl+shift+z", 2, second),
        ("ctrl+z", 1, first),
    ):
        window.point(*view)
        window.screen.press(keys)
        window.wait(
            "len(display.results()) == count and not studio().shown_result._has_to_follow", count=count
        )
        window.rest()
        assert np.abs(window.photograph(f"after {keys}", "WINDOW").astype(int) - expected).mean() < 1
    assert window.run("str(studio().trouble)") == "None"


def test_settings_are_used_again(window):
    window.run("values().p_prompt = 'lava'")
    fold(window, "Results")
    scroll_to(window, "Use These Settings Again")
    window.click("Use These Settings Again")
    window.wait("values().p_prompt == 'watercolor'")
    scroll_back(window)
    fold(window, "Results")


def test_live_follows_the_view_and_the_scene(window):
    window.run("values().p_steps = 1; values().p_prompt = 'neon'; settings().longest_side = 512")
    window.click("Live", nth=0)
    window.wait("studio().live is not None and studio().live.picture is not None", 60)
    window.wait_drawn()
    before = window.photograph("live before", "WINDOW", is_still=False)
    last = window.run("id(studio().live.picture)")
    window.point(*window.region("WINDOW").middle)
    window.screen.press("KP_4")
    window.screen.press("KP_4")
    window.wait("id(studio().live.picture) != last", 60, last=last)
    window.wait("studio().live._stream.is_current and not studio().live._stream._pace.is_waiting", 60)
    window.wait_drawn()
    window.rest()
    after = window.photograph("blender-live", is_still=False)
    view = window.region("WINDOW").of(after)
    assert np.abs(view.astype(int) - before).mean() > 5
    last = window.run("id(studio().live.picture)")
    window.run("bpy.data.objects['Suzanne'].location.z += 1.0")
    window.wait("id(studio().live.picture) != last", 60, last=last)


def test_live_rests_when_nothing_changes_and_stops_when_told(window):
    window.wait("studio().live._stream.is_current and not studio().live._stream._pace.is_waiting", 60)
    window.run("pushed = []; push = studio().link.session.push_live")
    window.run("studio().link.session.push_live = lambda capture: (pushed.append(1), push(capture))[1]")
    window.rest()
    window.screen.still()
    assert window.run("len(pushed)") == 0
    window.click("Live", nth=0)
    window.wait("studio().live is None")
    window.run("bpy.data.objects['Suzanne'].location.z -= 1.0")
    window.screen.still()
    assert window.run("len(pushed)") == 0


def test_fault_is_told_with_what_to_do(window):
    window.run("settings().source = 'CAMERA'; camera = bpy.context.scene.camera.name")
    window.run("bpy.context.scene.camera = None")
    window.rest()
    window.click("Generate")
    window.wait("studio().problem is not None")
    window.point(*window.region("WINDOW").middle)  # Blender's own message goes with the pointer
    window.rest()
    window.screen.still()
    window.photograph("blender-error", "UI")
    window.find("Add a camera", nth=0)
    assert window.run("studio().problem.code") == "no_camera"
    window.run("bpy.ops.framebridge.dismiss()")
    window.wait("studio().trouble is None")
    window.run("bpy.context.scene.camera = bpy.data.objects[camera]; settings().source = 'VIEWPORT'")


def test_diagnose_ticks_every_link(window):
    fold(window, "Advanced")
    window.click("Diagnose")
    window.wait("studio().diagnosis is not None and studio().diagnosis.is_over", 60)
    scroll_to(window, "Write Back:")
    window.rest()
    window.photograph("blender-diagnose", "UI")
    for text in ("Daemon: answers", "Token: is accepted", "Models:", "Capture:", "Picture:"):
        window.find(text, nth=0)
    assert window.run("[step.state for step in studio().diagnosis.steps]") == ["good"] * 6
    scroll_back(window)
    fold(window, "Advanced")


def test_maps_are_seen_in_their_units(window):
    fold(window, "Control Units")
    window.click("Preview Maps")
    window.wait("not studio().is_mapping and studio().thumbnails.icon('depth') > 0", 60)
    window.rest()
    window.screen.still()
    window.photograph("blender-units", "UI")
    fold(window, "Control Units")


def test_image_editor_has_the_same_panel_and_shows_results(window):
    window.run("known = set(bpy.context.screen.areas)")
    window.run("bpy.ops.screen.area_split(direction='VERTICAL', factor=0.5)")
    window.run("next(area for area in bpy.context.screen.areas if area not in known).type = 'IMAGE_EDITOR'")
    window.wait_drawn()
    window.open_tab("Framebridge", "IMAGE_EDITOR")
    window.find("Stylize", area="IMAGE_EDITOR")
    generate(window)
    newest = window.run("display.results()[0].name")
    window.wait("_area('IMAGE_EDITOR').spaces.active.image.name == name", name=newest)


def test_final_render_is_made_beside_the_window(window):
    """The render is Blender's own job: the add-on ticks on meanwhile, and the window answers."""
    window.run("settings().source = 'RENDER'; settings().longest_side = 256")
    window.run("bpy.context.scene.render.engine = 'BLENDER_WORKBENCH'")
    window.run("bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 400, 300")
    scenes = window.run("len(bpy.data.scenes)")
    before = window.run("len(display.results())")
    window.run("bpy.ops.framebridge.generate()")
    window.wait("len(display.results()) == before + 1", 120, before=before)
    assert window.run("list(display.results()[0].size)") == [256, 192]
    assert window.run("len(bpy.data.scenes)") == scenes
    assert window.run("len(bpy.context.window_manager.windows)") == 1
    window.run("settings().source = 'VIEWPORT'")


def test_final_render_lets_the_window_live_and_ends_with_escape(window):
    window.run("settings().source = 'RENDER'; bpy.context.scene.render.engine = 'CYCLES'")
    window.run("bpy.context.scene.cycles.use_denoising, bpy.context.scene.cycles.samples = False, 100_000")
    window.run("ticks = []; tick = studio().tick; studio().tick = lambda: (ticks.append(1), tick())")
    scenes, results = window.run("[len(bpy.data.scenes), len(display.results())]")
    window.rest()
    window.click("Generate", nth=0)
    window.wait("bpy.app.is_job_running('RENDER')")
    window.rest()  # the pointer would lie on the words
    window.find("Rendering the frame", nth=0)
    ticks = window.run("len(ticks)")
    window.wait("len(ticks) > before + 5", before=ticks)
    window.screen.press("Escape")
    window.wait("not studio().is_generating and not bpy.app.is_job_running('RENDER')", 20)
    window.find("Cancelled", nth=0)
    assert window.run("[len(bpy.data.scenes), len(display.results())]") == [scenes, results]
    window.run("del studio().tick; settings().source = 'VIEWPORT'")
    window.run("bpy.context.scene.render.engine = 'BLENDER_WORKBENCH'")


def test_animation_runs_and_stops_from_the_panel(window, tmp_path):
    window.run("settings().frames_folder = folder", folder=str(tmp_path))
    window.run("bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, 3")
    fold(window, "Animation")
    window.click("Render Animation")
    window.wait("studio().animation is None and not studio().is_waiting", 120)
    assert sorted(file.name for file in tmp_path.glob("*.png")) == [f"frame_000{n}.png" for n in (1, 2, 3)]
    assert window.run("bpy.context.scene.frame_current") == 1
    window.run("bpy.context.scene.frame_end = 40; values().p_steps = 8")
    window.run("settings().frames_folder = folder", folder=str(tmp_path / "long"))
    scroll_to(window, "Render Animation")  # the panel above it tells of the last picture now
    window.click("Render Animation")
    window.wait("studio().animation is not None and studio().animation.done > 0", 60)
    window.rest()
    window.photograph("blender-animation", "UI", is_still=False)
    window.click("Stop")
    window.wait("studio().animation is None", 60)
    assert 0 < len(list((tmp_path / "long").glob("*.png"))) < 40
    scroll_back(window)
    fold(window, "Animation")


def test_nothing_of_it_is_in_the_console_and_it_quits(window):
    window.run("bpy.ops.framebridge.live()")
    window.wait("studio().live.picture is not None", 60)
    assert window.run("studio().overlay.problem") is None
    window.quit()
    told = [line for line in window.faults() if "no active camera" not in line]
    assert told == []
