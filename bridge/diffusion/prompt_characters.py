"""What CLIP's tokenizer gets to see of the characters of a prompt.

ComfyUI 0.3.64 splits prompts with the tokenizer of transformers 4, which cleans them as BERT's does (Devlin
et al. 2018; google-research/bert, Apache-2.0). That of transformers 5 does not, and so tells ideographs,
emoji and much else by other tokens than the models were shown.
"""

import re
import unicodedata

_IDEOGRAPH = re.compile(
    "([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f])"
)
"""A word of its own; kana and Hangul are written in words."""

_NO_WORD = "\u0345"
"""Iota subscript. The tokenizer matches letters without regard to case, and this one is a letter in capitals
only; so neither its pattern for words nor the one for the rest takes it."""


def cleaned(text: str) -> str:
    """Return a prompt for CLIP: composed, in lower case, one space between words, ideographs apart.

    Characters that control, format, or are not assigned are left out: the joiners of emoji are among them.
    """
    kept = "".join(character for character in text if _is_text(character))
    composed = unicodedata.normalize("NFC", _IDEOGRAPH.sub(r" \1 ", kept))
    return " ".join(composed.lower().replace(_NO_WORD, " ").split())


def _is_text(character: str) -> bool:
    if character in "\t\n\r":
        return True
    return character != "\ufffd" and not unicodedata.category(character).startswith("C")
