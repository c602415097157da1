"""Weighted sums of networks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bridge.diffusion import DiffusionModel, Network, TextEncoder, flow_schedule
from bridge.diffusion.merging import block_shares, merge_models, merge_text_encoders
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError, Problem
from bridge.models import Family
from tests.diffusion.transformer_weights import SMALL, small_transformer

NAMES = ("conv_in.weight", "mid_block.resnets.0.conv1.weight", "conv_out.weight")


@pytest.fixture
def other(model: DiffusionModel) -> DiffusionModel:
    def load(placement: Any) -> Any:
        module = type(model.unet.module()).from_config(model.unet.module().config)
        for parameter in module.parameters():
            torch.nn.init.ones_(parameter)
        return module

    return replace(model, unet=Network("other", load))


def weights(model: DiffusionModel) -> list[torch.Tensor]:
    return [model.unet.module().get_parameter(name) for name in NAMES]


def test_a_ratio_mixes_every_weight(model: DiffusionModel, other: DiffusionModel) -> None:
    mixed = merge_models(model, other, block_shares({"": 0.25}))
    for mine, first in zip(weights(mixed), weights(model), strict=True):
        torch.testing.assert_close(mine, 0.25 * first + 0.75)


def test_a_ratio_of_one_is_the_first_model(model: DiffusionModel, other: DiffusionModel) -> None:
    assert merge_models(model, other, block_shares({"": 1.0})).unet is model.unet


def test_blocks_have_ratios_of_their_own(model: DiffusionModel, other: DiffusionModel) -> None:
    mixed = merge_models(model, other, block_shares({"input": 1.0, "middle": 0.5, "out": 0.0}))
    for ratio, mine, first in zip((1.0, 0.5, 0.0), weights(mixed), weights(model), strict=True):
        torch.testing.assert_close(mine, ratio * first + (1 - ratio))


def test_a_difference_added_to_its_base_gives_the_other_back(
    model: DiffusionModel, other: DiffusionModel
) -> None:
    difference = merge_models(other, model, lambda name: (1.0, -1.0))
    back = merge_models(model, difference, lambda name: (1.0, 1.0))
    for mine, theirs in zip(weights(back), weights(other), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_text_encoders_mix_as_well(clip: TextEncoder) -> None:
    name = "encoder.layers.0.mlp.fc1.weight"
    doubled = merge_text_encoders(clip, clip, (1.5, 0.5))
    [mine, first] = (each.towers[0].network.module().get_parameter(name) for each in (doubled, clip))
    torch.testing.assert_close(mine, 2 * first)


@pytest.fixture
def inpainting(model: DiffusionModel) -> DiffusionModel:
    """The model with five more channels, and all weights 2."""

    def load(placement: Any) -> Any:
        config = {**model.unet.module().config, "in_channels": 9, "_use_default_values": []}
        module = type(model.unet.module()).from_config(config)
        for parameter in module.parameters():
            torch.nn.init.constant_(parameter, 2.0)
        return module

    return replace(model, unet=Network("inpainting", load))


def test_any_model_learns_to_inpaint_by_a_difference(
    model: DiffusionModel, other: DiffusionModel, inpainting: DiffusionModel, tmp_path: Path
) -> None:
    """As ComfyUI: what has another shape stays the first model's, times its share."""
    warnings: list[Problem] = []
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path)), "1", warnings):
        difference = merge_models(inpainting, model, lambda name: (0.5, -0.5))
        learnt = merge_models(difference, other, lambda name: (1.0, 1.0))
    entry, *others = weights(learnt)
    assert entry.shape[1] == 9
    assert entry.eq(1.0).all()
    for mine, base in zip(others, weights(model)[1:], strict=True):
        torch.testing.assert_close(mine, 2.0 - 0.5 * base)
    assert [problem.code for problem in warnings] == ["merged_in_part"] * 2
    assert '"conv_in.weight"' in warnings[0].message


def test_models_of_other_layers_are_refused(model: DiffusionModel) -> None:
    small = replace(model, unet=Network("small", lambda placement: torch.nn.Linear(2, 2)))
    with pytest.raises(
        ModelError, match="tiny UNet and small cannot be merged: they have other layers"
    ) as caught:
        merge_models(model, small, block_shares({"": 0.5}))
    assert caught.value.code == "model_mismatch"


def test_models_of_other_families_are_refused(model: DiffusionModel) -> None:
    with pytest.raises(ModelError, match=r"one is Stable Diffusion 1\.x, the other SDXL"):
        merge_models(model, replace(model, family=Family.SDXL), block_shares({"": 0.5}))


def test_transformers_are_mixed_by_their_own_names() -> None:
    layout, family = SMALL["flux_dev"]
    first, second = (
        DiffusionModel(
            Network(str(seed), lambda placement, seed=seed: small_transformer(layout, seed)),
            flow_schedule(1.0), 1.0, 8, family=family,
        )
        for seed in (1, 2)
    )  # fmt: skip
    mixed = merge_models(first, second, block_shares({"": 0.25})).unet.module().state_dict()
    mine, other = (each.unet.module().state_dict() for each in (first, second))
    for name, weight in mixed.items():
        torch.testing.assert_close(weight, 0.25 * mine[name] + 0.75 * other[name])
