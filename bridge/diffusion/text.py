"""Prompts to embeddings, as each family takes them."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from bridge.diffusion.text_towers import Encoded, encode_chunks, run_tower
from bridge.diffusion.tokens import NO_MODELS, Token, end_of, padded, tokenize
from bridge.diffusion.types import Prompt, TextEncoder
from bridge.errors import InputError
from bridge.models import Catalogue, Family, TowerKind

_WIDTHS: Mapping[TowerKind, int] = {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}
"""What Stable Diffusion 3's towers say, where they are missing: zeros of these widths."""

_T5_TOKENS: Mapping[Family, int] = {Family.SD3: 77, Family.FLUX: 256}
"""What shorter prompts are filled up to for T5; PixArt's are not."""

_EMPTY_TOKENS = 77


def encode_prompt(clip: TextEncoder, text: str, catalogue: Catalogue = NO_MODELS) -> Prompt:
    """Turn a prompt into conditioning; all text towers read the same. See ``encode_prompts``."""
    return encode_prompts(clip, {tower.kind: text for tower in clip.towers}, catalogue)


def encode_prompts(
    clip: TextEncoder,
    texts: Mapping[TowerKind, str],
    catalogue: Catalogue = NO_MODELS,
    *,
    fills_empty: bool = True,
) -> Prompt:
    """Turn a prompt for each text tower into conditioning.

    For CLIP a prompt longer than 75 tokens becomes several chunks, whose embeddings follow one another; T5
    reads it as one. The embedding of a token of weight w is w times as far from that of an empty prompt.
    CLIP's towers stand side by side; the shorter prompt is filled up with empty chunks.

    Args:
        clip: The text towers.
        texts: A prompt for each kind of tower; of kinds that are not there too.
        catalogue: Where the embeddings lie that a prompt names.
        fills_empty: Whether Stable Diffusion 3 reads empty prompts as such; else an empty one for T5 is its
            end alone, and if those for CLIP are both empty nothing is said of them.

    Raises:
        InputError: If a prompt is too long, nests parentheses too deeply, or has broken characters; code
            ``wrong_text_encoder`` if a tower has no prompt.
        ModelError: If an embedding that a prompt names is not there, damaged, or of another family.
        OutOfMemory: If a text tower does not fit.
    """
    missing = [tower.kind for tower in clip.towers if tower.kind not in texts]
    if missing:
        raise InputError(
            f"this CLIP belongs to {clip.family.value}, and its text encoder {missing[0]} has no prompt",
            code="wrong_text_encoder",
            hint="Encode the prompt with CLIPTextEncode.",
        )
    leaves_empty = not fills_empty and clip.family is Family.SD3
    chunks = _chunks(clip, texts, catalogue, leaves_empty)
    encoded = {
        tower.kind: encode_chunks(clip, tower, chunks[tower.kind])
        for tower in clip.towers
        if tower.kind in chunks
    }
    match clip.family:
        case Family.SD3:
            return _joined(encoded)
        case Family.FLUX:
            return Prompt(encoded["t5xxl"][0], encoded["clip_l"][1])
        case Family.PIXART_ALPHA | Family.PIXART_SIGMA:
            return Prompt(encoded["t5xxl"][0])
    return Prompt(torch.cat([embeds for embeds, _ in encoded.values()], dim=-1), [*encoded.values()][-1][1])


def pool_words(clip: TextEncoder, text: str, catalogue: Catalogue = NO_MODELS) -> Tensor:
    """Return what the last of CLIP's towers says of words as a whole, before its projection, (1, width).

    Args and errors: As of ``encode_prompts``.
    """
    towers = [tower for tower in clip.towers if tower.kind != "t5xxl"]
    if not towers:
        raise InputError(
            f"this CLIP belongs to {clip.family.value}, whose T5 says nothing of words as a whole",
            code="wrong_text_encoder",
            hint="Use the CLIP output of the checkpoint that the boxes are for.",
        )
    return run_tower(clip, towers[-1], tokenize(towers[-1], text, catalogue), is_projected=False)[1]


def set_last_layer(clip: TextEncoder, last_layer: int) -> TextEncoder:
    """Return the same encoder ending at another layer.

    Args:
        clip: An encoder.
        last_layer: −1 is the last layer, −2 the one before it; one that is not there means the last.
    """
    return replace(clip, last_layer=last_layer)


def set_t5_length(clip: TextEncoder, min_length: int, min_padding: int) -> TextEncoder:
    """Return the same encoder whose T5, if it has one, fills prompts up in another way.

    Args:
        clip: An encoder.
        min_length: Tokens that a prompt has at least; shorter ones are filled up.
        min_padding: Tokens to fill up with in any case, which count in that.
    """
    towers = (
        replace(tower, min_length=min_length, min_padding=min_padding) if tower.kind == "t5xxl" else tower
        for tower in clip.towers
    )
    return replace(clip, towers=tuple(towers))


def _chunks(
    clip: TextEncoder, texts: Mapping[TowerKind, str], catalogue: Catalogue, leaves_empty: bool
) -> dict[TowerKind, list[list[Token]]]:
    """Return the tokens for each tower; those of CLIP's towers have equally many chunks, or none."""
    chunks: dict[TowerKind, list[list[Token]]] = {}
    is_silent = leaves_empty and not any(text for kind, text in texts.items() if kind != "t5xxl")
    for tower in clip.towers:
        text = texts[tower.kind]
        if tower.kind == "t5xxl":
            length = _T5_TOKENS.get(clip.family, 0)
            is_left = leaves_empty and not text
            chunks["t5xxl"] = [[end_of(tower)]] if is_left else tokenize(tower, text, catalogue, length)
        elif not is_silent:
            chunks[tower.kind] = tokenize(tower, text, catalogue)
    side_by_side = [tower for tower in clip.towers if tower.kind != "t5xxl" and tower.kind in chunks]
    count = max((len(chunks[tower.kind]) for tower in side_by_side), default=0)
    for tower in side_by_side:
        chunks[tower.kind] += [padded(tower, [])] * (count - len(chunks[tower.kind]))
    return chunks


def _joined(encoded: Mapping[TowerKind, Encoded]) -> Prompt:
    """Put CLIP's embeddings side by side, filled up to T5's width, and T5's behind them.

    Zeros stand for what is missing. Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", §4.
    """
    nothing = torch.zeros(1, 0)
    sides = [encoded[kind] for kind in ("clip_l", "clip_g") if kind in encoded]
    parts = [encoded["t5xxl"][0]] if "t5xxl" in encoded else []
    width = parts[0].shape[-1] if parts else _WIDTHS["t5xxl"]
    if sides:
        before = 0 if "clip_l" in encoded else _WIDTHS["clip_l"]
        both = torch.cat([embeds for embeds, _ in sides], dim=-1)
        parts.insert(0, functional.pad(both, (before, width - before - both.shape[-1])))
    pooled = [encoded.get(kind, (nothing, torch.zeros(1, _WIDTHS[kind])))[1] for kind in ("clip_l", "clip_g")]
    embeds = torch.cat(parts, dim=1) if parts else torch.zeros(1, _EMPTY_TOKENS, width)
    return Prompt(embeds, torch.cat(pooled, dim=-1))
