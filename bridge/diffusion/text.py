"""Prompts to embeddings with CLIP's text tower, in chunks of 75 tokens, with weights."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.prompt_weights import parse_weights
from bridge.diffusion.residency import with_room
from bridge.diffusion.types import Prompt, TextEncoder
from bridge.errors import InputError

CHUNK = 75
"""Tokens of the prompt in one run of the text tower; a start and an end token make 77."""

WHOLE_PIECE = 8
"""A piece of fewer tokens is moved to the next chunk rather than split, as in ComfyUI."""

MAX_CHARACTERS = 100_000
"""A longer prompt is a slip or an attack: it would be hundreds of chunks."""

Token = tuple[int, float]
"""A token's number and weight."""


def encode_prompt(clip: TextEncoder, text: str) -> Prompt:
    """Turn a prompt into conditioning.

    A prompt longer than 75 tokens becomes several chunks, whose embeddings follow one another. The
    embedding of a token of weight w is w times as far from that of an empty prompt.

    Raises:
        InputError: If the prompt is too long, nests parentheses too deeply, or has broken characters.
        OutOfMemory: If the text tower does not fit.
    """
    chunks = tokenize(clip, text)
    weights = torch.tensor([[weight for _, weight in chunk] for chunk in chunks])
    tokens = torch.tensor([[token for token, _ in chunk] for chunk in chunks])
    if bool((weights != 1.0).any()):
        empty = torch.tensor([[token for token, _ in _padded(clip, [])]])
        *embeds, origin = _run(clip, torch.cat((tokens, empty)))
        prompt_embeds = origin + weights[..., None] * (torch.stack(embeds) - origin)  # (chunks, 77, width)
    else:
        prompt_embeds = _run(clip, tokens)
    return Prompt(prompt_embeds.reshape(1, -1, prompt_embeds.shape[-1]))


def tokenize(clip: TextEncoder, text: str) -> list[list[Token]]:
    """Turn a prompt into chunks of 77 weighted tokens each; at least one.

    Raises:
        InputError: As ``encode_prompt``.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"a prompt has {len(text):,} characters; the most is {MAX_CHARACTERS:,}", code="too_long"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("a prompt has a character that is none (a lone surrogate)", code="bad_text")
    pieces = [
        [(token, weight) for token in clip.towers[0].tokenizer(piece)["input_ids"][1:-1]]
        for piece, weight in parse_weights(text)
    ]
    return [_padded(clip, chunk) for chunk in _chunks(pieces)]


def set_last_layer(clip: TextEncoder, last_layer: int) -> TextEncoder:
    """Return the same encoder ending at an earlier layer.

    Args:
        clip: An encoder.
        last_layer: −1 is the last layer, −2 the one before it; one that is not there means the last.
    """
    return replace(clip, last_layer=last_layer)


def _chunks(pieces: Sequence[list[Token]]) -> list[list[Token]]:
    chunks: list[list[Token]] = [[]]
    for piece in pieces:
        rest = piece
        while len(chunks[-1]) + len(rest) > CHUNK:
            room = CHUNK - len(chunks[-1]) if len(piece) >= WHOLE_PIECE else 0
            chunks[-1].extend(rest[:room])
            chunks.append([])
            rest = rest[room:]
        chunks[-1].extend(rest)
    return chunks


def _padded(clip: TextEncoder, chunk: list[Token]) -> list[Token]:
    start, end = clip.towers[0].tokenizer.bos_token_id, clip.towers[0].tokenizer.eos_token_id
    return [(start, 1.0), *chunk, *[(end, 1.0)] * (CHUNK + 1 - len(chunk))]


def _run(clip: TextEncoder, tokens: Tensor) -> Tensor:
    """Run the text tower on token numbers (N, 77); float32 on the CPU, (N, 77, width)."""

    @torch.inference_mode()
    def call() -> Tensor:
        network = clip.towers[0].network.module()
        with memory_errors("encoding a prompt"):
            output = network(tokens.to(network.device), output_hidden_states=True)
            layers = output.hidden_states
            last_layer = clip.last_layer or -1
            is_there = -last_layer < len(layers)
            chosen = layers[last_layer] if is_there else layers[-1]
            # Stable Diffusion 1.x puts the final norm behind whichever layer is taken.
            normed: Tensor = network.final_layer_norm(chosen)
            return normed.float().cpu()

    return with_room(call, keep=(clip.towers[0].network,)).clone()
