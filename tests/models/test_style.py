"""Telling style models from their tensors."""

import pytest

from bridge.errors import ModelError
from bridge.models import Family, StyleLayout, style_model
from bridge.models.header import Header, TensorEntry

PUBLISHED = {
    "style_embedding": (1, 8, 1024),
    "proj": (1024, 768),
    **{f"transformer_layes.{layer}.ln_1.weight": (1024,) for layer in range(3)},
}


def header_of(shapes: dict[str, tuple[int, ...]]) -> Header:
    return Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_the_published_one() -> None:
    assert style_model(header_of(PUBLISHED), "x") == StyleLayout(Family.SD1, 1024, 768, 8, 3)


def test_redux_is_fluxs() -> None:
    shapes = {"redux_down.weight": (4096, 12288), "redux_up.weight": (12288, 1152)}
    found = style_model(header_of(shapes), "x")
    assert found == StyleLayout(Family.FLUX, 1152, 4096, inner_width=12288)


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ModelError, match="is not a style model; it looks like a LoRA") as caught:
        style_model(header_of({"lora_unet_x.lora_up.weight": (4, 4)}), "x")
    assert caught.value.code == "wrong_model_kind"


@pytest.mark.parametrize(
    "shapes",
    [{**PUBLISHED, "style_embedding": (8,)}, {"redux_down.weight": (4, 4)}],
    ids=["T2I-Adapter", "Redux"],
)
def test_a_damaged_file_is_one_error(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ModelError) as caught:
        style_model(header_of(shapes), "x")
    assert caught.value.code == "model_corrupt"
