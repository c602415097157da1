"""Prompts as people write them: synonyms, word order, filler words the model shall not mind."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer

from training.networks import PROMPT_TOKENS
from training.styles import SYNONYMS, Look

TEMPLATES = (
    "{}",
    "{}",
    "{} style",
    "a scene in {} style",
    "{} render of a scene",
    "a {}",
    "{}, high quality",
)
FILLER_TOKENS = (300, 40_000)


class Prompter:
    """Writes and tokenizes prompts."""

    def __init__(self, tokenizer: Path) -> None:
        self.tokenizer = load_tokenizer(tokenizer)
        self._filler = _filler_words(tokenizer)

    def write(self, look: Look, rng: np.random.Generator) -> str:
        """Write a prompt for a look, half of the time among filler words."""
        words = [SYNONYMS[word] for word in (look.mood, look.colour, look.material) if word]
        modifiers = [_choose(choices, rng) for choices in words]
        rng.shuffle(modifiers)
        style = _choose(SYNONYMS[look.style], rng)
        order = rng.random()
        core = " ".join([*modifiers, style]) if order < 0.6 else ", ".join([style, *modifiers])
        prompt = TEMPLATES[rng.integers(len(TEMPLATES))].format(core)
        return self._among_filler(prompt, rng) if rng.random() < 0.5 else prompt

    def write_unknown(self, rng: np.random.Generator) -> str:
        """Write a prompt without a known word: empty, or filler."""
        return "" if rng.random() < 0.6 else self._among_filler("", rng)

    def tokens(self, prompts: list[str]) -> torch.Tensor:
        """Return token ids, shape (B, 77)."""
        encoded = self.tokenizer(
            prompts, padding="max_length", max_length=PROMPT_TOKENS, truncation=True, return_tensors="pt"
        )
        ids: torch.Tensor = encoded.input_ids
        return ids

    def _among_filler(self, prompt: str, rng: np.random.Generator) -> str:
        words = [self._filler[rng.integers(len(self._filler))] for _ in range(rng.integers(1, 8))]
        cut = rng.integers(len(words) + 1)
        comma = ", " if rng.random() < 0.5 else " "
        return comma.join(part for part in (" ".join(words[:cut]), prompt, " ".join(words[cut:])) if part)


@cache
def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Load CLIP's tokenizer from a folder with vocab.json and merges.txt, or tokenizer.json."""
    return CLIPTokenizer.from_pretrained(folder)


def _choose(choices: list[str], rng: np.random.Generator) -> str:
    """Prefer the first word, which is the one the interface shows."""
    return choices[0] if rng.random() < 0.5 else choices[rng.integers(len(choices))]


@cache
def _filler_words(folder: Path) -> list[str]:
    tokenizer = load_tokenizer(folder)
    known = {
        word
        for synonyms in SYNONYMS.values()
        for phrase in synonyms
        for word in phrase.replace("-", " ").split()
    }
    pieces = (tokenizer.decode([token]).strip() for token in range(*FILLER_TOKENS, 7))
    return [piece for piece in pieces if piece.isascii() and piece.isalpha() and piece not in known]
