"""The shape of T5's encoder, read off the names and shapes of its tensors in transformers' naming.

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
Transformer"; the gated layers are those of T5 1.1 (Shazeer 2020, "GLU Variants Improve Transformer").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.errors import UnsupportedModel
from bridge.models.header import Header, Shape

_FIRST = "encoder.block.0.layer."
_EMBEDDINGS = "shared.weight", "encoder.embed_tokens.weight"
_BIAS = "SelfAttention.relative_attention_bias.weight"
_OTHERS = {512: "T5-small", 768: "T5-base", 1024: "T5-large", 2048: "T5-XL"}
"""Width → what it is; XXL's is 4096."""


@dataclass(frozen=True, slots=True)
class T5Layout:
    """The encoder of a T5 1.1.

    Args:
        vocabulary: Number of tokens.
        width: Of the embeddings.
        inner_width: Of the inner layer of each block.
        layers: Number of blocks.
        heads: Attention heads of a block.
        head_width: Channels of a head.
        buckets: How many distances between tokens are told apart.
    """

    vocabulary: int
    width: int
    inner_width: int
    layers: int
    heads: int
    head_width: int
    buckets: int


def t5_layout(shapes: Mapping[str, Shape]) -> T5Layout | None:
    """Describe a T5 encoder, prefix stripped; ``None`` if it is none, or one of T5 1.0, without gates."""
    embedding = next((shapes[name] for name in _EMBEDDINGS if name in shapes), None)
    query = shapes.get(f"{_FIRST}0.SelfAttention.q.weight")
    inner = shapes.get(f"{_FIRST}1.DenseReluDense.wi_1.weight")
    bias = shapes.get(f"{_FIRST}0.{_BIAS}")
    if not (embedding and query and inner and bias):
        return None
    block = re.compile(r"encoder\.block\.(\d+)\.")
    layers = {match[1] for name in shapes if (match := block.match(name))}
    buckets, heads = bias
    return T5Layout(
        embedding[0], embedding[1], inner[0], len(layers), heads, query[0] // heads, buckets
    )  # fmt: skip


def refuse_other_t5(header: Header, name: str, prefix: str, layout: T5Layout) -> None:
    """Refuse the relatives of T5-XXL that other families read.

    Raises:
        UnsupportedModel: If it is another size, or UMT5.
    """
    other = _OTHERS.get(layout.width)
    if f"{prefix}encoder.block.1.layer.0.{_BIAS}" in header.tensors:
        other = "UMT5"
    if other:
        raise UnsupportedModel(
            f'"{name}" is {other}, not T5-XXL',
            hint="SD3, Flux and PixArt read T5-XXL: t5xxl_fp16.safetensors.",
        )
