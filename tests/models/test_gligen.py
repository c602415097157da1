"""Telling GLIGEN models from their tensors."""

import pytest

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import GroundingLayout, gligen
from bridge.models.header import Header, TensorEntry

BLOCK = "{}.1.transformer_blocks.0.fuser."
WIDTHS = {"output_blocks.10": 320, "output_blocks.9": 320, "middle_block": 1280, "input_blocks.2": 320}
SHAPES: dict[str, tuple[int, ...]] = {
    **{f"{BLOCK.format(place)}linear.weight": (width, 768) for place, width in WIDTHS.items()},
    **{f"{BLOCK.format(place)}linear.bias": (width,) for place, width in WIDTHS.items()},
    "position_net.null_positive_feature": (768,),
}


def header_of(shapes: dict[str, tuple[int, ...]]) -> Header:
    return Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_layers_are_in_the_order_in_which_a_unet_runs_them() -> None:
    order = "input_blocks.2", "middle_block", "output_blocks.9", "output_blocks.10"
    places = tuple(map(BLOCK.format, order))
    assert gligen(header_of(SHAPES), "x") == GroundingLayout(places, (320, 1280, 320, 320), 768, 768)


@pytest.mark.parametrize(
    "shapes",
    [
        {name: shape for name, shape in SHAPES.items() if not name.startswith("position_net.")},
        {**SHAPES, "middle_block.1.transformer_blocks.0.fuser.linear.weight": (1280,)},
        {"position_net.null_positive_feature": (768,)},
        {**SHAPES, "elsewhere.fuser.linear.weight": (4, 768)},
    ],
    ids=["no position net", "a flat layer", "no layers", "a layer elsewhere"],
)
def test_a_damaged_file_is_one_error(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ModelError) as caught:
        gligen(header_of(shapes), "x")
    assert caught.value.code == "model_corrupt"


@pytest.mark.parametrize(
    "shapes",
    [
        {**{name: SHAPES[name] for name in list(SHAPES)[:-1]}, "position_net.null_text_feature": (768,)},
        {**{name: SHAPES[name] for name in list(SHAPES)[:-1]}, "position_net.null_person_feature": (768,)},
        {name.replace("input_blocks.2", "down_blocks.0"): shape for name, shape in SHAPES.items()},
    ],
    ids=["for words and pictures", "for poses", "as diffusers writes it"],
)
def test_other_gligen_models_are_not_called_damaged(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        gligen(header_of(shapes), "x")
    assert "gligen_sd14_textbox_pruned" in str(caught.value.hint)


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ModelError, match="is not a GLIGEN model; it looks like a LoRA") as caught:
        gligen(header_of({"lora_unet_x.lora_up.weight": (4, 4)}), "x")
    assert caught.value.code == "wrong_model_kind"
