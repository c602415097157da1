"""Prompts."""

from dataclasses import replace
from typing import Annotated

from bridge.diffusion import (
    EMBEDDINGS_DIFFER,
    Clip,
    Conditioning,
    MicroConditioning,
    embedding_stamps,
    encode_prompt,
    encode_prompts,
    job_catalogue,
    set_last_layer,
)
from bridge.graph import Multiline, Range, node

Text = Annotated[str, Multiline()]
Side = Annotated[int, Range(0, 16_384)]


@node(
    "CLIPTextEncode",
    category="conditioning",
    display_name="CLIP Text Encode (Prompt)",
    fingerprint=embedding_stamps,
    differs=EMBEDDINGS_DIFFER,
)
def clip_text_encode(text: Text, clip: Clip) -> Conditioning:
    """Turn a prompt into conditioning. (word:1.2) weighs more, (word) 1.1 times, (word:0.8) less.

    ``embedding:name`` puts in a textual inversion from ``embeddings/``.
    """
    return (encode_prompt(clip, text, job_catalogue()),)


@node("CLIPSetLastLayer", category="conditioning", display_name="CLIP Set Last Layer")
def clip_set_last_layer(clip: Clip, stop_at_clip_layer: Annotated[int, Range(-24, -1, 1)] = -1) -> Clip:
    """End the text encoder at an earlier layer: -1 is the last, -2 the one before it."""
    return set_last_layer(clip, stop_at_clip_layer)


@node(
    "CLIPTextEncodeSDXL",
    category="advanced/conditioning",
    fingerprint=lambda text_g, text_l: [embedding_stamps(text_g), embedding_stamps(text_l)],
    differs=EMBEDDINGS_DIFFER,
)
def clip_text_encode_sdxl(
    clip: Clip,
    width: Side = 1024,
    height: Side = 1024,
    crop_w: Side = 0,
    crop_h: Side = 0,
    target_width: Side = 1024,
    target_height: Side = 1024,
    *,
    text_g: Text,
    text_l: Text,
) -> Conditioning:
    """Turn a prompt for each of SDXL's text encoders into conditioning, and tell it the picture's size.

    A small ``width`` and ``height`` ask for the look of an enlarged picture, a crop for one cut off there.
    """
    micro = MicroConditioning(width, height, crop_w, crop_h, target_width, target_height)
    prompt = encode_prompts(clip, {"clip_g": text_g, "clip_l": text_l}, job_catalogue())
    return (replace(prompt, micro=micro),)


@node(
    "CLIPTextEncodeSDXLRefiner",
    category="advanced/conditioning",
    fingerprint=embedding_stamps,
    differs=EMBEDDINGS_DIFFER,
)
def clip_text_encode_sdxl_refiner(
    ascore: Annotated[float, Range(0.0, 1000.0, 0.01)] = 6.0,
    width: Side = 1024,
    height: Side = 1024,
    *,
    text: Text,
    clip: Clip,
) -> Conditioning:
    """Turn a prompt into conditioning for SDXL's refiner; a higher score asks for a more pleasing picture."""
    micro = MicroConditioning(width, height, aesthetic_score=ascore)
    return (replace(encode_prompt(clip, text, job_catalogue()), micro=micro),)
