"""Weighted sums of networks."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.diffusion import DiffusionModel, Network, TextEncoder
from bridge.diffusion.merging import block_shares, merge_models, merge_text_encoders
from bridge.errors import ModelError

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


def test_models_of_other_shapes_are_refused(model: DiffusionModel) -> None:
    small = replace(model, unet=Network("small", lambda placement: torch.nn.Linear(2, 2)))
    with pytest.raises(ModelError, match="tiny UNet and small cannot be merged") as caught:
        merge_models(model, small, block_shares({"": 0.5}))
    assert caught.value.code == "model_mismatch"
