"""Words of the current model, offered while a prompt is typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MOST = 64
"""Suggestions at once."""

_LAST = re.compile(r"[^\s,{}|()]*$")
"""The word that is being typed."""


def suggestions(text: str, words: Sequence[str]) -> list[str]:
    """Return whole prompts that go on from what is typed: those whose word begins so first.

    Args:
        text: What stands in the prompt, the cursor behind it.
        words: What the model knows.
    """
    typed = _LAST.search(text)
    assert typed is not None
    beginning, part = text[: typed.start()], typed[0].lower()
    used = {word.lower() for word in re.split(r"[,{}|()]+|\s+", beginning)}
    found = [word for word in _matching(part, words) if word.lower() not in used]
    return [f"{beginning}{word}" for word in found[:MOST]]


def _matching(part: str, words: Sequence[str]) -> Iterator[str]:
    """Yield words that begin with some letters, then those in which a later word does."""
    yield from (word for word in words if word.lower().startswith(part))
    if part:
        inside = re.compile(rf"\b{re.escape(part)}")
        lower = ((word, word.lower()) for word in words)
        yield from (word for word, low in lower if not low.startswith(part) and inside.search(low))
