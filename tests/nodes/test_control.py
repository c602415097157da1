"""ControlNet nodes."""

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import ControlNetwork, Prompt, load_controlnet
from bridge.nodes.control import controlnet_apply, controlnet_apply_advanced

PROMPT, OTHER = (Prompt(torch.zeros(1, 77, 64)),), (Prompt(torch.ones(1, 77, 64)),)
IMAGE = torch.rand(1, 64, 64, 3)


@pytest.fixture(scope="module")
def network() -> ControlNetwork:
    return load_controlnet(model_folder() / "controlnet_depth", "depth")


def test_the_simple_node_covers_the_whole_run_and_the_negative_prompt(network: ControlNetwork) -> None:
    [prompt] = controlnet_apply(PROMPT, network, IMAGE, 0.7)
    [control] = prompt.controls
    assert (control.conditioning_scale, control.start, control.end) == (0.7, 0.0, 1.0)
    assert control.covers_negative
    assert control.network is network


def test_the_advanced_node_steers_both_sides_alike(network: ControlNetwork) -> None:
    positive, negative = controlnet_apply_advanced(PROMPT, OTHER, network, IMAGE, 0.7, 0.1, 0.6)
    assert positive[0].controls == negative[0].controls
    [control] = positive[0].controls
    assert (control.conditioning_scale, control.start, control.end) == (0.7, 0.1, 0.6)
    assert torch.equal(negative[0].prompt_embeds, OTHER[0].prompt_embeds)


def test_no_strength_no_control(network: ControlNetwork) -> None:
    assert controlnet_apply(PROMPT, network, IMAGE, 0.0) == PROMPT
    assert controlnet_apply_advanced(PROMPT, OTHER, network, IMAGE, 0.0) == (PROMPT, OTHER)
