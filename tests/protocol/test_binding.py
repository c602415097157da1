import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import InputError
from bridge.protocol import KINDS, Binding, read_bindings, write_bindings
from bridge.protocol.binding import MAX_BINDINGS

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
bindings = st.builds(
    Binding,
    st.sampled_from(KINDS),
    texts.filter(bool),
    texts,
    texts,
    st.floats(0, 10),
    st.sampled_from(["with", "only", "keep"]),
    st.booleans(),
)


@given(st.lists(bindings, max_size=5))
def test_bindings_read_back_are_those_written(given: list[Binding]) -> None:
    assert list(read_bindings(write_bindings(given))) == given


@pytest.mark.parametrize(
    ("line", "kind", "name", "prompt"),
    [
        ("Car: rusted metal", "object", "Car", "rusted metal"),
        ("Car*, truck: clay, day: warm", "object", "Car*, truck", "clay, day: warm"),
        ("Rig:Hand: gold", "object", "Rig:Hand", "gold"),
        ('"a: b": gold', "object", '"a: b"', "gold"),
        ("Collection/Trees: snow", "collection", "Trees", "snow"),
        ("material/Glass: ice", "material", "Glass", "ice"),
        ("a/b: ice", "object", "a/b", "ice"),
    ],
)
def test_a_line_is_a_name_and_a_prompt(line: str, kind: str, name: str, prompt: str) -> None:
    assert read_bindings(f"\n  {line}\n\n") == (Binding(kind, name, prompt, is_pattern=True),)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Car", "line 1"),
        ("Car: gold\n: gold", "line 2"),
        ("Car:", "line 1"),
        (f"{'x' * 2000}: gold", "line 1.name"),
        ("[1]", "object 1: expected an object"),
        ('[{"kind": "object", "name": "x"}, {"kind": "light", "name": "x"}]', "object 2.kind"),
        ('[{"kind": "object", "name": "x", "control": 99}]', "object 1.control"),
        ('[{"kind": "object", "name": "\\ud800"}]', "half a character"),
        ("[", "no JSON"),
        ("[" * 5000, "no JSON"),
        (json.dumps([{"kind": "object", "name": "x"}] * (MAX_BINDINGS + 1)), f"{MAX_BINDINGS} may have"),
    ],
)
def test_what_is_no_binding_is_told_with_its_place(text: str, names: str) -> None:
    with pytest.raises(InputError) as caught:
        read_bindings(text)
    assert caught.value.code == "bad_objects"
    assert names in caught.value.message
    assert caught.value.hint


def test_no_text_is_no_bindings() -> None:
    assert read_bindings(" \n") == ()
    assert write_bindings([]) == ""
