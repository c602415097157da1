"""PhotoMaker: an image tower of CLIP with a second projection, and what puts faces into words."""

from dataclasses import dataclass

from bridge.errors import UnsupportedModel
from bridge.models.family import require_kind
from bridge.models.header import Header, describing
from bridge.models.vision import VisionLayout, vision_layout


@dataclass(frozen=True, slots=True)
class PhotoMakerLayout:
    """An identity encoder.

    Args:
        vision: Its image tower.
        second_projection: Width of the second image embeddings; both projections together are as wide as
            the prompt embeddings of SDXL.
    """

    vision: VisionLayout
    second_projection: int

    @property
    def width(self) -> int:
        """Of the words that it changes."""
        return self.vision.projection + self.second_projection


@describing
def photomaker(header: Header, name: str) -> PhotoMakerLayout:
    """Describe an identity encoder of PhotoMaker's first version.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is none, ``model_corrupt`` if it is damaged.
        UnsupportedModel: If it is of the second version.
    """
    require_kind(header, name, "photomaker")
    if any(key.startswith("qformer_perceiver.") for key in header.tensors):
        raise UnsupportedModel(f'"{name}" is PhotoMaker V2', hint="PhotoMaker V1 is supported.")
    vision = vision_layout(header.shapes)
    if vision is None or not vision.projection:
        raise UnsupportedModel(
            f'"{name}" is an identity encoder of an unknown shape', hint="PhotoMaker V1 is supported."
        )
    return PhotoMakerLayout(vision, header.shapes["visual_projection_2.weight"][0])
