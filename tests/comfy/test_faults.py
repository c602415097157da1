"""Faults that the nodes of these tests cannot have, in ComfyUI's words."""

import pytest

from bridge.comfy import faults
from bridge.comfy.faults import Judgement
from bridge.errors import Problem
from bridge.graph import InputDefinition, Link, NodeDefinition, Workflow, WorkflowNode

DEFINITIONS = {
    "Picky": NodeDefinition("Picky", "test"),
    "Out": NodeDefinition("Out", "test", is_output=True),
}
WORKFLOW = Workflow(
    {
        "1": WorkflowNode("1", "Picky", {"size": 7}),
        "2": WorkflowNode("2", "Out", {"x": Link("1", 0)}),
        "3": WorkflowNode("3", "Out"),
    }
)


def told(code, message, input_name=""):
    judgement = Judgement(WORKFLOW, DEFINITIONS, lambda folder: [])
    problem = Problem(code, message, "Do this.", "1", input_name, is_warning=True)
    entry = judgement.node_errors([problem])["1"]
    assert entry["dependent_outputs"] == ["2"]
    assert entry["class_type"] == "Picky"
    [error] = entry["errors"]
    return error


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ("Picky refuses its inputs: size is odd", "size - size is odd"),
        ("Picky refuses its inputs", "size"),
        ("something else", "size - something else"),
    ],
)
def test_words_of_a_nodes_own_validator(message, details):
    error = told("custom_validation_failed", message, "size")
    assert (error["type"], error["details"]) == ("custom_validation_failed", details)
    assert error["message"] == "Custom validation failed for node"
    assert error["extra_info"] == {
        "input_name": "size",
        "code": "custom_validation_failed",
        "hint": "Do this.",
    }


@pytest.mark.parametrize("code", ["exception_during_validation", "validator_timeout"])
def test_validator_that_fails_or_hangs(code):
    error = told(code, "Picky could not be asked")
    assert error["type"] == "exception_during_validation"
    assert error["details"] == "Picky could not be asked"
    assert error["extra_info"]["traceback"] == []


def test_fault_of_no_node_is_one_of_the_prompt():
    body = Judgement(WORKFLOW, DEFINITIONS, lambda folder: []).refusal([Problem("too_complex", "too many")])
    assert body["error"]["type"] == "invalid_prompt"
    assert body["error"]["message"] == "too many"
    assert body["error"]["extra_info"] == {"code": "too_complex"}
    assert body["node_errors"] == {}


def test_of_many_nodes_at_fault_some_are_told(monkeypatch):
    monkeypatch.setattr(faults, "MAX_NODES", 1)
    problems = [Problem("missing_input", "is missing", node_id=node, input_name="x") for node in "1123"]
    body = Judgement(WORKFLOW, DEFINITIONS, lambda folder: []).node_errors(problems)
    assert {node: len(entry["errors"]) for node, entry in body.items()} == {"1": 2}


def test_long_list_of_choices_is_counted():
    names = [f"{number}.safetensors" for number in range(50)]
    entry = InputDefinition("model", "COMBO", choices_from="checkpoints")
    definitions = {"Picky": NodeDefinition("Picky", "test", inputs=(entry,))}
    workflow = Workflow({"1": WorkflowNode("1", "Picky", {"model": "x"})})
    problem = Problem("model_not_found", "is not there", node_id="1", input_name="model")
    [error] = Judgement(workflow, definitions, lambda folder: names).node_errors([problem])["1"]["errors"]
    assert error["details"] == "model: 'x' not in (list of length 50)"
    assert error["extra_info"]["input_config"] is None
