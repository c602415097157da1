"""Recipes as text and back, seeds, and words of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError
from bridge.host.preset import Control, Preset
from bridge.host.recipe import (
    LARGEST_SEED,
    Recipe,
    has_word,
    next_seed,
    random_seed,
    recipe_from_json,
    sized,
    with_word,
)

VALUES = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.one_of(
        st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters(codec="utf-8"))
    ),
)


@given(st.text(st.characters(codec="utf-8")), VALUES)
def test_text_and_back(preset, values):
    recipe = Recipe(preset, values, "d1")
    assert recipe_from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"preset": "a"}',
        '{"preset": "a", "values": 3}',
        '{"preset": "a", "values": {"p": "\\ud800"}}',
    ],
)
def test_what_is_no_recipe_is_told(text):
    with pytest.raises(BridgeError) as caught:
        recipe_from_json(text)
    assert caught.value.code == "bad_recipe"


def test_prompts_that_look_dynamic_are_said_to_be_and_become_what_was_drawn():
    values = {"prompt": "a {red|blue} car", "negative_prompt": "blurry", "style": "{a|b}"}
    recipe = Recipe("p", values).with_dynamic()
    assert recipe.dynamic == ("prompt",)
    assert Recipe("p", {"prompt": "snake_case"}).with_dynamic().dynamic == ()
    assert recipe_from_json(recipe.to_json()) == recipe
    drawn = recipe.drawn({"prompt": "a red car", "style": "a"})
    assert drawn.values == {**values, "prompt": "a red car"}
    assert drawn.templates == {"prompt": "a {red|blue} car"}
    assert drawn.dynamic == ()
    assert recipe_from_json(drawn.to_json()) == drawn
    assert drawn.drawn({"prompt": "x"}) == drawn


def test_a_recipe_without_dynamic_prompts_is_written_as_it_always_was():
    assert Recipe("p", {"prompt": "neon"}, "d").with_dynamic().to_json() == (
        '{"digest": "d", "preset": "p", "values": {"prompt": "neon"}}'
    )


def test_size_is_set_where_the_preset_has_a_say_in_it():
    width = Control("width", "Width", "integer", 512)
    assert sized(Recipe("p", {}), Preset("p", "P", "", (width,)), 640, 360).values == {"width": 640}
    assert sized(Recipe("p", {}), Preset("p", "P", "", ()), 640, 360).values == {}


def test_seeds_count_up_and_begin_again():
    assert next_seed(7) == 8
    assert next_seed(LARGEST_SEED) == 0
    assert len({random_seed() for _ in range(8)}) > 1
    assert all(0 <= random_seed() < LARGEST_SEED for _ in range(100))


@pytest.mark.parametrize(
    ("prompt", "word", "expected"),
    [
        ("", "neon", "neon"),
        ("a house", "neon", "a house neon"),
        ("a Neon, house", "neon", "a house"),
        ("sunset toon house", "sunset toon", "house"),
        ("a sunset, toon", "toon sunset", "a sunset, toon toon sunset"),
    ],
)
def test_words_come_and_go(prompt, word, expected):
    assert with_word(prompt, word) == expected
    assert has_word(with_word(prompt, word), word) != has_word(prompt, word)
