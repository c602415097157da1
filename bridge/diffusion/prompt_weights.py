r"""Weights in a prompt, with ComfyUI's meaning.

``(word)`` weighs 1.1 times what surrounds it, ``((word))`` 1.21 times; ``(word:1.3)`` weighs 1.3,
whatever surrounds it. ``\(`` and ``\)`` are ordinary parentheses, square brackets are always ordinary.
Parentheses without a partner are ordinary text, and so is what follows a stray closing one.
"""

import math
from collections.abc import Iterator

from bridge.errors import InputError

EMPHASIS = 1.1
"""What a pair of parentheses multiplies by."""

MAX_DEPTH = 64
"""Deeper nesting is a slip or an attack: 1.1 to the power of 64 is 446."""

_ESCAPED = {"\\(": "\0\1", "\\)": "\0\2"}


def parse_weights(text: str) -> list[tuple[str, float]]:
    """Split a prompt into pieces of one weight each, parentheses and weights removed.

    Raises:
        InputError: If parentheses are nested deeper than ``MAX_DEPTH``.
    """
    for escaped, stand_in in _ESCAPED.items():
        text = text.replace(escaped, stand_in)
    return [(_unescape(piece), weight) for piece, weight in _pieces(text, 1.0, 0)]


def _pieces(text: str, weight: float, depth: int) -> Iterator[tuple[str, float]]:
    if depth > MAX_DEPTH:
        raise InputError(
            f"a prompt nests parentheses deeper than {MAX_DEPTH}",
            code="bad_text",
            hint=r"Write \( and \) for parentheses that are part of the text.",
        )
    for group in _groups(text):
        if group[0] == "(" and group[-1] == ")" and len(group) > 1:
            yield from _pieces(*_inside(group[1:-1], weight), depth + 1)
        else:
            yield group, weight


def _groups(text: str) -> Iterator[str]:
    """Split at the outermost parentheses, which stay with what they enclose."""
    depth = start = 0
    for position, character in enumerate(text):
        if character == "(":
            if depth == 0 and position > start:
                yield text[start:position]
                start = position
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                yield text[start : position + 1]
                start = position + 1
    if start < len(text):
        yield text[start:]


def _inside(text: str, weight: float) -> tuple[str, float]:
    """Split ``word:1.3`` into both; without a number the surrounding weight is raised."""
    word, colon, number = text.rpartition(":")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if word and colon and math.isfinite(value):
        return word, value
    return text, weight * EMPHASIS


def _unescape(text: str) -> str:
    return text.replace("\0\1", "(").replace("\0\2", ")")
