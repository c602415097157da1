import fake_nodes
import pytest

from bridge.errors import BridgeError, WorkflowError
from bridge.graph import InputDefinition, NodeDefinition
from bridge.jobs.prepare import LIGHT_NODES, draft, is_light_work
from bridge.protocol import SetStream, Submit

DEFINITIONS = fake_nodes.registry().definitions
WORKFLOW = {
    "1": {"class_type": "Constant", "inputs": {"value": "3"}},
    "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
}
CLEAN = {**WORKFLOW, "1": {"class_type": "Constant", "inputs": {"value": 3}}}


def as_typed(template, seed):
    return template


def prepared(workflow=None, kind=Submit, expand=None, resolve=as_typed, **fields):
    names = {"stream": "view"} if kind is SetStream else {}
    message = kind(request="r", workflow=workflow or {}, **names, **fields)
    return draft(message, DEFINITIONS, lambda folder: [], expand, resolve).prepared()


@pytest.mark.parametrize("kind", [Submit, SetStream])
def test_values_are_converted_and_what_was_submitted_is_kept_beside_it(kind):
    ready = prepared(WORKFLOW, kind)
    assert (ready.workflow, ready.prompt, ready.outputs) == (CLEAN, WORKFLOW, ("2",))


def test_what_needs_no_conversion_is_not_kept_twice():
    assert prepared(CLEAN).prompt == {}


def test_values_replace_inputs_of_a_workflow():
    assert prepared(CLEAN, values={"1.value": 8}).workflow["1"]["inputs"] == {"value": 8}


def test_a_preset_is_expanded_with_its_values():
    asked = []

    def expand(preset, values):
        asked.append((preset, values))
        return WORKFLOW

    assert prepared(preset="Stylize", values={"strength": 0.5}, expand=expand).workflow == CLEAN
    assert asked == [("Stylize", {"strength": 0.5})]


def test_what_keeps_single_outputs_from_running_is_a_warning():
    ready = prepared({**CLEAN, "3": {"class_type": "Show", "inputs": {}}})
    assert ready.outputs == ("2",)
    assert [(warning.node_id, warning.is_warning) for warning in ready.warnings] == [("3", True)]


def test_a_job_may_want_some_outputs_only():
    workflow = {**CLEAN, "3": {"class_type": "Show", "inputs": {"value": ["1", 0]}}}
    ready = prepared(workflow, targets=("3", "1"))
    assert ready.outputs == ("3",)
    assert [(warning.code, warning.is_warning) for warning in ready.warnings] == [("bad_target", True)]


@pytest.mark.parametrize(
    ("workflow", "fields"),
    [({}, {}), ({"1": {"class_type": "Show", "inputs": {}}}, {}), (CLEAN, {"values": {"9.value": 1}})],
    ids=["empty", "faulty", "bad value"],
)
def test_what_cannot_run_is_refused(workflow, fields):
    with pytest.raises(WorkflowError):
        prepared(workflow, **fields)


def test_faults_of_a_preset_are_passed_on():
    def expand(preset, values):
        raise BridgeError("no such preset", code="unknown_preset")

    with pytest.raises(BridgeError, match="no such preset"):
        prepared(preset="x", expand=expand)


def test_workflows_that_give_the_same_pictures_run_alike():
    assert prepared(CLEAN).runs_like(prepared(WORKFLOW))
    assert not prepared(CLEAN).runs_like(prepared(CLEAN, values={"1.value": 4}))


@pytest.mark.parametrize("kind", [Submit, SetStream])
def test_dynamic_prompts_are_drawn_with_the_seed_of_the_workflow_and_told(kind):
    def expand(preset, values):
        return {
            "1": {"class_type": "Constant", "inputs": {"value": values["prompt"]}},
            "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
            "3": {"class_type": "Sampler", "inputs": {"seed": 7}},
        }

    ready = prepared(
        kind=kind,
        preset="Stylize",
        values={"prompt": "{3|4}", "plain": "5", "other": "{a}"},
        dynamic=("prompt", "plain"),
        expand=expand,
        resolve=lambda template, seed: template.replace("{3|4}", f"{seed}"),
    )
    assert ready.workflow["1"]["inputs"] == {"value": 7}
    assert ready.texts == {"prompt": "7"}
    assert ready.templates == {"prompt": "{3|4}"}


def test_a_dynamic_prompt_of_a_workflow_is_named_by_its_input():
    ready = prepared(
        WORKFLOW,
        values={"1.value": "{8}"},
        dynamic=("1.value",),
        resolve=lambda template, seed: template[1:-1],
    )
    assert ready.workflow["1"]["inputs"] == {"value": 8}


@pytest.mark.parametrize("kind", [Submit, SetStream])
def test_a_dynamic_prompt_without_a_value_is_refused_with_the_nearest_name(kind):
    with pytest.raises(WorkflowError) as caught:
        prepared(
            kind=kind,
            preset="Stylize",
            values={"prompt": "{red|blue} clay"},
            dynamic=("prompt", "promt", "other"),
            expand=lambda preset, values: CLEAN,
        )
    near, far = caught.value.problems
    assert (near.code, near.input_name, near.hint) == ("unknown_control", "promt", 'Did you mean "prompt"?')
    assert (far.code, far.input_name) == ("unknown_control", "other")
    assert far.hint


def test_values_that_are_not_said_to_be_dynamic_stay_as_they_are():
    with pytest.raises(WorkflowError):
        prepared(WORKFLOW, values={"1.value": "{8}"}, resolve=lambda template, seed: "8")


MODEL = NodeDefinition(
    "Model", "fake", inputs=(InputDefinition("name", "COMBO", choices_from="checkpoints"),)
)


@pytest.mark.parametrize(
    ("workflow", "fields", "is_light"),
    [
        (WORKFLOW, {}, True),
        ({**WORKFLOW, "3": {"class_type": "Model", "inputs": {}}}, {}, False),
        ({str(number): WORKFLOW["1"] for number in range(LIGHT_NODES + 1)}, {}, False),
        (WORKFLOW, {"dynamic": ("1.value",)}, False),
        ({}, {"preset": "Stylize"}, False),
        ({"1": {"class_type": "Nonsense"}}, {}, False),
        ({"1": {"class_type": []}}, {}, False),
        ({"nodes": []}, {}, False),
    ],
)
def test_work_is_light_where_nodes_are_few_and_known_and_no_folder_is_listed(workflow, fields, is_light):
    message = Submit("r", workflow, **fields)
    assert is_light_work(message, {**DEFINITIONS, "Model": MODEL}) is is_light


def test_drawings_of_the_editor_run():
    nodes = [
        {"id": 1, "type": "Constant", "widgets_values": [3]},
        {"id": 2, "type": "Show", "inputs": [{"name": "value", "link": 5}]},
    ]
    assert prepared({"nodes": nodes, "links": [[5, 1, 0, 2, 0, "NUMBER"]]}).workflow == CLEAN
