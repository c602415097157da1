"""One picture for each prompt of a file, in an editor without an engine and with a real daemon."""

import json
from pathlib import Path
from typing import Any

import pytest

from .test_core_studio import connected, core, daemon, editor, home, studio, wait  # noqa: F401 - fixtures


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_text("# mine\nneon\n\n{clay|clay} night\n")
    return file


def prompts_of(studio: Any) -> list[str]:  # noqa: F811
    return [json.loads(kept.recipe)["values"]["prompt"] for kept in reversed(studio.editor.shelf.results())]


def test_each_line_of_a_file_becomes_a_result_of_one_capture(connected, prompts):  # noqa: F811
    connected.choices.set("prompts_file", str(prompts))
    connected.generate_prompts()
    assert connected.progress[1].startswith("1 of 2: ")
    wait(connected, lambda: not connected.is_generating)
    assert prompts_of(connected) == ["neon", "clay night"]
    assert len(connected.editor.eye.captures) == 1
    assert (connected.problem, connected.notice) == (None, "2 pictures made")
    assert connected.book.prompts == [], "the history holds what was typed"


def test_what_fails_is_told_with_its_line_and_the_others_are_made(connected, prompts):  # noqa: F811
    prompts.write_text("__nothing__\n\nneon\n")
    connected.choices.set("prompts_file", str(prompts))
    connected.generate_prompts()
    wait(connected, lambda: not connected.is_generating)
    assert prompts_of(connected) == ["neon"]
    assert connected.problem.message.startswith("1 of 2 prompts failed, in line 1: ")
    assert connected.notice == "1 picture made"


def test_the_rest_is_painted_as_it_was_asked_for(connected, prompts):  # noqa: F811
    prompts.write_text("neon\nclay\nwood\n")
    choices = connected.choices
    choices.set("prompts_file", str(prompts))
    choices.set("seed_mode", "INCREMENT")
    choices.set_value("seed", 5)
    before = choices.preset.name
    connected.generate_prompts()
    choices.set_value("steps", 3)
    choices.choose("inpaint")  # wants a selection, and there is none
    wait(connected, lambda: not connected.is_generating)
    assert prompts_of(connected) == ["neon", "clay", "wood"]
    recipes = [json.loads(kept.recipe) for kept in reversed(connected.editor.shelf.results())]
    assert {(recipe["preset"], recipe["values"]["steps"]) for recipe in recipes} == {(before, 2)}
    assert [recipe["values"]["seed"] for recipe in recipes] == [5, 6, 7]
    assert (connected.problem, connected.notice) == (None, "3 pictures made")
    choices.choose(before)
    assert choices.value(choices.preset, "seed") == 8


def test_what_cannot_begin_is_told_with_its_line(connected, prompts, core, monkeypatch):  # noqa: F811
    prompts.write_text("neon\nclay\nwood\nsnow\n")
    connected.choices.set("prompts_file", str(prompts))
    connected.generate_prompts()
    submit, error = connected.session.submit, core("_bridge.errors").BridgeError

    def refuse(frame, recipe):
        if recipe.values["prompt"] in ("clay", "snow"):
            raise error("too large", code="bad_value", hint="Smaller.")
        return submit(frame, recipe)

    monkeypatch.setattr(connected.session, "submit", refuse)
    wait(connected, lambda: not connected.is_generating)
    assert prompts_of(connected) == ["neon", "wood"]
    assert connected.problem.message == "2 of 4 prompts failed, in line 2, 4: too large"
    assert connected.notice == "2 pictures made"


def test_the_rest_is_given_up(connected, prompts):  # noqa: F811
    prompts.write_text("neon\nclay\nwood\nsnow\n")
    connected.choices.set("prompts_file", str(prompts))
    connected.generate_prompts()
    wait(connected, lambda: connected.progress[1].startswith("2 of 4"))
    connected.cancel()
    wait(connected, lambda: not connected.is_generating)
    assert prompts_of(connected) == ["neon"]
    assert connected.notice == "Cancelled after 1 of 4 prompts"
    assert connected.problem is None


@pytest.mark.parametrize(("file", "code"), [("", "no_prompts"), ("/nowhere/x.txt", "file_not_found")])
def test_without_a_file_nothing_begins(connected, core, file, code):  # noqa: F811
    connected.choices.set("prompts_file", file)
    with pytest.raises(core("_bridge.errors").BridgeError) as raised:
        connected.generate_prompts()
    assert raised.value.code == code
    assert raised.value.problem.hint
    assert not connected.is_generating
