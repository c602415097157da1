"""Telling what steers by pictures from its tensors."""

import pytest

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import AdapterLayout, Family, controlnet, kind_of
from bridge.models.header import Header, TensorEntry

FULL = {
    "conv_in.weight": (64, 192, 3, 3),
    **{f"body.{index}.block1.weight": (64, 64, 3, 3) for index in range(8)},
    **{f"body.{index}.block2.weight": (64 << index // 2, 64, 1, 1) for index in range(8)},
}
LIGHT = {
    **{f"body.{level}.in_conv.weight": (80, 192, 1, 1) for level in range(4)},
    **{
        f"body.{level}.body.{block}.block1.weight": (80, 80, 3, 3) for level in range(4) for block in range(4)
    },
    **{f"body.{level}.out_conv.weight": (320, 80, 1, 1) for level in range(4)},
}


def header_of(shapes: dict[str, tuple[int, ...]]) -> Header:
    return Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def adapter(shapes: dict[str, tuple[int, ...]]) -> AdapterLayout:
    assert kind_of(header_of(shapes)) == "t2i_adapter"
    found = controlnet(header_of(shapes), "x")
    assert isinstance(found, AdapterLayout)
    return found


def test_a_full_adapter() -> None:
    found = adapter(FULL)
    assert (found.in_channels, found.factor, found.blocks, found.kernel) == (3, 8, 2, 1)
    assert found.channels == (64, 128, 256, 512)
    assert found.families == (Family.SD1, Family.SD2)
    assert not found.convolves
    assert adapter({**FULL, "body.2.down_opt.op.weight": (64, 64, 3, 3)}).convolves


@pytest.mark.parametrize(
    ("pixels", "channels", "families"),
    [(64, 1, (Family.SD1, Family.SD2)), (256, 1, (Family.SDXL,)), (768, 3, (Family.SDXL,))],
)
def test_the_first_layer_tells_shades_and_family(
    pixels: int, channels: int, families: tuple[Family, ...]
) -> None:
    found = adapter({**FULL, "conv_in.weight": (64, pixels, 3, 3)})
    assert (found.in_channels, found.families) == (channels, families)


def test_a_light_adapter() -> None:
    found = adapter(LIGHT)
    assert (found.is_light, found.blocks, found.channels) == (True, 4, (320,) * 4)


def test_diffusers_names() -> None:
    found = adapter(
        {
            "adapter.conv_in.weight": (64, 192, 3, 3),
            **{
                f"adapter.body.{level}.resnets.{block}.block{layer}.weight": (64, 64, 1, 1)
                for level in range(4)
                for block in range(2)
                for layer in (1, 2)
            },
        }
    )
    assert (found.is_diffusers, found.prefix, found.blocks, len(found.channels)) == (True, "adapter.", 2, 4)


@pytest.mark.parametrize("prefix", ["", "control_model."])
def test_a_controlnet_xs_of_its_authors_is_refused_with_a_remedy(prefix: str) -> None:
    shapes = {
        f"{prefix}enc_zero_convs_in.0.0.weight": (320, 320, 1, 1),
        f"{prefix}input_hint_block.0.weight": (16, 3, 3, 3),
    }
    with pytest.raises(UnsupportedModel, match="ControlNet-XS") as caught:
        controlnet(header_of(shapes), "x")
    assert "diffusers" in str(caught.value.hint)


@pytest.mark.parametrize(
    "shapes",
    [
        {name: shape for name, shape in LIGHT.items() if name != "body.1.out_conv.weight"},
        {**FULL, "conv_in.weight": (64,)},
        {"input_hint_block.0.weight": (16, 3, 3, 3), "a.attn2.to_k.weight": (4,)},
    ],
    ids=["a light adapter without a layer", "a flat convolution", "a flat attention"],
)
def test_a_damaged_file_is_one_error(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ModelError) as caught:
        controlnet(header_of(shapes), "x")
    assert caught.value.code == "model_corrupt"
    assert '"x"' in str(caught.value)


def test_an_upscaler_is_no_adapter() -> None:
    assert kind_of(header_of({"body.0.weight": (64, 3, 3, 3), "body.1.weight": (64,)})) == "upscaler"
