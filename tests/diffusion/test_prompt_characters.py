"""Tokens of prompts in many scripts are ComfyUI's; see comfyui/README.md."""

import json
import unicodedata
from pathlib import Path

import pytest

from bridge.diffusion import TextEncoder
from bridge.diffusion.prompt_characters import cleaned
from bridge.diffusion.tokens import tokenize

TOKENS = json.loads((Path(__file__).parent / "comfyui" / "clip_tokens.json").read_text())
END = 49407


@pytest.mark.parametrize("text", TOKENS, ids=range(len(TOKENS)))
def test_tokens_are_comfyuis(clip: TextEncoder, text: str) -> None:
    [chunk] = tokenize(clip.towers[0], text)
    ids = TOKENS[text]
    assert [token for token, _ in chunk[1 : len(ids) + 2]] == [*ids, END]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a  photo\n of\ta cat ", "a photo of a cat"),
        ("一只猫", "一 只 猫"),
        ("かわいい猫と한국어", "かわいい 猫 と한국어"),
        ("👩\u200d👧", "👩👧"),
        ("cafe\u0301 ΣΑΣ İ", "café σας i̇"),
        ("ab\u00ad\u0000\ufffdc", "abc"),
        (" \u200b ", ""),
    ],
)
def test_what_the_tokenizer_sees(text: str, seen: str) -> None:
    assert cleaned(text) == unicodedata.normalize("NFC", seen)
