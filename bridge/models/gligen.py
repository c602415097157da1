"""GLIGEN models: layers for a UNet that paint words in boxes, told by their tensors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.errors import UnsupportedModel
from bridge.models.family import require_kind
from bridge.models.header import Header, Shape, describing

_PARTS = "input_blocks", "middle_block", "output_blocks"
"""Of a UNet in the original naming style, as it runs."""

_WORDS = "position_net.null_positive_feature"
"""What stands for a box without words."""


@dataclass(frozen=True, slots=True)
class GroundingLayout:
    """A GLIGEN model for boxes with words.

    Args:
        places: What the names of each layer's tensors start with, in the order in which a UNet runs them.
        widths: Of each layer.
        context_width: Of what stands for an object, which is that of prompt embeddings.
        text_width: Of the pooled embedding of an object's words.
    """

    places: tuple[str, ...]
    widths: tuple[int, ...]
    context_width: int
    text_width: int


@describing
def gligen(header: Header, name: str) -> GroundingLayout:
    """Describe a GLIGEN model.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is none, ``model_corrupt`` if it is damaged.
        UnsupportedModel: If it is for something else than words in boxes, or written as diffusers writes it.
    """
    require_kind(header, name, "gligen")
    shapes = header.shapes
    if _is_unsupported(shapes):
        raise UnsupportedModel(
            f'"{name}" is a GLIGEN model for other things than words in boxes, or in the layout of diffusers',
            hint="Only those for words in boxes are supported, as gligen_sd14_textbox_pruned is written.",
        )
    places = sorted((key.removesuffix("linear.weight") for key in shapes if _is_entry(key)), key=_order)
    entries = [shapes[f"{place}linear.weight"] for place in places]
    return GroundingLayout(
        places=tuple(places),
        widths=tuple(width for width, _ in entries),
        context_width=entries[0][1],
        text_width=shapes[_WORDS][0],
    )


def _is_unsupported(shapes: Mapping[str, Shape]) -> bool:
    """Tell a whole model that reads something else, or has diffusers' names, from a damaged one."""
    reads = {key for key in shapes if key.startswith("position_net.")}
    is_diffusers = any(key.startswith(("down_blocks.", "mid_block.", "up_blocks.")) for key in shapes)
    return is_diffusers or (bool(reads) and _WORDS not in reads)


def _is_entry(key: str) -> bool:
    return key.endswith(".fuser.linear.weight")


def _order(place: str) -> tuple[int, list[int]]:
    return _PARTS.index(place.split(".")[0]), [int(number) for number in re.findall(r"\.(\d+)", place)]
