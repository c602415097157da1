"""Prompts of single objects: the list that an artist fills, and what it covers."""

import pytest

from .window import Window

SET_UP = """
from framebridge import display
from framebridge.objects import bindings_in
from framebridge.studio import studio
bpy.ops.mesh.primitive_monkey_add(size=3, location=(-2, -2, 1.0), rotation=(0, 0, 0.5))
bpy.context.object.name = "Head"
bpy.ops.object.shade_smooth()
bpy.ops.mesh.primitive_torus_add(location=(2.6, -1.0, 0.6), rotation=(1.2, 0.2, 0.3), major_radius=1.4)
bpy.context.object.name = "Ring"
bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.context.object.name = "Floor"
bpy.ops.object.select_all(action="DESELECT")
bpy.data.objects["Head"].select_set(True)
bpy.data.objects["Ring"].select_set(True)
bpy.context.space_data.region_3d.view_distance = 13
settings = lambda: bpy.context.scene.framebridge
settings().longest_side = 256
"""
CLOSED = ("Controls", "Control Units", "Capture", "Results")


@pytest.fixture(scope="module")
def window(connected_window: Window) -> Window:
    connected_window.run(SET_UP)
    connected_window.open_tab("Framebridge")
    connected_window.wait("studio().link.is_ready and studio().link.words.startswith('Ready')", 60)
    connected_window.run("bpy.ops.framebridge.choose_preset(preset='objects')")
    connected_window.wait_drawn()
    for title in CLOSED:
        connected_window.click(title, nth=0)
        connected_window.wait_drawn()
    return connected_window


def test_selected_objects_become_lines(window):
    window.find("Select objects and", nth=0)
    window.run("bpy.ops.framebridge.add_object()")
    window.run("settings().objects[0].prompt, settings().objects[1].prompt = 'clay', 'neon'")
    window.wait_drawn()
    for text in ("Head", "Ring", "clay", "Only This", "Keep", "Preview Masks"):
        window.find(text, nth=0)


def test_a_line_follows_its_object_to_a_new_name(window):
    window.run("setattr(bpy.data.objects['Head'], 'name', 'Kopf')")
    window.wait_drawn()
    window.find("Kopf", nth=0)
    assert window.run("[each.name for each in bindings_in(bpy.context.scene)]") == ["Kopf", "Ring"]


def test_the_preview_shows_which_pixels_a_line_is_about(window):
    before = window.region("WINDOW").of(window.screen.still())
    window.click("Preview Masks")
    window.wait("studio().overlay.is_shown")
    window.wait_drawn()
    after = window.region("WINDOW").of(window.screen.still())
    assert (before != after).any(axis=-1).mean() > 0.02
    window.photograph("blender-objects-masks")


def test_a_picture_is_made_with_the_prompts_of_the_list(window):
    window.run("settings().p_objects.p_prompt = 'watercolor'")
    window.run("settings().longest_side = 768")
    window.rest()
    window.click("Generate", nth=0)
    window.wait("len(display.results()) == 1", 180)
    window.wait_drawn()
    window.photograph("blender-objects")


def test_a_deleted_object_is_red_and_stays_in_the_list(window):
    window.run("bpy.data.objects.remove(bpy.data.objects['Ring'])")
    window.run("setattr(settings(), 'objects_index', 1)")
    window.wait_drawn()
    window.find('"Ring" is not in', nth=0)
