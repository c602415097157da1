"""The panel as data: what is shown when, what buttons lead to, and that the wording is everybody's."""

from collections.abc import Iterator
from typing import Any

import pytest

from bridge.host import settings

from .test_core_studio import (  # noqa: F401 - fixtures
    connected,
    core,
    daemon,
    editor,
    generated,
    home,
    studio,
    wait,
)


@pytest.fixture
def opened() -> list[bool]:
    return []


@pytest.fixture
def panel(core: Any, studio: Any, opened: list[bool]) -> Any:  # noqa: F811
    return core("core.panel").StudioPanel(studio, lambda: opened.append(True))


def flat(items: Any) -> Iterator[Any]:
    for item in items:
        yield item
        yield from flat(getattr(item, "items", ()))


def kinds(panel: Any, kind: str) -> list[Any]:
    return [item for item in flat(panel.items()) if type(item).__name__ == kind]


def names(panel: Any) -> set[str]:
    return {item.name for item in flat(panel.items()) if hasattr(item, "name")}


def actions(panel: Any) -> dict[str, Any]:
    return {button.action: button for button in kinds(panel, "Button")}


def unfold(panel: Any) -> None:
    for section in kinds(panel, "Section"):
        panel.set(section.name, True)


def test_without_a_daemon_there_is_a_way_to_connect(panel, studio):  # noqa: F811
    assert kinds(panel, "Row")[0].items[1].action == "connect"
    assert studio.is_looked_at


def test_controls_come_from_the_preset(panel, connected):  # noqa: F811
    unfold(panel)
    found = names(panel)
    preset = connected.choices.preset
    shown = {f"control:{control.name}" for control in preset.controls}
    unit_parts = {f"control:{name}" for name in preset.unit_controls}
    hidden = {"control:width", "control:height", "control:depth_near", "control:depth_far"}
    assert shown - hidden - unit_parts <= found
    assert not hidden & found
    assert {f"unit:{unit.name}" for unit in preset.units} <= found


def test_every_value_item_can_be_set_to_what_it_shows(panel, connected):  # noqa: F811
    unfold(panel)
    for item in flat(panel.items()):
        if hasattr(item, "value"):
            panel.set(item.name, item.value)
            assert connected.problem is None, (item.name, connected.problem)


def test_every_button_has_an_action_and_every_text_a_help(panel, connected):  # noqa: F811
    generated(connected)
    unfold(panel)
    known = panel._actions
    for button in kinds(panel, "Button"):
        assert button.action in known
        assert button.help
    for kind in ("Entry", "Number", "Toggle", "Choice"):
        for item in kinds(panel, kind):
            assert item.help or item.name.startswith("setting:preset"), item.name
            assert item.label


def test_the_wording_is_that_of_every_host(panel, connected):  # noqa: F811
    generated(connected)
    unfold(panel)
    for button in kinds(panel, "Button"):
        label, about = settings.ACTIONS.get(button.action, (button.label, button.help))
        assert button.help == about
        assert button.label in (label, "Stop")
    labels = {
        item.name: item.label
        for item in flat(panel.items())
        if hasattr(item, "label") and hasattr(item, "name")
    }
    for name in ("longest_side", "seed_mode", "overlay_opacity", "freezes_depth"):
        assert labels[f"setting:{name}"] == settings.SETTINGS[name].label


def test_the_menu_offers_what_the_panel_knows(core, panel):  # noqa: F811
    for action in core("core.panel").ACTIONS:
        assert action.name in panel._actions
        assert action.label
        assert action.help


def test_generate_becomes_progress_and_cancel(panel, connected):  # noqa: F811
    connected.choices.set_value("steps", 20)
    panel.do("generate")
    assert "generate" not in actions(panel)
    assert kinds(panel, "Progress")
    panel.do("cancel")
    wait(connected, lambda: not connected.is_generating)
    assert actions(panel)["generate"].is_large


def test_what_cannot_be_done_is_told_with_the_remedy(panel, connected, core):  # noqa: F811
    error = core("_bridge.errors").BridgeError
    connected.editor.eye.fault = error("there is no level to look at", code="no_level", hint="Open a level.")
    panel.do("generate")
    assert [problem.code for problem in connected.editor.told] == ["no_level"]
    alert = next(item for item in kinds(panel, "Text") if item.tone == "alert")
    assert alert.text == "There is no level to look at. Open a level."
    panel.do("dismiss")
    assert not [item for item in kinds(panel, "Text") if item.tone == "alert"]


def test_a_value_that_makes_no_sense_is_told_and_kept_out(panel, connected):  # noqa: F811
    panel.set("setting:source", "Periscope")
    assert connected.problem.code == "bad_value"
    assert connected.choices["source"] == "Viewport"


def test_words_go_into_the_prompt_and_out_again(panel, connected):  # noqa: F811
    word = connected.choices.preset.find("prompt").choices[0]
    panel.set("control:prompt", "a house")
    panel.set("word", word)
    assert connected.choices.recipe.values["prompt"] == f"a house {word}"
    panel.set("word", word)
    assert connected.choices.recipe.values["prompt"] == "a house"


def test_last_prompts_and_negative_presets_are_put_in(panel, connected):  # noqa: F811
    connected.book.remember("a {red|blue} house")
    connected.book.keep_negative("Mine", "grey, dull")
    wait(connected, lambda: connected.negatives.found)
    offered = {item.name: dict(item.choices) for item in kinds(panel, "Choice")}
    assert offered["past"]["a {red|blue} house"] == "a {red|blue} house"
    assert offered["negative"]["grey, dull"] == "Mine"
    assert "Photo (SDXL)" in offered["negative"].values()
    panel.set("past", "a {red|blue} house")
    panel.set("negative", "grey, dull")
    assert connected.choices.recipe.values["prompt"] == "a {red|blue} house"
    assert connected.choices.recipe.values["negative_prompt"] == "grey, dull"
    assert connected.choices.recipe.dynamic == ("prompt",)


def test_folded_sections_hold_nothing_and_open_again(panel, connected):  # noqa: F811
    panel.set("fold:capture", False)
    assert "setting:source" not in names(panel)
    panel.set("fold:capture", True)
    assert "setting:source" in names(panel)


def test_history_shows_prompt_and_settings(panel, connected):  # noqa: F811
    connected.choices.set_value("prompt", "blueprint")
    kept = generated(connected)
    history = next(item for item in kinds(panel, "Choice") if item.name == "result")
    assert history.choices == ((kept.asset, "FB_0001  blueprint"),)
    assert any("128 × 96, stylize, seed" in item.text for item in kinds(panel, "Text"))


def test_a_result_deleted_elsewhere_is_no_fault(panel, connected):  # noqa: F811
    first = generated(connected)
    connected.choices.set_value("prompt", "clay")
    second = generated(connected)
    connected.editor.shelf.delete(second.asset)
    history = next(item for item in kinds(panel, "Choice") if item.name == "result")
    assert history.value == first.asset


def test_sliders_mix_the_layer_of_the_viewport(panel, connected):  # noqa: F811
    kept = generated(connected)
    panel.set("setting:overlay_split", 0.5)
    show = ("show_blend", kept.asset, 1.0, 0.5)
    assert connected.editor.stage.calls[-2:] == [show, ("veil", False)]


def test_live_says_how_it_goes(panel, connected):  # noqa: F811
    panel.do("live")
    assert any(item.text.startswith("Live") for item in kinds(panel, "Text"))
    wait(connected, lambda: connected.live.picture is not None)
    assert actions(panel)["live"].label == "Stop Live"
    assert kinds(panel, "Picture")
    panel.do("live")
    assert connected.live is None


def test_diagnose_is_shown_step_by_step(panel, connected):  # noqa: F811
    panel.do("diagnose")
    panel.set("fold:advanced", True)
    wait(connected, lambda: connected.diagnosis.is_over)
    shown = [item.text.partition(":")[0] for item in kinds(panel, "Text") if item.tone == "good"]
    assert shown[-6:] == ["Daemon", "Token", "Models", "Capture", "Picture", "Write Back"]


def test_open_panel_opens_it(panel, opened):
    panel.do("open")
    assert opened == [True]


def test_items_compare_equal_while_nothing_changes(panel, connected):  # noqa: F811
    assert panel.items() == panel.items()
