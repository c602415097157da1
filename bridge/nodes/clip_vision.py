"""CLIP vision: what pictures show, as embeddings."""

from typing import Annotated, Literal

from bridge.diffusion import Image, find_model, model_stamps
from bridge.diffusion.clip_vision import ClipVision, ClipVisionOutput, encode_pictures, load_clip_vision
from bridge.graph import ChoicesFrom, node


@node(
    "CLIPVisionLoader",
    category="loaders",
    display_name="Load CLIP Vision",
    fingerprint=model_stamps(clip_name="clip_vision"),
)
def clip_vision_loader(clip_name: Annotated[str, ChoicesFrom("clip_vision")]) -> ClipVision:
    """Open a CLIP vision model, or SigLIP, which IP-Adapters and style models see pictures through."""
    return load_clip_vision(find_model("clip_vision", clip_name), clip_name)


@node("CLIPVisionEncode", category="conditioning", display_name="CLIP Vision Encode")
def clip_vision_encode(
    clip_vision: ClipVision, image: Image, crop: Literal["center", "none"]
) -> ClipVisionOutput:
    """Embed what pictures show; "none" squeezes an oblong picture instead of cutting out its middle."""
    return encode_pictures(clip_vision, image, crops=crop == "center")
