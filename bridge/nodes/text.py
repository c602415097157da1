"""Prompts."""

from typing import Annotated, Any

from bridge.diffusion import (
    Clip,
    Conditioning,
    embedding_names,
    encode_prompt,
    find_embedding,
    job_catalogue,
    set_last_layer,
)
from bridge.errors import BridgeError
from bridge.graph import Multiline, Range, node

Text = Annotated[str, Multiline()]


def embedding_stamps(text: str) -> Any:
    """Return what changes when an embedding that a prompt names does."""
    models = job_catalogue()
    try:
        paths = [find_embedding(name, models)[0] for name in embedding_names(text)]
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    except (BridgeError, OSError):
        return None


@node(
    "CLIPTextEncode",
    category="conditioning",
    display_name="CLIP Text Encode (Prompt)",
    fingerprint=embedding_stamps,
    differs="An embedding that is not there, or is of another family, is an error instead of being left out.",
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
