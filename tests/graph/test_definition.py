import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition, connects

names = st.text(min_size=1, max_size=8)
numbers = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
inputs = st.builds(
    InputDefinition,
    name=names,
    type=st.sampled_from(["INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "IMAGE", "*", "IMAGE,MASK"]),
    is_required=st.booleans(),
    default=st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=2),
    minimum=numbers,
    maximum=numbers,
    step=numbers,
    choices=st.none() | st.lists(names, max_size=3).map(tuple),
    choices_from=st.sampled_from(["", "checkpoints"]),
    is_multiline=st.booleans(),
    is_lazy=st.booleans(),
    is_raw_link=st.booleans(),
    tooltip=st.text(max_size=8),
)
definitions = st.builds(
    NodeDefinition,
    name=names,
    category=names,
    display_name=names,
    description=st.text(max_size=8),
    inputs=st.lists(inputs, max_size=3).map(tuple),
    outputs=st.lists(st.builds(OutputDefinition, names, names, st.booleans()), max_size=2).map(tuple),
    hidden=st.dictionaries(names, st.sampled_from(["PROMPT", "UNIQUE_ID"]), max_size=2),
    is_output=st.booleans(),
    takes_lists=st.booleans(),
    is_idempotent=st.booleans(),
    module=names,
    differs=st.text(max_size=8),
)


@given(definitions)
def test_definition_survives_json(definition):
    assert NodeDefinition.from_json(json.loads(json.dumps(definition.to_json()))) == definition


def test_fields_of_another_version_are_dropped_and_missing_ones_take_their_default():
    data = {"name": "A", "category": "x", "price": 5, "inputs": [{"name": "a", "type": "INT", "colour": 1}]}
    expected = NodeDefinition("A", "x", inputs=(InputDefinition("a", "INT"),))
    assert NodeDefinition.from_json(data) == expected
    with pytest.raises(TypeError):
        NodeDefinition.from_json({"name": "A"})


def test_inputs_are_found_by_name():
    entry = InputDefinition("a", "INT")
    definition = NodeDefinition("A", "x", inputs=(entry,))
    assert definition.input("a") is entry
    assert definition.input("b") is None


@pytest.mark.parametrize(
    ("kind", "is_widget"), [("INT", True), ("COMBO", True), ("IMAGE", False), ("*", False)]
)
def test_only_plain_values_are_widgets(kind, is_widget):
    assert InputDefinition("x", kind).is_widget == is_widget


@given(st.lists(st.sampled_from(["IMAGE", "MASK", "INT", "*"]), min_size=1, max_size=3), st.data())
def test_matching_is_symmetric_and_every_type_matches_itself(parts, data):
    left = ",".join(parts)
    right = ", ".join(data.draw(st.lists(st.sampled_from(["IMAGE", "LATENT"]), min_size=1, max_size=2)))
    assert connects(left, left)
    assert (
        connects(left, right)
        == connects(right, left)
        == ("*" in parts or bool({*parts} & {*right.split(", ")}))
    )
