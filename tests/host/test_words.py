"""What is said to artists."""

import pytest

from bridge.errors import Problem
from bridge.host import maps
from bridge.host.preset import Preset
from bridge.host.recipe import Recipe
from bridge.host.settings import ACTIONS, SETTINGS
from bridge.host.tasks import Task
from bridge.host.words import (
    MOST_LETTERS,
    counted,
    oddity,
    of_preset,
    progress_of,
    sentence,
    spent,
    summary_of,
    wrapped,
)

PRESET = Preset("p", "P", "", (), titles={"3": "Sampler"})


def test_a_sentence_begins_large_and_says_what_to_do():
    assert sentence(Problem("c", "the daemon is gone", "Start it.")) == "The daemon is gone. Start it."
    assert sentence(Problem("c", "it failed")) == "It failed."
    assert len(sentence(Problem("c", "x" * 5000, "y" * 5000))) <= 2 * MOST_LETTERS + 2


def test_things_are_counted():
    assert [counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0.0, "Sending…")),
        ({"state": "queued", "position": 2}, (0.0, "Waiting, 2 ahead")),
        ({"state": "queued"}, (0.0, "Waiting…")),
        ({"state": "running", "node": "3", "value": 2.0, "maximum": 8.0}, (0.25, "Sampler 2 of 8")),
        (
            {"state": "running", "node": "3", "value": 2.0, "maximum": 8.0, "detail": "Flux visits"},
            (0.25, "Sampler 2 of 8: Flux visits"),
        ),
    ],
)
def test_progress_in_words(changes, expected):
    task = Task("r", on_end=lambda task: None)
    for name, value in changes.items():
        setattr(task, name, value)
    assert progress_of(task, PRESET, Recipe("p", {"steps": 8})) == expected


def test_a_result_in_a_line():
    assert (
        summary_of(Recipe("p", {"seed": 3, "steps": 8, "prompt": "x"}), 64, 32)
        == "64 × 32, p, seed 3, steps 8"
    )


def test_other_proportions_are_worth_a_word():
    assert oddity((96, 128, 3), 640, 480) == ""
    assert "128 × 128" in oddity((128, 128, 3), 640, 360)


def test_all_settings_and_actions_say_what_they_are():
    for setting in SETTINGS.values():
        assert setting.label
        assert setting.help
        if setting.choices:
            assert setting.default in [value for value, _, _ in setting.choices]
        if setting.minimum is not None:
            assert setting.minimum <= setting.default <= setting.maximum
    assert all(label and about for label, about in ACTIONS.values())


def test_map_workflows_ask_for_every_map():
    assert set(maps.MAPS) <= set(maps.workflow())
    assert set(maps.TITLES) == set(maps.MAPS)
    assert maps.range_in({"frame": {"depth_range": [0.5, 20]}}) == (0.5, 20.0)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("get this one", ["get this", "one"]),
        ("From: https://a.b/chalk.sft", ["From:", "https://", "a.b/", "chalk.sft"]),
        ("a " + "x" * 23, ["a", "x" * 10, "x" * 10, "xxx"]),
    ],
)
def test_text_is_wrapped_and_long_words_are_broken_after_their_signs(text, lines):
    assert wrapped(text, 10) == lines


def test_a_preset_whose_node_is_gone_says_what_to_do():
    problem = Problem("unknown_node", "there is no node class Old", "Did you mean New?")
    told = of_preset(problem, "Mine").hint
    assert told.startswith('Did you mean New? The preset "Mine" needs it: ')
    other = Problem("no_frame", "there is no frame")
    assert of_preset(other, "Mine") is other


@pytest.mark.parametrize(
    ("timings", "said"),
    [
        ({}, ""),
        ({"queue": 3.0}, ""),
        ({"run": 12.34, "sample": 7.2, "load": 4.06, "save": 0.1}, "12.3 s (load 4.1, sample 7.2)"),
        ({"run": 0.02, "other": 0.02}, "0.0 s"),
    ],
)
def test_what_a_job_took_is_told_by_phase_unless_it_is_nothing(timings, said):
    assert spent(timings) == said
