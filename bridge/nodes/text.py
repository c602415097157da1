"""Prompts."""

from dataclasses import replace
from typing import Annotated, Literal

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
    set_t5_length,
)
from bridge.graph import EditorOption, Multiline, Range, node

Text = Annotated[str, Multiline(), EditorOption("dynamicPrompts")]
Side = Annotated[int, Range(0, 16_384)]
Guidance = Annotated[float, Range(0.0, 100.0, 0.1)]
Tokens = Annotated[int, Range(0, 10_000, 1)]


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


@node(
    "CLIPTextEncodeSD3",
    category="advanced/conditioning",
    fingerprint=lambda clip_l, clip_g, t5xxl: [embedding_stamps(text) for text in (clip_l, clip_g, t5xxl)],
    differs=EMBEDDINGS_DIFFER,
)
def clip_text_encode_sd3(
    clip: Clip, clip_l: Text, clip_g: Text, t5xxl: Text, empty_padding: Literal["none", "empty_prompt"]
) -> Conditioning:
    """Turn a prompt for each of Stable Diffusion 3's text encoders into conditioning.

    With "none" an empty prompt says nothing, with "empty_prompt" it says that nothing is asked for.
    """
    prompt = encode_prompts(
        clip,
        {"clip_l": clip_l, "clip_g": clip_g, "t5xxl": t5xxl},
        job_catalogue(),
        fills_empty=empty_padding == "empty_prompt",
    )
    return (prompt,)


@node(
    "CLIPTextEncodeFlux",
    category="advanced/conditioning/flux",
    fingerprint=lambda clip_l, t5xxl: [embedding_stamps(clip_l), embedding_stamps(t5xxl)],
    differs=EMBEDDINGS_DIFFER,
)
def clip_text_encode_flux(clip: Clip, clip_l: Text, t5xxl: Text, guidance: Guidance = 3.5) -> Conditioning:
    """Turn a prompt for each of Flux's text encoders into conditioning: words for CLIP, sentences for T5.

    More guidance follows the prompt more closely, less looks more natural.
    """
    prompt = encode_prompts(clip, {"clip_l": clip_l, "clip_g": clip_l, "t5xxl": t5xxl}, job_catalogue())
    return (replace(prompt, guidance=guidance),)


@node("FluxGuidance", category="advanced/conditioning/flux")
def flux_guidance(conditioning: Conditioning, guidance: Guidance = 3.5) -> Conditioning:
    """Set how closely Flux follows a prompt; it was taught to guide itself, at the price of one step."""
    return tuple(replace(prompt, guidance=guidance) for prompt in conditioning)


@node("FluxDisableGuidance", category="advanced/conditioning/flux")
def flux_disable_guidance(conditioning: Conditioning) -> Conditioning:
    """Tell Flux nothing of guidance, for models that were trained without it."""
    return tuple(replace(prompt, guidance=None) for prompt in conditioning)


@node(
    "CLIPTextEncodePixArtAlpha",
    category="advanced/conditioning",
    display_name="CLIP Text Encode PixArt Alpha",
    fingerprint=embedding_stamps,
    differs=EMBEDDINGS_DIFFER,
)
def clip_text_encode_pixart_alpha(
    width: Side = 1024, height: Side = 1024, *, text: Text, clip: Clip
) -> Conditioning:
    """Turn a prompt into conditioning, and tell PixArt Alpha the picture's size; Sigma needs none."""
    micro = MicroConditioning(width, height)
    return (replace(encode_prompt(clip, text, job_catalogue()), micro=micro),)


@node("T5TokenizerOptions", category="_for_testing/conditioning", display_name="T5 Tokenizer Options")
def t5_tokenizer_options(clip: Clip, min_padding: Tokens = 0, min_length: Tokens = 0) -> Clip:
    """Set how T5 fills short prompts up: to ``min_length`` tokens, and by ``min_padding`` in any case."""
    return set_t5_length(clip, min_length, min_padding)
