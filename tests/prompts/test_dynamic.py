import subprocess
import sys
import time
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import InputError
from bridge.prompts import MAX_COMBINATIONS, Wildcards, combinations, is_dynamic, resolve
from bridge.prompts.dynamic import MAX_DEPTH, MAX_NAME, MAX_TEMPLATE

from .conftest import Write

NONE = Wildcards()


def test_a_choice_is_one_of_its_words_and_the_same_for_the_same_seed() -> None:
    texts = [resolve("a {red|green|blue} car", seed, NONE) for seed in range(50)]
    assert set(texts) == {"a red car", "a green car", "a blue car"}
    assert texts == [resolve("a {red|green|blue} car", seed, NONE) for seed in range(50)]


def test_several_choices_are_different_and_joined_as_asked() -> None:
    texts = {resolve("{2$$ and $$a|b|c}", seed, NONE) for seed in range(60)}
    assert texts == {" and ".join(pair) for pair in permutations("abc", 2)}


def test_choices_may_weigh_more() -> None:
    texts = [resolve("{9::a|1::b}", seed, NONE) for seed in range(200)]
    assert 150 < texts.count("a") < 198


def test_a_wildcard_is_a_line_of_its_file_which_may_hold_choices_itself(
    write: Write, wildcards: Wildcards
) -> None:
    write("animal", "cat\n# not this\n\n{big|small} dog\n")
    texts = {resolve("a __animal__", seed, wildcards) for seed in range(60)}
    assert texts == {"a cat", "a big dog", "a small dog"}


def test_all_combinations_come_once_each_in_order(write: Write, wildcards: Wildcards) -> None:
    write("animal", "cat\ndog\n")
    assert combinations("{red|blue} __animal__", wildcards) == ["red cat", "red dog", "blue cat", "blue dog"]
    assert combinations("{a|a|b}", NONE) == ["a", "b"]
    assert combinations("plain", NONE) == ["plain"]


def test_marks_of_single_choices_count_for_nothing() -> None:
    assert combinations("{!a|b} {~c|d}", NONE) == ["a c", "a d", "b c", "b d"]
    assert resolve("{!a|b}{@c|d}", 1, NONE) in {"ac", "ad", "bc", "bd"}


@pytest.mark.parametrize(
    "text",
    [
        "a plain (prompt:1.2), [a|b], <lora:x:0.8>",
        "{masterpiece}, best quality",
        "colour #ff0000 // 5% of 5$ /* all */",
        "snake_case __ and a__b",
        r"\{a|b\}",
        "",
    ],
)
def test_what_asks_for_no_choice_stays_as_it_is(text: str) -> None:
    assert not is_dynamic(text)
    assert resolve(text, 1, NONE) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a|a} #ff0000, red", "a #ff0000, red"),
        ("{a|a} 5% of 5$ // all /* of */ it", "a 5% of 5$ // all /* of */ it"),
        (r"{a|a} \{b\|c\} \(d\)", r"a {b|c} \(d\)"),
        ("{a|a}__ x__y", "a__ x__y"),
        ("${c=!{red|red}}${c} and ${c}", "red and red"),
        ("{Größe|Größe} 猫", "Größe 猫"),
    ],
)
def test_what_is_typed_beside_choices_stays_too(template: str, text: str) -> None:
    assert is_dynamic(template)
    assert resolve(template, 1, NONE) == text


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{a|b", "character 1"),
        ("x {a|{b|c}", "character 3"),
        ("{" * 1000 + "a|b" + "}" * 1000, "within each other"),
        ("{a|b}" * (MAX_TEMPLATE // 5 + 1), "characters"),
        ("${x}", "not defined"),
        ("${a={b|c}${a}} ${a}", "never ends"),
    ],
)
def test_a_template_without_sense_is_refused_with_a_remedy(template: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        resolve(template, 1, NONE)
    assert raised.value.code == "bad_prompt"
    assert raised.value.hint
    assert len(raised.value.message) < 200


@pytest.mark.parametrize("part", ["__.", "__a(", "{", "${", "{a", "_.", "a "])
def test_texts_too_long_to_be_searched_at_every_mark_are_seen_through(part: str) -> None:
    text = part * (200_000 // len(part))
    assert not is_dynamic(text)


def test_names_of_wildcards_are_as_long_as_is_said() -> None:
    assert is_dynamic(f"__{'a' * MAX_NAME}__")
    assert not is_dynamic(f"__{'a' * (MAX_NAME + 1)}__")


def test_the_deepest_template_that_is_allowed_can_be_read() -> None:
    assert resolve("{" * MAX_DEPTH + "a|a" + "}" * MAX_DEPTH, 1, NONE) == "a"


def test_a_wildcard_that_names_itself_never_ends(write: Write, wildcards: Wildcards) -> None:
    write("loop", "a __loop__ b\n")
    with pytest.raises(InputError, match="never ends"):
        resolve("__loop__", 1, wildcards)


@pytest.mark.parametrize("kind", ["wildcards", "variables"])
def test_what_doubles_at_every_step_is_stopped(kind: str, write: Write, wildcards: Wildcards) -> None:
    if kind == "wildcards":
        for level in range(30):
            write(f"w{level}", f"__w{level + 1}__ __w{level + 1}__\n")
        write("w30", "x\n")
        template = "__w0__"
    else:
        doubled = "".join(f"${{v{level + 1}=${{v{level}}}${{v{level}}}}}" for level in range(30))
        template = f"${{v0=x}}{doubled}${{v30}}"
    began = time.monotonic()
    with pytest.raises(InputError, match="choices for one text"):
        resolve(template, 1, wildcards)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("template", ["{0|1|2|3|4|5|6|7|8|9}" * 12, "{9$$0|1|2|3|4|5|6|7|8|9}"])
def test_too_many_combinations_are_refused_at_once(template: str) -> None:
    with pytest.raises(InputError, match=f"more than {MAX_COMBINATIONS}") as raised:
        combinations(template, NONE)
    assert raised.value.code == "too_many_combinations"


def test_more_different_values_than_there_are_have_no_combination() -> None:
    with pytest.raises(InputError, match="no combination"):
        combinations("{2$$a|a}", NONE)


def outcome(text: str, seed: int) -> str:
    try:
        return resolve(text, seed, NONE)
    except InputError as error:
        return f"{error.code}: {error.hint}"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="{}|$_%#/\\ab:1=!~@ (),.", max_size=40), st.integers(0, 2**64 - 1))
def test_any_text_resolves_or_says_why_not(text: str, seed: int) -> None:
    assert outcome(text, seed) == outcome(text, seed)


def test_neither_jinja_nor_anything_heavy_is_loaded() -> None:
    heavy = {"jinja2", "torch", "transformers", "yaml", "requests"}
    code = f"import sys, bridge.prompts; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
