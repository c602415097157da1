"""Cross-attentions, their numbers, and what weight does to a hint."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from bridge.diffusion.ip_adapter.attention import EmbedsScaling, FittedMask, Hint, cross_attentions
from bridge.diffusion.look import Look
from bridge.diffusion.networks import empty_unet

SD1 = {"cross_attention_dim": 768, "attention_head_dim": 8}
SDXL = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
}


def names(config: dict[str, object]) -> tuple[UNet2DConditionModel, list[str]]:
    unet = empty_unet(config)
    return unet, [name for name, _ in unet.named_parameters()]


@pytest.mark.parametrize(("config", "layers", "transformers"), [(SD1, 16, 16), (SDXL, 70, 11)])
def test_they_are_numbered_as_adapters_do(config: dict[str, object], layers: int, transformers: int) -> None:
    unet, parameters = names(config)
    found = cross_attentions(parameters)
    theirs = [key.removesuffix(".processor") for key in unet.attn_processors if "attn2" in key]
    assert [each.path for each in found] == theirs
    assert len(found) == layers
    assert {each.transformer for each in found} == set(range(transformers))


def test_transformers_are_counted_as_the_unet_runs_them() -> None:
    found = {each.path: each for each in cross_attentions(names(SDXL)[1])}
    # What InstantStyle calls style and composition.
    assert found["up_blocks.0.attentions.1.transformer_blocks.0.attn2"].transformer == 6
    assert found["down_blocks.2.attentions.1.transformer_blocks.9.attn2"].transformer == 3
    assert found["mid_block.attentions.0.transformer_blocks.3.attn2"].part == "middle"


@pytest.mark.parametrize(
    ("scaling", "keys", "values"),
    [
        ("V only", 1.0, [0.0, 1.0]),
        ("K+V", 0.5, [0.0, 1.0]),
        ("K+V w/ C penalty", 0.25, [0.0, 0.5]),
        ("K+mean(V) w/ C penalty", 0.25, [-0.75, 1.25]),
    ],
)
def test_weight_multiplies_what_the_scaling_says(
    scaling: EmbedsScaling, keys: float, values: list[float]
) -> None:
    width = 640
    two = torch.tensor([0.0, 2.0])[None, :, None].expand(2, 2, width)
    hint = Hint(torch.ones(2, 2, width), two, 1.0, 0.0, None).weighted(0.5, scaling)
    assert float(hint.keys[0, 0, 0]) == keys
    assert hint.values[0, :, 0].tolist() == values


def test_a_mask_is_fitted_to_levels_of_odd_size() -> None:
    mask = FittedMask(torch.ones(1, 10, 10))
    for height, width in ((9, 13), (5, 7), (3, 4)):
        assert mask.at(Look(1.0, (False,), 9, 13), height * width).shape == (1, height * width)


def test_a_mask_keeps_a_hint_in_its_half() -> None:
    half = torch.zeros(1, 8, 8)
    half[:, :4] = 1
    hint = Hint(torch.ones(2, 1, 4), torch.ones(2, 1, 4), 1.0, 0.0, FittedMask(half))
    out = hint.attended(torch.zeros(2, 2, 64, 2), Look(1.0, (False, True), 8, 8))
    assert out[..., :32, :].eq(1).all()
    assert out[..., 32:, :].eq(0).all()
