"""T5's encoder, read off shapes."""

import pytest

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Header, TensorEntry, kind_of, t5_layout, text_tower
from bridge.models.header import Shape
from bridge.models.t5 import T5Layout

XXL = T5Layout(
    vocabulary=32128, width=4096, inner_width=10240, layers=24, heads=64, head_width=64, buckets=32
)


def published(layout: T5Layout) -> dict[str, Shape]:
    """Return the tensors of t5xxl_fp16.safetensors, in transformers' names."""
    width, attention = layout.width, layout.heads * layout.head_width
    shapes: dict[str, Shape] = {
        "shared.weight": (layout.vocabulary, width),
        "encoder.final_layer_norm.weight": (width,),
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, layout.heads),
    }
    for number in range(layout.layers):
        first, second = (f"encoder.block.{number}.layer.{place}" for place in (0, 1))
        shapes |= {f"{first}.SelfAttention.{part}.weight": (attention, width) for part in "qkv"}
        shapes |= {
            f"{first}.SelfAttention.o.weight": (width, attention),
            f"{first}.layer_norm.weight": (width,),
            f"{second}.DenseReluDense.wi_0.weight": (layout.inner_width, width),
            f"{second}.DenseReluDense.wi_1.weight": (layout.inner_width, width),
            f"{second}.DenseReluDense.wo.weight": (width, layout.inner_width),
            f"{second}.layer_norm.weight": (width,),
        }
    return shapes


def header(shapes: dict[str, Shape], prefix: str = "") -> Header:
    return Header({prefix + name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_t5_xxl_is_known_by_its_tensors() -> None:
    file = header(published(XXL))
    part = text_tower(file, "t5xxl_fp16.safetensors")
    assert (part.kind, part.layout, part.prefix) == ("t5xxl", XXL, "")
    assert kind_of(file) == "text_encoder"


def test_t5_xxl_is_found_in_a_checkpoint() -> None:
    prefix = "text_encoders.t5xxl.transformer."
    file = header(published(XXL), prefix)
    tensors = {**file.tensors, "model.diffusion_model.x": TensorEntry("F16", (), 0, 0)}
    part = text_tower(Header(tensors, {}), "sd3_medium_incl_clips_t5xxlfp8.safetensors")
    assert (part.kind, part.layout, part.prefix) == ("t5xxl", XXL, prefix)


def test_an_embedding_in_its_other_place_is_found() -> None:
    shapes = published(XXL)
    shapes["encoder.embed_tokens.weight"] = shapes.pop("shared.weight")
    assert t5_layout(shapes) == XXL


@pytest.mark.parametrize(
    ("width", "name"), [(2048, "T5-XL"), (1024, "T5-large"), (768, "T5-base"), (512, "T5-small")]
)
def test_smaller_relatives_are_refused_by_name(width: int, name: str) -> None:
    layout = T5Layout(32128, width, 2048, 12, 12, 64, 32)
    with pytest.raises(UnsupportedModel, match=f"is {name}, not T5-XXL") as caught:
        text_tower(header(published(layout)), "x")
    assert "t5xxl_fp16.safetensors" in caught.value.hint


def test_umt5_is_refused_by_name() -> None:
    shapes = published(XXL)
    shapes["encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, 64)
    with pytest.raises(UnsupportedModel, match="UMT5"):
        text_tower(header(shapes), "umt5")


def test_a_t5_without_gates_is_of_an_unknown_kind() -> None:
    shapes = {name.replace(".wi_1.", ".wi."): shape for name, shape in published(XXL).items()}
    with pytest.raises(UnsupportedModel, match="unknown kind"):
        text_tower(header(shapes), "x")


@pytest.mark.parametrize("shape", [(), (32,), (32, 0)])
def test_a_tensor_of_an_impossible_shape_is_an_error_of_the_file(shape: Shape) -> None:
    shapes = {**published(XXL)}
    shapes["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = shape
    with pytest.raises((ModelError, UnsupportedModel)):
        text_tower(header(shapes), "x")
