"""Style models: T2I-Adapters that turn what CLIP vision sees into words for the prompt."""

from dataclasses import dataclass

from bridge.errors import UnsupportedModel
from bridge.models.family import require_kind
from bridge.models.header import Header, describing


@dataclass(frozen=True, slots=True)
class StyleLayout:
    """A style model.

    Args:
        width: Of CLIP vision's hidden states that it reads.
        context_width: Of the prompt embeddings that it makes.
        tokens: How many it makes of each picture.
        layers: Number of its transformer blocks.
    """

    width: int
    context_width: int
    tokens: int
    layers: int


@describing
def style_model(header: Header, name: str) -> StyleLayout:
    """Describe a style model.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is none, ``model_corrupt`` if it is damaged.
        UnsupportedModel: If it is one of another family.
    """
    require_kind(header, name, "style_model")
    shapes = header.shapes
    if "redux_down.weight" in shapes:
        raise UnsupportedModel(
            f'"{name}" is a style model for Flux', hint="T2I-Adapter's style model for SD 1.x is supported."
        )
    _, tokens, width = shapes["style_embedding"]
    layers = {key.split(".")[1] for key in shapes if key.startswith("transformer_layes.")}
    return StyleLayout(width, shapes["proj"][1], tokens, len(layers))
