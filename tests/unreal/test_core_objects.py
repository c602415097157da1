"""Prompts bound to actors: the panel's lines, and the pictures that go by them."""

import json

import pytest

from .test_core_studio import (  # noqa: F401 - fixtures
    connected,
    core,
    daemon,
    editor,
    home,
    studio,
)


@pytest.fixture
def objects(connected):  # noqa: F811
    connected.choices.choose("objects")
    connected.choices.set_value("steps", 1)
    return connected


def panel_of(core, studio):  # noqa: F811
    return core("core.panel").StudioPanel(studio)


def section(panel):
    (found,) = [item for item in panel.items() if getattr(item, "name", "") == "fold:objects"]
    return found.items


def test_names_of_the_level_can_be_chosen(core, objects):  # noqa: F811
    panel = panel_of(core, objects)
    entry, names, button = section(panel)
    assert entry.is_multiline
    offered = [value for value, _ in names.choices]
    assert offered == ["", "arch", "Ball", '"Box: old"', "collection/Props", "material/Steel"]
    assert button.action == "add_selected"


def test_a_chosen_name_becomes_a_line_with_the_prompt_of_now(core, objects):  # noqa: F811
    panel = panel_of(core, objects)
    objects.choices.set_value("prompt", "lava")
    panel.set("name:", '"Box: old"')
    panel.set("name:", "collection/Props")
    text = objects.choices.value(objects.choices.preset, "objects")
    assert text == '"Box: old": lava\ncollection/Props: lava'
    found = core("_bridge.protocol").read_bindings(text)
    assert [(each.kind, each.name) for each in found] == [("object", '"Box: old"'), ("collection", "Props")]


def test_selected_actors_become_lines(core, objects):  # noqa: F811
    panel = panel_of(core, objects)
    panel.do("add_selected")
    assert objects.problem.code == "no_selection"
    objects.editor.eye.chosen = ["Ball"]
    panel.do("add_selected")
    assert objects.choices.value(objects.choices.preset, "objects").startswith("Ball: ")


def test_a_picture_captures_what_its_lines_are_about(objects):
    objects.choices.set_value("objects", "Ball: lava")
    objects.generate()
    assert [each.name for each in objects.editor.eye.bound] == ["Ball"]
    objects.cancel()


def test_lines_that_say_nothing_are_told(core, objects):  # noqa: F811
    objects.choices.set_value("objects", "Ball")
    panel_of(core, objects).do("generate")
    assert objects.problem.code == "bad_objects"


def test_what_is_selected_is_repainted_and_nothing_selected_is_told(core, objects):  # noqa: F811
    objects.choices.choose("inpaint")
    panel_of(core, objects).do("generate")
    assert objects.problem.code == "no_selection"
    objects.editor.eye.chosen = ["Ball"]
    objects.generate()
    assert [(each.name, each.paint) for each in objects.editor.eye.bound] == [("Ball", "only")]
    assert json.loads(objects.picture._recipe.values["selection"])
    objects.cancel()
