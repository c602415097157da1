"""Words of the current model, offered while a prompt is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST = 64
"""Suggestions at once."""

_PART = re.compile(r"[^,{}|()]*$")
"""What is typed since the last comma or bracket."""


def suggestions(text: str, words: Sequence[str]) -> list[str]:
    """Return whole prompts that go on from what is typed, behind that itself.

    What is typed comes first, so that confirming it never chooses a word.

    Args:
        text: What stands in the prompt, the cursor behind it.
        words: What the model knows; they may be of several parts.
    """
    if text.endswith((")", "}")):
        return []
    part = _PART.search(text)
    assert part is not None
    starts = [part.start() + found.start() for found in re.finditer(r"(?<!\S)\S", part[0])] or [len(text)]
    if text.endswith(" "):
        starts.append(len(text))
    used = text[: starts[-1]].lower()
    for start in starts:
        typed = text[start:].lower()
        found = [word for word in words if word.lower().startswith(typed) and word.lower() != typed]
        if not typed:
            found = [word for word in found if not _holds(used, word)]
        if found:
            return [*([text] if text else []), *(text[:start] + word for word in found[:MOST])]
    return []


def _holds(text: str, word: str) -> bool:
    """Tell whether a prompt has a word already."""
    return re.search(rf"\b{re.escape(word.lower())}\b", text) is not None
