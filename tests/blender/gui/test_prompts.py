"""Prompts by clicks and keys: words offered while typing, the last ones, negative presets, many at once."""

import numpy as np
import pytest

from .window import Window

SET_UP = """
from framebridge import display, prompts
from framebridge.studio import studio
bpy.ops.mesh.primitive_monkey_add(size=3, location=(0, -2, 1.5), rotation=(0, 0, 0.5))
bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.ops.object.select_all(action="DESELECT")
bpy.context.space_data.region_3d.view_distance = 13
settings = lambda: bpy.context.scene.framebridge  # looked up each time: undo replaces it
values = lambda: settings().p_stylize
settings().longest_side = 256
prompts.book.forget_prompts()
"""
HISTORY, LAST = 77, 57
"""How far buttons at the end of a row are from the sidebar's right edge, pixels."""


@pytest.fixture(scope="module")
def window(connected_window: Window) -> Window:
    connected_window.run(SET_UP)
    connected_window.open_tab("Framebridge")
    connected_window.wait("studio().link.is_ready and studio().link.words.startswith('Ready')", 60)
    for title in ("Controls", "Control Units", "Capture", "Results"):
        connected_window.click(title, nth=0)
        connected_window.wait_drawn()
    return connected_window


def generate(window: Window, button: str = "Generate", count: int = 1) -> None:
    before = window.run("len(display.results())")
    window.rest()
    window.wait_drawn()
    window.screen.still()  # what was drawn below the prompt may have gone
    window.click(button, nth=0)
    window.wait(
        "len(display.results()) == before + count and not studio().is_generating",
        120,
        before=before,
        count=count,
    )
    window.wait_drawn()


def test_words_of_the_model_are_offered_while_typing(window):
    field = window.find("neon", nth=1)
    window.click_at(*field.middle, times=2)
    window.screen.press("ctrl+a")
    window.screen.type("clay, su")
    offered = window.find("clay, sunset", "")
    window.photograph("blender-words")
    window.click_at(*offered.middle)
    window.wait("values().p_prompt == 'clay, sunset'")
    window.wait_drawn()
    window.click_at(*field.middle, times=2)
    window.enter("clay, of my own")
    window.wait("values().p_prompt == 'clay, of my own'")


def test_dynamic_prompt_shows_what_was_drawn(window):
    window.run("values().p_prompt = '{watercolor|watercolor} sunset'")
    generate(window)
    window.find("Drawn: watercolor")
    window.rest()
    window.photograph("blender-dynamic", "UI")
    assert window.run("display.prompt_of(display.results()[0])") == "watercolor sunset"


def test_last_prompts_are_put_back(window):
    window.run("values().p_prompt = 'snow'")
    generate(window)
    field = window.find("snow", nth=0)
    ui = window.region("UI")
    window.click_at(ui.x + ui.width - HISTORY, field.middle[1])
    window.find("Clear", "")
    window.photograph("blender-prompt-history")
    window.click("{watercolor|watercolor} sunset", "", nth=0)
    window.wait("values().p_prompt.startswith('{watercolor')")


def test_negative_preset_is_chosen_and_one_is_saved(window):
    prompt = window.find("{water", nth=0)
    ui = window.region("UI")
    row = prompt.middle[1] + 20, ui.x + ui.width - LAST
    window.click_at(row[1], row[0])
    window.find("Stable Diffusion 1.x", "", nth=0)
    window.photograph("blender-negatives")
    window.click("Architecture", "")
    window.wait("'crooked lines' in values().p_negative_prompt")
    window.wait_drawn()
    window.click_at(row[1], row[0])
    window.click("Save as Preset", "")
    label = window.find("Name", "", nth=0)
    window.click_at(label.middle[0] + 120, label.middle[1], times=2)
    window.photograph("blender-save-negative")
    window.enter("Mine")
    window.click("OK", "")
    window.wait("'Mine' in prompts.book.negatives")
    window.run("prompts.book.drop_negative('Mine')")


def test_one_picture_for_each_line_of_a_text(window):
    window.run("values().p_prompt = 'snow'")
    window.run("bpy.data.texts.new('My prompts').write('neon\\ntoon\\nclay\\n')")
    window.run("settings().batch_text = bpy.data.texts['My prompts']")
    window.click("Prompts", nth=0)
    window.wait_drawn()
    window.find("My prompts")
    window.rest()
    window.photograph("blender-prompts", "UI")
    generate(window, "Generate All", 3)
    window.find("3 pictures made")
    made = window.run("[display.prompt_of(image) for image in display.results()[:3]]")
    assert made == ["clay", "toon", "neon"]
    picture = window.photograph("blender-batch", "WINDOW")
    assert np.ptp(picture) > 50


def test_fault_of_one_line_is_told_in_the_panel(window):
    window.run("bpy.data.texts['My prompts'].from_string('neon\\n__nothing__\\n')")
    generate(window, "Generate All", 1)
    window.find("1 of 2 prompts")
    window.rest()
    window.photograph("blender-batch-fault", "UI")
    window.run("studio().dismiss()")
    window.wait_gone("1 of 2 prompts")


def test_grid_is_chosen_from_menus_and_shown_as_one_image(window):
    window.run("values().p_prompt = 'neon'")
    window.click("Grid", nth=0)
    window.click("Across: nothing")
    window.click("Prompt", "", nth=-1)
    window.wait("settings().grid_x_values == 'neon, photo, watercolor'")
    window.rest()  # the pointer would lie on the words
    window.click("Down: nothing")
    window.click("Steps", "", nth=-1)
    window.wait("settings().grid_y == 'steps'")
    window.run("settings().grid_y_values = '1, 3'")
    window.rest()
    window.find("3 × 2: 6 pictures")
    window.run("known = set(bpy.context.screen.areas)")
    window.run("bpy.ops.screen.area_split(direction='VERTICAL', factor=0.5)")
    window.run("next(area for area in bpy.context.screen.areas if area not in known).type = 'IMAGE_EDITOR'")
    generate(window, "Make Grid")
    window.find("6 pictures made")
    assert window.run("display.results()[0].name").endswith("Grid Prompt × Steps")
    window.wait("_area('IMAGE_EDITOR').spaces.active.image == display.results()[0]")
    window.point(*window.region("WINDOW", "IMAGE_EDITOR").middle)
    window.screen.press("Home")
    window.rest()
    window.photograph("blender-grid")
    window.point(*window.region("WINDOW").middle)
    before = window.run("len(display.results())")
    window.screen.press("ctrl+z")
    window.wait("len(display.results()) == before - 1", before=before)
