import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import WorkflowError
from bridge.graph import Link, Workflow, parse_workflow
from bridge.graph.reader import clean_value
from bridge.protocol import MAX_JSON_BYTES


def node(**inputs):
    return {"class_type": "A", "inputs": inputs}


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def problems_of(source):
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(source)
    return caught.value.problems


def test_tutorial_workflow_is_read_in_file_order(tutorial):
    workflow = parse_workflow(json.dumps(tutorial))
    assert list(workflow.nodes) == ["3", "4", "5", "6", "7", "8", "9"]
    sampler = workflow.nodes["3"]
    assert (sampler.class_type, sampler.title) == ("KSampler", "KSampler")
    assert sampler.inputs["model"] == Link("4", 0)
    assert sampler.inputs["seed"] == 156680208700286
    assert workflow.to_json() == tutorial


@pytest.mark.parametrize(
    "wrap",
    [
        json.dumps,
        lambda data: json.dumps(data).encode(),
        lambda data: "\ufeff" + json.dumps(data),
        lambda data: b"\xef\xbb\xbf" + json.dumps(data).encode(),
        lambda data: {"prompt": data, "client_id": "x"},
        lambda data: json.dumps({"prompt": data, "extra_data": {"extra_pnginfo": {"workflow": {}}}}),
        MappingProxyType,
    ],
)
def test_every_way_of_handing_it_over_gives_the_same_workflow(tutorial, wrap):
    assert parse_workflow(wrap(tutorial)) == parse_workflow(tutorial)


def test_node_called_prompt_is_no_wrapper():
    assert list(parse_workflow({"prompt": node(x=1)}).nodes) == ["prompt"]


def test_what_else_comfyui_keeps_with_a_node_counts_for_nothing():
    kept = '{"1": {"class_type": "A", "inputs": {}, "is_changed": [NaN], "other": "\\u0000"}}'
    assert parse_workflow(kept).to_json() == {"1": {"class_type": "A", "inputs": {}}}


def test_literal_list_is_unwrapped_and_tuples_are_lists():
    inputs = (
        parse_workflow({"1": node(a={"__value__": ["4", 0]}, b=("4", 0), c={"d": (1, 2)})}).nodes["1"].inputs
    )
    assert inputs == {"a": ["4", 0], "b": Link("4", 0), "c": {"d": [1, 2]}}


@pytest.mark.parametrize("meta", [None, 5, {}, {"title": 5}, {"title": None}, []])
def test_strange_meta_data_is_no_title(meta):
    assert parse_workflow({"1": {**node(), "_meta": meta}}).nodes["1"].title == ""


BAD_TEXTS = [
    ("", "bad_json", "line 1, column 1: expected value"),
    ("[1,", "bad_json", "line 1, column 4: expected value"),
    ('{\n"1": {},\n"2" 5}', "bad_json", "line 3, column 5: expected ':' delimiter"),
    ('{"1": {}', "bad_json", "line 1, column 9: expected ',' delimiter"),
    ("{} {}", "bad_json", "line 1, column 4: expected the end of the text"),
    ('{"a": "b', "bad_json", "line 1, column 7: unterminated string starting at"),
    (b'{"1":\n\xff}', "bad_json", "line 2: byte 0xff is not UTF-8"),
    ("[" * 100_000, "too_complex", "64 levels"),
    ('{"a":' * 100_000, "too_complex", "64 levels"),
    ("[]", "bad_workflow", "not a list"),
    ("5", "bad_workflow", "not a number"),
    ("true", "bad_workflow", "not true or false"),
    ('"x"', "bad_workflow", "not a text"),
    ("null", "bad_workflow", "not null"),
    (None, "bad_workflow", "not null"),
    (["x"], "bad_workflow", "not a list"),
    (object(), "bad_workflow", "not a object"),
    ("{}", "no_outputs", "empty"),
    ('{"prompt": {}}', "no_outputs", "empty"),
    ('{"nodes": [], "links": [], "version": 0.4}', "editor_workflow", "editor's format"),
    ('{"prompt": {"nodes": [], "links": []}}', "editor_workflow", "editor's format"),
    ('{"prompt": {}, "prompt": {}}', "duplicate_key", '"prompt" stands twice'),
    ({str(i): node() for i in range(10_001)}, "too_complex", "10,001 nodes"),
]


@pytest.mark.parametrize(("source", "code", "part"), BAD_TEXTS, ids=range(len(BAD_TEXTS)))
def test_what_is_no_workflow_at_all_is_refused_with_one_problem(source, code, part):
    (problem,) = problems_of(source)
    assert problem.code == code
    assert part in problem.message


def test_editor_format_is_told_how_to_export():
    (problem,) = problems_of({"nodes": [], "links": []})
    assert "Export (API)" in problem.hint


HUGE = "9" * 5000
BAD_NODES = [
    ('{"1": 5}', "bad_node", "1", "", "not a number"),
    ('{"1": [], "2": {"class_type": "A", "inputs": {}}}', "bad_node", "1", "", "not a list"),
    ('{"prompt": null}', "bad_node", "prompt", "", "not null"),
    ('{"1": {"class_type": "A"}}', "bad_node", "1", "", "not null"),
    ('{"1": {"class_type": "A", "inputs": []}}', "bad_node", "1", "", "not a list"),
    ('{"1": {"inputs": {}}}', "missing_class_type", "1", "", "missing"),
    ('{"1": {"class_type": "", "inputs": {}}}', "missing_class_type", "1", "", "missing"),
    ('{"1": {"class_type": 5, "inputs": {}}}', "missing_class_type", "1", "", "missing"),
    ('{"1": {"class_type": "A", "inputs": {"x": NaN}}}', "bad_number", "1", "x", "nan"),
    ('{"1": {"class_type": "A", "inputs": {"x": [1, -Infinity]}}}', "bad_number", "1", "x", "-inf"),
    ('{"1": {"class_type": "A", "inputs": {"x": 1e999}}}', "bad_number", "1", "x", "inf"),
    (f'{{"1": {{"class_type": "A", "inputs": {{"x": {HUGE}}}}}}}', "bad_number", "1", "x", "inf"),
    ({"1": node(x=10**5000)}, "bad_number", "1", "x", "beyond all bounds"),
    ('{"1": {"class_type": "A", "inputs": {"x": "a\\ud800"}}}', "bad_text", "1", "x", "character 2"),
    ('{"1": {"class_type": "A", "inputs": {"x": "a\\u0000b"}}}', "bad_text", "1", "x", "character 2"),
    ('{"1": {"class_type": "A\\ud800", "inputs": {}}}', "bad_text", "1", "", "surrogate"),
    ('{"1": {"class_type": "A", "inputs": {"\\ud800": 1}}}', "bad_text", "1", "", "surrogate"),
    ('{"\\ud800": {"class_type": "A", "inputs": {}}}', "bad_text", "", "", "surrogate"),
    ('{"1": {"class_type": "A", "inputs": {}, "_meta": {"title": "\\u0000"}}}', "bad_text", "1", "", "NUL"),
    ({"1": node(x=["ä" * 50_001])}, "too_long", "1", "x", "100 kB is the most"),
    ({"1": node(x="a" * (MAX_JSON_BYTES + 1))}, "too_long", "1", "x", "4,194 kB is the most"),
    ({"1": node(x={"y": "a" * 1_000_000})}, "too_long", "1", "x", "1,000 kB"),
    ('{"1": 5, "1": 5}', "duplicate_key", "", "", '"1" stands twice'),
    (
        '{"1": {"class_type": "A", "inputs": {"x": 1, "y": 2, "x": 3}}}',
        "duplicate_key",
        "1",
        "",
        '"x" stands',
    ),
    ('{"1": {"class_type": "A", "class_type": "B", "inputs": {}}}', "duplicate_key", "1", "", '"class_type"'),
    (
        '{"1": {"class_type": "A", "inputs": {"x": {"\\ud800":1,"\\ud800":2}}}}',
        "duplicate_key",
        "1",
        "x",
        '"?"',
    ),
    ({"1": node(x={1, 2})}, "bad_workflow", "1", "x", "a set is not JSON"),
    ({"1": node(x=b"")}, "bad_workflow", "1", "x", "a bytes is not JSON"),
    ({"1": {**node(), 5: 1}}, "bad_workflow", "1", "", "a key is a number"),
    ({1: node()}, "bad_workflow", "", "", "a key is a number"),
    ({"1": node(x=nested(100))}, "too_complex", "1", "x", "64 levels"),
    ({"1": {**node(), "_meta": nested(100)}}, "too_complex", "1", "", "64 levels"),
]


@pytest.mark.parametrize(
    ("source", "code", "node_id", "input_name", "part"), BAD_NODES, ids=range(len(BAD_NODES))
)
def test_bad_nodes_and_values_are_named_with_their_place(source, code, node_id, input_name, part):
    problem = problems_of(source)[0]
    assert (problem.code, problem.node_id, problem.input_name) == (code, node_id, input_name)
    assert part in problem.message


def test_nesting_up_to_the_limit_is_legal():
    parse_workflow({"1": node(x=nested(60))})
    assert problems_of({"1": node(x=nested(61))})[0].code == "too_complex"


def test_all_faults_are_reported_at_once():
    found = problems_of({"1": node(a=math.nan, b="\0"), "2": 5, "3": {"inputs": {"c": math.inf}}})
    assert [(problem.node_id, problem.input_name, problem.code) for problem in found] == [
        ("1", "a", "bad_number"),
        ("1", "b", "bad_text"),
        ("2", "", "bad_node"),
        ("3", "c", "bad_number"),
        ("3", "", "missing_class_type"),
    ]


def test_data_that_contains_itself_is_too_complex():
    inputs = {}
    inputs["x"] = inputs
    assert problems_of({"1": {"class_type": "A", "inputs": inputs}})[0].code == "too_complex"


def test_data_that_repeats_itself_without_end_is_too_complex():
    value = [1] * 1000
    for _ in range(3):
        value = [value] * 1000
    problem = problems_of({"1": node(x=value)})[-1]
    assert (problem.code, problem.node_id, problem.input_name) == ("too_complex", "1", "x")


def test_flood_of_faults_is_cut_off():
    assert len(problems_of({"1": node(x=[math.nan] * 5000)})) == 1000


def test_single_value_is_cleaned_like_one_inside_a_workflow():
    assert clean_value(["4", 0], "3", "model") == Link("4", 0)
    with pytest.raises(WorkflowError) as caught:
        clean_value(math.nan, "3", "cfg")
    assert str(caught.value).startswith("node 3.cfg: nan")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["3", "A"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.just("__value__"), inner, max_size=4)
    ),
    max_leaves=10,
)
fields = st.sampled_from(["class_type", "inputs", "_meta", "prompt", "nodes", "links", "title", "1"])
near_workflows = st.recursive(
    json_values,
    lambda inner: st.dictionaries(fields, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=12,
)


def outcome_of(source):
    """Return what a sender would be told; any other exception fails the test."""
    try:
        return parse_workflow(source)
    except WorkflowError as error:
        return [problem.to_json() for problem in error.problems]


@given(st.binary(max_size=200) | st.text(st.characters(codec=None), max_size=200) | near_workflows)
def test_nothing_but_a_workflow_or_its_error_ever_comes_out(source):
    outcome = outcome_of(source)
    assert isinstance(outcome, Workflow) or json.dumps(outcome, ensure_ascii=False).encode()


@given(near_workflows)
def test_nothing_but_a_workflow_or_its_error_comes_out_of_json_text(data):
    outcome = outcome_of(json.dumps(data))
    assert isinstance(outcome, Workflow) or all(problem["message"] for problem in outcome)


sound_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
sound_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | sound_text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(sound_text | st.just("__value__"), inner, max_size=3)
    ),
    max_leaves=6,
)
sound_nodes = st.fixed_dictionaries(
    {"class_type": sound_text.filter(bool), "inputs": st.dictionaries(sound_text, sound_values, max_size=4)},
    optional={"_meta": st.fixed_dictionaries({"title": sound_text})},
)


@given(st.dictionaries(sound_text, sound_nodes, min_size=1, max_size=4))
def test_writing_and_reading_again_gives_an_equal_workflow(data):
    workflow = parse_workflow({"prompt": data})
    assert parse_workflow(json.dumps({"prompt": workflow.to_json()})) == workflow
