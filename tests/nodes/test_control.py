"""ControlNet nodes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bridge.builtin import model_folder
from bridge.diffusion import ControlNetwork, Prompt, load_controlnet
from bridge.engine import Folders, Job, running
from bridge.errors import InputError
from bridge.nodes.control import (
    controlnet_apply,
    controlnet_apply_advanced,
    controlnet_apply_with_vae,
    controlnet_inpainting_alimama_apply,
    controlnet_loader,
    inpaint_preprocessor,
    set_union_controlnet_type,
)

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


def test_the_node_with_a_vae_does_the_same(network: ControlNetwork) -> None:
    vae: Any = object()
    [positive], [negative] = controlnet_apply_with_vae(PROMPT, OTHER, network, vae, IMAGE, 0.7, 0.1, 0.6)
    [control] = positive.controls
    assert (control.conditioning_scale, control.start, control.end) == (0.7, 0.1, 0.6)
    assert control.image is IMAGE
    assert negative.controls == positive.controls


def test_an_inpainting_controlnet_is_told_the_mask(network: ControlNetwork) -> None:
    vae, mask = object(), torch.ones(1, 64, 64)
    apply: Any = controlnet_inpainting_alimama_apply
    sees = replace(network, sees_mask=True)
    [positive], [negative] = apply(PROMPT, OTHER, sees, vae, IMAGE, mask, 0.7, 0.1, 0.6)
    [control] = positive.controls
    assert (control.conditioning_scale, control.start, control.end) == (0.7, 0.1, 0.6)
    assert control.mask is mask
    assert control.vae is vae
    assert not control.image.any()
    assert negative.controls == positive.controls
    [other], _ = apply(PROMPT, OTHER, network, vae, IMAGE, mask)
    assert other.controls[0].image is IMAGE
    assert other.controls[0].mask is None


def test_no_strength_no_control(network: ControlNetwork) -> None:
    assert controlnet_apply(PROMPT, network, IMAGE, 0.0) == PROMPT
    assert controlnet_apply_advanced(PROMPT, OTHER, network, IMAGE, 0.0) == (PROMPT, OTHER)


def test_the_demo_controlnets_are_always_there(tmp_path: Path) -> None:
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, ())), "4"):
        assert isinstance(controlnet_loader("framebridge-demo-depth"), ControlNetwork)


def test_a_union_takes_a_type_by_name(network: ControlNetwork) -> None:
    union = replace(network, control_types=6)
    assert set_union_controlnet_type(union, "depth").control_type == 1
    assert set_union_controlnet_type(union, "auto").control_type is None
    assert union.control_type is None


def test_a_type_that_a_union_does_not_know_is_refused(network: ControlNetwork) -> None:
    with pytest.raises(InputError, match="tile"):
        set_union_controlnet_type(replace(network, control_types=6), "tile")


def test_a_plain_controlnet_has_no_types(network: ControlNetwork) -> None:
    assert set_union_controlnet_type(network, "depth").control_type is None


@pytest.mark.parametrize(("is_black", "value"), [(False, -1.0), (True, 0.0)])
def test_masked_pixels_are_marked(is_black: bool, value: float) -> None:
    image = torch.rand(2, 4, 4, 3)
    mask = torch.tensor([[[1.0, 0.0], [0.0, 0.5]]])
    marked = inpaint_preprocessor(image, mask, is_black)
    assert torch.all(marked[:, 0, 0] == value)
    assert torch.equal(marked[:, 3, 3], image[:, 3, 3])
    assert torch.equal(marked[:, 0, 3], image[:, 0, 3])
