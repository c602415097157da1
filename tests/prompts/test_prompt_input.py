from typing import Any

import pytest

from bridge.errors import InputError
from bridge.graph import Definitions, InputDefinition, NodeDefinition, parse_workflow
from bridge.prompts import prompt_inputs


def taking(name: str, *texts: str, conditionings: tuple[str, ...] = ()) -> NodeDefinition:
    inputs = [InputDefinition(text, "STRING", is_multiline=True) for text in texts]
    inputs += [InputDefinition(entry, "CONDITIONING") for entry in conditionings]
    return NodeDefinition(name, "x", inputs=tuple(inputs))


DEFINITIONS: Definitions = {
    entry.name: entry
    for entry in (
        taking("CLIPTextEncode", "text"),
        taking("CLIPTextEncodeSDXL", "text_g", "text_l"),
        taking("PrimitiveStringMultiline", "value"),
        taking("KSampler", conditionings=("positive", "negative")),
        taking("ControlNetApplyAdvanced", conditionings=("positive", "negative")),
        taking("ConditioningCombine", conditionings=("conditioning_1", "conditioning_2")),
        taking("FluxGuidance", conditionings=("conditioning",)),
        taking("BasicGuider", conditionings=("conditioning",)),
    )
}


def found(side: str = "positive", **nodes: tuple[str, dict[str, Any]]) -> tuple[str, ...]:
    workflow = {
        key.strip("n"): {"class_type": name, "inputs": inputs} for key, (name, inputs) in nodes.items()
    }
    return prompt_inputs(parse_workflow(workflow), DEFINITIONS, side)


SAMPLER = ("KSampler", {"positive": ["6", 0], "negative": ["7", 0]})
NEGATIVE = ("CLIPTextEncode", {"text": "blurry"})


def test_the_text_that_reaches_the_sampler_as_positive() -> None:
    assert found(n3=SAMPLER, n6=("CLIPTextEncode", {"text": "a car"}), n7=NEGATIVE) == ("6.text",)


def test_it_is_found_behind_controlnets_and_text_nodes() -> None:
    assert found(
        n3=("KSampler", {"positive": ["12", 0], "negative": ["12", 1]}),
        n12=("ControlNetApplyAdvanced", {"positive": ["6", 0], "negative": ["7", 0]}),
        n6=("CLIPTextEncode", {"text": ["8", 0]}),
        n7=NEGATIVE,
        n8=("PrimitiveStringMultiline", {"value": "a car"}),
    ) == ("8.value",)


def test_the_negative_text_is_found_alike() -> None:
    assert found(
        "negative",
        n3=("KSampler", {"positive": ["12", 0], "negative": ["12", 1]}),
        n12=("ControlNetApplyAdvanced", {"positive": ["6", 0], "negative": ["5", 0]}),
        n5=("ConditioningCombine", {"conditioning_1": ["7", 0], "conditioning_2": ["7", 0]}),
        n6=("CLIPTextEncode", {"text": "a car"}),
        n7=NEGATIVE,
    ) == ("7.text",)


def test_a_guider_takes_it_as_conditioning() -> None:
    assert found(
        n1=("BasicGuider", {"conditioning": ["2", 0]}),
        n2=("FluxGuidance", {"conditioning": ["6", 0]}),
        n6=("CLIPTextEncode", {"text": "a car"}),
    ) == ("6.text",)


def test_several_texts_of_one_node_take_the_same_prompt() -> None:
    node = ("CLIPTextEncodeSDXL", {"text_g": "a", "text_l": "b"})
    assert found(n3=SAMPLER, n6=node, n7=NEGATIVE) == ("6.text_g", "6.text_l")


def test_two_samplers_may_share_one_prompt() -> None:
    prompt = ("CLIPTextEncode", {"text": "a car"})
    assert found(n3=SAMPLER, n4=SAMPLER, n6=prompt, n7=NEGATIVE) == ("6.text",)


def test_several_prompts_are_named() -> None:
    with pytest.raises(InputError, match=r"6\.text, 8\.text") as raised:
        found(
            n3=("KSampler", {"positive": ["5", 0], "negative": ["7", 0]}),
            n5=("ConditioningCombine", {"conditioning_1": ["6", 0], "conditioning_2": ["8", 0]}),
            n6=("CLIPTextEncode", {"text": "a"}),
            n7=NEGATIVE,
            n8=("CLIPTextEncode", {"text": "b"}),
        )
    assert "--prompt-input 6.text" in raised.value.hint


@pytest.mark.parametrize("positive", [["9", 0], ["3", 0]], ids=["nowhere", "a circle"])
def test_a_workflow_without_a_prompt_says_how_to_name_one(positive: list[Any]) -> None:
    with pytest.raises(InputError, match="no text") as raised:
        found(n3=("KSampler", {"positive": positive, "negative": ["7", 0]}), n7=NEGATIVE)
    assert "--prompt-input" in raised.value.hint
