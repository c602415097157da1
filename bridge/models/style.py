"""Style models: what turns what CLIP vision sees into words for the prompt."""

from dataclasses import dataclass

from bridge.models.family import Family, require_kind
from bridge.models.header import Header, describing


@dataclass(frozen=True, slots=True)
class StyleLayout:
    """A style model.

    Args:
        family: What it was made for: T2I-Adapter's for Stable Diffusion 1.x, Redux for Flux.
        width: Of CLIP vision's hidden states that it reads.
        context_width: Of the prompt embeddings that it makes.
        tokens: How many it makes of each picture; 0 for one of each hidden state.
        layers: Number of its transformer blocks.
        inner_width: Between Redux's two linear layers.
    """

    family: Family
    width: int
    context_width: int
    tokens: int = 0
    layers: int = 0
    inner_width: int = 0


@describing
def style_model(header: Header, name: str) -> StyleLayout:
    """Describe a style model.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is none, ``model_corrupt`` if it is damaged.
    """
    require_kind(header, name, "style_model")
    shapes = header.shapes
    if "redux_down.weight" in shapes:
        inner, width = shapes["redux_up.weight"]
        return StyleLayout(Family.FLUX, width, shapes["redux_down.weight"][0], inner_width=inner)
    _, tokens, width = shapes["style_embedding"]
    layers = {key.split(".")[1] for key in shapes if key.startswith("transformer_layes.")}
    return StyleLayout(Family.SD1, width, shapes["proj"][1], tokens, len(layers))
