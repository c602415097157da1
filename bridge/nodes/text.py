"""Prompts."""

from typing import Annotated

from bridge.diffusion import Clip, Conditioning, encode_prompt, set_last_layer
from bridge.graph import Multiline, Range, node


@node("CLIPTextEncode", category="conditioning", display_name="CLIP Text Encode (Prompt)")
def clip_text_encode(text: Annotated[str, Multiline()], clip: Clip) -> Conditioning:
    """Turn a prompt into conditioning. (word:1.2) weighs more, (word) 1.1 times, (word:0.8) less."""
    return (encode_prompt(clip, text),)


@node("CLIPSetLastLayer", category="conditioning", display_name="CLIP Set Last Layer")
def clip_set_last_layer(clip: Clip, stop_at_clip_layer: Annotated[int, Range(-24, -1, 1)] = -1) -> Clip:
    """End the text encoder at an earlier layer: -1 is the last, -2 the one before it."""
    return set_last_layer(clip, stop_at_clip_layer)
