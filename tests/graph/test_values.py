import pytest

from bridge.errors import WorkflowError
from bridge.graph import Link, parse_workflow, read_settings, set_values


@pytest.fixture
def workflow(tutorial):
    return parse_workflow(tutorial)


def problems_of(function, *arguments):
    with pytest.raises(WorkflowError) as caught:
        function(*arguments)
    return caught.value.problems


def test_values_are_set_by_id_or_title_and_the_original_stays(workflow):
    after = set_values(workflow, {"3.seed": 42, "Positive prompt.text": "a barn", "3.steps": 8})
    assert (after.nodes["3"].inputs["seed"], after.nodes["3"].inputs["steps"]) == (42, 8)
    assert after.nodes["6"].inputs["text"] == "a barn"
    assert workflow.nodes["3"].inputs["seed"] == 156680208700286
    assert after.nodes["7"] is workflow.nodes["7"]


def test_value_may_be_a_link_and_may_replace_one(workflow):
    after = set_values(workflow, {"3.positive": ["7", 0], "8.samples": 5})
    assert after.nodes["3"].inputs["positive"] == Link("7", 0)
    assert after.nodes["8"].inputs["samples"] == 5


def test_dots_in_titles_and_inputs_are_split_where_both_halves_exist():
    data = {
        "1": {"class_type": "A", "inputs": {"x": 0, "b.x": 0}, "_meta": {"title": "v1.5"}},
        "1.b": {"class_type": "A", "inputs": {"y": 0, "x": 0}},
    }
    after = set_values(parse_workflow(data), {"1.b.y": 1, "v1.5.b.x": 2, "1.b.x": 3})
    assert after.nodes["1.b"].inputs == {"y": 1, "x": 0}
    assert after.nodes["1"].inputs == {"x": 0, "b.x": 3}


def test_definitions_allow_inputs_that_the_workflow_leaves_out(workflow, definitions):
    shorter = workflow.with_inputs({"9": {"images": Link("8", 0)}})
    after = set_values(shorter, {"9.filename_prefix": "barn"}, definitions)
    assert after.nodes["9"].inputs["filename_prefix"] == "barn"
    assert problems_of(set_values, shorter, {"9.filename_prefix": "barn"})[0].code == "bad_set"


WRONG = [
    ("3.sed", "3", "sed", 'node 3 (KSampler) has no input "sed"', 'Did you mean "seed"?'),
    ("4.zzz", "4", "zzz", "has no input", "It has ckpt_name."),
    ("33.seed", "", "", 'there is no node "33"', 'Did you mean "3"?'),
    ("Positive promt.text", "", "", 'there is no node "Positive promt"', 'Did you mean "Positive prompt"?'),
    ("zzz.text", "", "", 'there is no node "zzz"', "There are 3 (KSampler), 4 (Load Checkpoint)"),
    ("seed", "", "", '"seed" names no input', "3.seed"),
    ("", "", "", '"" names no input', "3.seed"),
    (".seed", "", "", 'there is no node ""', "There are"),
    ("3.", "3", "", 'has no input ""', "It has model, seed"),
]


@pytest.mark.parametrize(("name", "node_id", "input_name", "message", "hint"), WRONG)
def test_name_that_leads_nowhere_is_answered_with_what_exists(
    workflow, definitions, name, node_id, input_name, message, hint
):
    (problem,) = problems_of(set_values, workflow, {name: 1}, definitions)
    assert (problem.code, problem.node_id, problem.input_name) == ("bad_set", node_id, input_name)
    assert message in problem.message
    assert hint in problem.hint


def test_title_of_several_nodes_asks_for_an_id():
    data = {i: {"class_type": "A", "inputs": {"x": 0}, "_meta": {"title": "Prompt"}} for i in "12"}
    (problem,) = problems_of(set_values, parse_workflow(data), {"Prompt.x": 1})
    assert problem.message == 'several nodes are titled "Prompt"'
    assert problem.hint == "Use an id: 1, 2."


def test_node_without_inputs_says_so():
    bare = parse_workflow({"1": {"class_type": "A", "inputs": {}}})
    assert problems_of(set_values, bare, {"1.x": 1})[0].hint == "It has no inputs."


def test_all_faults_are_reported_at_once(workflow):
    found = problems_of(set_values, workflow, {"3.sed": 1, "3.cfg": float("nan"), "6.text": "\0", "x": 1})
    assert [problem.code for problem in found] == ["bad_set", "bad_number", "bad_text", "bad_set"]


SETTINGS = [
    ("3.seed=42", "3.seed", 42),
    ("3.cfg=7.5", "3.cfg", 7.5),
    ("6.text=a red house", "6.text", "a red house"),
    ("6.text=a = b", "6.text", "a = b"),
    ("6.text=", "6.text", ""),
    ('3.model=["4", 0]', "3.model", ["4", 0]),
    ("3.seed=NaN", "3.seed", "NaN"),
    ("3.seed=" + "[" * 100_000, "3.seed", "[" * 100_000),
    ("Positive prompt.text=a", "Positive prompt.text", "a"),
]


@pytest.mark.parametrize(("setting", "name", "value"), SETTINGS, ids=range(len(SETTINGS)))
def test_settings_are_json_or_plain_text(workflow, setting, name, value):
    assert read_settings([setting], workflow) == {name: value}


def test_text_inputs_take_what_looks_like_json_as_it_stands(workflow, definitions):
    settings = ["6.text=42", "3.sampler_name=true", "3.steps=8", '7.text="quoted"']
    assert read_settings(settings, workflow, definitions) == {
        "6.text": "42",
        "3.sampler_name": "true",
        "3.steps": 8,
        "7.text": '"quoted"',
    }
    assert read_settings(["6.text=42"], workflow)["6.text"] == 42


def test_bad_settings_are_all_named(workflow):
    found = problems_of(read_settings, ["3.seed", "3.sed=1", "99.x=1"], workflow)
    assert [problem.code for problem in found] == ["bad_set"] * 3
    assert found[0].message == '"3.seed" sets nothing'
