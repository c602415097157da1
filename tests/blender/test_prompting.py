"""Prompts in real Blenders, with a real daemon: dynamic, many, negative, and the last ones."""

from typing import Any

import pytest

VERSIONS = ("5.0",)
"""What differs between versions is tested elsewhere."""


@pytest.fixture(scope="module")
def prompting(blender, daemon_home) -> dict[str, Any]:
    return blender.run("prompting", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_dynamic_prompt_is_drawn_by_the_daemon_and_its_template_kept(prompting):
    found = prompting["dynamic"]
    assert found["text"] in {f"{style} {hour}" for style in ("clay", "toon") for hour in ("night", "sunset")}
    assert found["shown"] == found["used_again"] == found["text"]
    assert found["same_again"]
    assert found["templates"] == found["saved"] == {"prompt": "{clay|toon} __hour__"}
    assert found["as_typed"] == found["as_typed_again"] == "{clay|toon} __hour__"


def test_one_picture_a_prompt_and_what_fails_is_told(prompting):
    found = prompting["batch"]
    assert found["made"] == ["neon", "clay, night", "snow"]
    assert "1 of 4 prompts failed, in line 5" in found["said"]
    assert "Did you mean __hour__?" in found["said"]
    assert found["from_file"] == ["lava", "wood"]
    assert found["seeds"] == [3, 4]
    assert found["panel_prompt"] == "neon"
    assert found["notice"] == "2 pictures made"


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("empty", "holds no prompts"),
        ("binary", "is no plain text"),
        ("none", "cannot be read"),
        ("100 MB", "is larger than 8 MB"),
        ("no file", "no file is chosen"),
        ("no text", "no text is chosen"),
        ("no partner", "without its }"),
        ("unknown wildcard", "Did you mean __hour__?"),
    ],
)
def test_bad_prompts_are_refused_with_a_remedy(prompting, case, words):
    assert words.lower() in prompting["refusals"][case].lower()


def test_last_prompts_are_kept_as_typed_without_doubles(prompting):
    assert prompting["history"] == {"kept": ["neon", "{clay|toon}"], "put_back": "{clay|toon}", "cleared": []}


def test_negative_presets_are_the_daemons_and_ones_own(prompting):
    found = prompting["negatives"]
    assert ["SDXL", "Photo"] in found["titles"]
    assert found["is_set"]
    assert found["own"] == {"Mine": "grey, dull"}
    assert "needs a name" in found["nameless"]
    assert found["left"] == {}


def test_trigger_words_of_the_chosen_model_are_offered(prompting):
    found = prompting["words"]
    assert ["checkpoints", "own.safetensors"] in found["models"]
    assert found["words"][:2] == ["inkwash", "brush"]
