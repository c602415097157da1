"""Telling style models from their tensors."""

import pytest

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import StyleLayout, style_model
from bridge.models.header import Header, TensorEntry

PUBLISHED = {
    "style_embedding": (1, 8, 1024),
    "proj": (1024, 768),
    **{f"transformer_layes.{layer}.ln_1.weight": (1024,) for layer in range(3)},
}


def header_of(shapes: dict[str, tuple[int, ...]]) -> Header:
    return Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_the_published_one() -> None:
    assert style_model(header_of(PUBLISHED), "x") == StyleLayout(1024, 768, 8, 3)


def test_fluxs_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModel, match="Flux"):
        style_model(header_of({"redux_down.weight": (4, 4), "redux_up.weight": (4, 4)}), "x")


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ModelError, match="is not a style model; it looks like a LoRA") as caught:
        style_model(header_of({"lora_unet_x.lora_up.weight": (4, 4)}), "x")
    assert caught.value.code == "wrong_model_kind"


def test_a_damaged_file_is_one_error() -> None:
    with pytest.raises(ModelError) as caught:
        style_model(header_of({**PUBLISHED, "style_embedding": (8,)}), "x")
    assert caught.value.code == "model_corrupt"
