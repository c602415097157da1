r"""What the editor makes of texts when a drawing runs: dynamic prompts, and values within names of files.

1. ``/*…*/`` and ``//…`` are left out, of ``{a|b}`` one is drawn, and ``\{ \} \|`` lose the backslash.
2. ``%Node.widget%`` becomes the widget's value; what names nothing, or lists, stays as it is.
"""

import random
import re
from collections.abc import Callable
from typing import Any

MAX_BRACES = 64
"""Braces within each other; further ones are text."""

_LINE_COMMENT = r"//[^\n\r\u2028\u2029]*"
_COMMENT = re.compile(rf"/\*(?s:.*?)(?P<end>\*/|\Z)|{_LINE_COMMENT}")
_PART = re.compile(r"\\.|[{}|]|[^\\{}|]+|\\", re.DOTALL)
_ESCAPED = re.compile(r"\\([{}|])")

_ASKED = re.compile(r"%([^%]+)%")
_NOT_IN_FILE_NAMES = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def draw_prompt(text: str) -> str:
    """Return a dynamic prompt with its choices made, each time anew (rule 1)."""
    options: list[list[list[str]]] = [[[]]]  # of each brace that is open; the text itself has one
    for part in _PART.findall(_COMMENT.sub(_without_comment, text)):
        if part == "{" and len(options) <= MAX_BRACES:
            options.append([[]])
        elif part == "}" and len(options) > 1:
            _choose(options)
        elif part == "|" and len(options) > 1:
            options[-1].append([])
        else:
            options[-1][-1].append(part)
    while len(options) > 1:
        _choose(options)
    return _ESCAPED.sub(r"\1", "".join(options[0][0]))


def fill_name(text: str, value_of: Callable[[str, str], Any]) -> str:
    """Return the beginning of a file's name with the values that it asks for (rule 2).

    Args:
        text: As typed.
        value_of: Returns what a node's widget holds; ``KeyError`` where there is none.
    """

    def filled(asked: re.Match[str]) -> str:
        try:
            node, widget = asked[1].split(".")
            return _NOT_IN_FILE_NAMES.sub("_", _shown(value_of(node, widget)))
        except (ValueError, KeyError):
            return asked[0]

    return _ASKED.sub(filled, text)


def _without_comment(found: re.Match[str]) -> str:
    if found["end"] == "":  # nothing ends it, nor any that begins later
        return "/*" + re.sub(_LINE_COMMENT, "", found[0][2:])
    return ""


def _choose(options: list[list[list[str]]]) -> None:
    chosen = random.choice(options.pop())  # noqa: S311
    options[-1][-1].append("".join(chosen))


def _shown(value: Any) -> str:
    """Return a value as JavaScript writes it; ``ValueError`` for one that no name should hold."""
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
