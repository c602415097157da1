"""Prompts to tokens: weights, chunks of 75 for CLIP, words that come as vectors from a file.

The rules are ComfyUI's: what stands between parentheses, or is one embedding, is a piece; a piece of fewer
than eight tokens is moved to the next chunk rather than split. T5 has one chunk, as long as the prompt.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from bridge.diffusion.embeddings import read_embedding
from bridge.diffusion.prompt_characters import cleaned
from bridge.diffusion.prompt_weights import parse_weights
from bridge.diffusion.types import TextTower
from bridge.errors import InputError, ModelNotFound
from bridge.models import Catalogue

CHUNK = 75
"""Tokens of the prompt in one run of the text tower; a start and an end token make 77."""

WHOLE_PIECE = 8
"""A piece of fewer tokens is moved to the next chunk rather than split."""

MAX_CHARACTERS = 100_000
"""A longer prompt is a slip or an attack: it would be hundreds of chunks."""

MAX_T5_TOKENS = 4096
"""T5-XXL weighs every pair of tokens in 64 heads: these take 4 GiB."""

_EMBEDDING = "embedding:"
_ENDINGS = ("", ".safetensors", ".pt", ".bin")

NO_MODELS = Catalogue(())

Token = tuple[int | Tensor, float]
"""A token's number, or its vector, and its weight."""

PADDING: Token = (0, 1.0)
"""What T5 and OpenCLIP's towers fill up with."""


def tokenize(
    tower: TextTower, text: str, catalogue: Catalogue = NO_MODELS, min_length: int = 0
) -> list[list[Token]]:
    """Turn a prompt into weighted tokens: for CLIP chunks of 77, at least one; for T5 one chunk.

    Args:
        tower: Whose tokenizer is used, and whose embeddings ``embedding:name`` means.
        text: The prompt.
        catalogue: Where embeddings lie.
        min_length: Tokens that T5's chunk has at least, unless the tower says otherwise.

    Raises:
        InputError: If the prompt is too long, nests parentheses too deeply, or has broken characters.
        ModelNotFound: If an embedding is not there.
        ModelError: If an embedding is damaged, or made for another family.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"a prompt has {len(text):,} characters; the most is {MAX_CHARACTERS:,}",
            code="too_long",
            hint="Shorten it: what stands far behind hardly counts.",
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(
            "a prompt has a character that is none (a lone surrogate)",
            code="bad_text",
            hint="Type the prompt again; it was damaged where it was copied.",
        )
    pieces = [
        [(token, weight) for token in tokens]
        for part, weight in parse_weights(text)
        for tokens in _pieces(tower, part, catalogue)
    ]
    if tower.kind != "t5xxl":
        return [padded(tower, chunk) for chunk in _chunks(pieces)]
    return [_padded_for_t5(tower, [token for piece in pieces for token in piece], min_length)]


def padded(tower: TextTower, chunk: Sequence[Token]) -> list[Token]:
    """Put a start before a chunk of CLIP's and an end behind it, and fill it up to 77.

    ViT-L/14 was trained with more end tokens behind the first, OpenCLIP's towers with zeros.
    """
    end = end_of(tower)
    padding = end if tower.kind == "clip_l" else PADDING
    return [(tower.tokenizer.bos_token_id, 1.0), *chunk, end, *[padding] * (CHUNK - len(chunk))]


def end_of(tower: TextTower) -> Token:
    """Return the token that ends a prompt."""
    return tower.tokenizer.eos_token_id, 1.0


def embedding_names(text: str) -> list[str]:
    """Return the names behind ``embedding:`` in a prompt, as they stand there."""
    return [name for part, _ in parse_weights(text) for name in re.findall(rf"{_EMBEDDING}(\S+)", part)]


def find_embedding(name: str, catalogue: Catalogue) -> tuple[Path, str]:
    """Return the path of an embedding, and what of its name in the prompt did not belong to it.

    Raises:
        ModelNotFound: If there is none of this name, with or without an ending, or a comma behind it.
    """
    bare = name.strip(",")
    for candidate in dict.fromkeys((name, bare)):
        for ending in _ENDINGS if candidate else ():
            try:
                path = catalogue.find("embeddings", candidate + ending)
            except ModelNotFound:
                continue
            return path, name[len(candidate) :] if candidate == bare else ""
    return catalogue.find("embeddings", bare if "." in bare else f"{bare}.safetensors"), ""


def _pieces(tower: TextTower, text: str, catalogue: Catalogue) -> Iterator[Sequence[int | Tensor]]:
    """Yield the tokens of each piece of a text: of one embedding, or of the words between two."""
    for part in re.split(rf"(?:(?<=[ \n])|^)(?={_EMBEDDING})", text):
        rest = part
        if part.startswith(_EMBEDDING):
            words = part.removeprefix(_EMBEDDING).split(maxsplit=1)
            name, rest = (words[0] if words else ""), (words[1] if len(words) > 1 else "")
            path, behind = find_embedding(name, catalogue)
            width = tower.network.module().get_input_embeddings().embedding_dim
            yield list(read_embedding(path, name, tower.kind, width))
            rest = f"{behind} {rest}" if behind else rest
        if rest.strip() and tower.kind == "t5xxl":
            yield tower.tokenizer(rest)["input_ids"][:-1]
        elif rest.strip():
            yield tower.tokenizer(cleaned(rest))["input_ids"][1:-1]


def _padded_for_t5(tower: TextTower, tokens: list[Token], min_length: int) -> list[Token]:
    if len(tokens) > MAX_T5_TOKENS:
        raise InputError(
            f"a prompt has {len(tokens):,} tokens for T5; the most is {MAX_T5_TOKENS:,}",
            code="too_long",
            hint="Shorten it: what stands far behind hardly counts.",
        )
    length = min_length if tower.min_length is None else tower.min_length
    ended = [*tokens, end_of(tower), *[PADDING] * tower.min_padding]
    return ended + [PADDING] * (length - len(ended))


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
