"""Edits of texts that come from strangers' workflows: bounded in length, and regular expressions in time.

A node in a loop can double a text until memory is full, and a pattern such as ``(a+)+$`` can search for
ever; both end in an error here. Patterns are those of Python's ``re``.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import regex

from bridge.errors import InputError

MAX_CHARACTERS = 4_000_000
"""Of a text that an edit gives; the longest prompts have a few thousand."""

LIMIT_S = 2.0
"""How long one search through a text may take; an honest one takes milliseconds."""

Extraction = Literal["First Match", "All Matches", "First Group", "All Groups"]
"""ComfyUI's names."""


@dataclass(frozen=True, slots=True)
class PatternFlags:
    """How a pattern is read.

    Args:
        ignores_case: Whether capitals match small letters.
        is_multiline: Whether ``^`` and ``$`` match at every line.
        dot_matches_all: Whether ``.`` matches line breaks.
    """

    ignores_case: bool = True
    is_multiline: bool = False
    dot_matches_all: bool = False


def join_texts(first: str, second: str, between: str) -> str:
    """Put two texts together.

    Raises:
        InputError: ``text_too_long``.
    """
    _check_length(len(first) + len(between) + len(second))
    return between.join((first, second))


def replace_text(text: str, old: str, new: str) -> str:
    """Replace every occurrence of a text in another; an empty one occurs between all characters.

    Raises:
        InputError: ``text_too_long``.
    """
    _check_length(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def matches(text: str, pattern: str, flags: PatternFlags) -> bool:
    """Say whether a pattern matches anywhere in a text.

    Raises:
        InputError: ``bad_pattern``, also where it searches too long.
    """
    return next(_found(text, pattern, flags), None) is not None


def extract(text: str, pattern: str, mode: Extraction, group: int, flags: PatternFlags) -> str:
    """Return what a pattern matches; nothing where it does not.

    Args:
        text: To search through.
        pattern: A regular expression.
        mode: ``All …`` joins matches by line breaks. ``All Matches`` of a pattern with groups are its first
            groups, as in ComfyUI.
        group: Which one ``… Group`` takes; 0 is the whole match.
        flags: How to read the pattern.

    Raises:
        InputError: ``bad_pattern``, also where it searches too long; ``text_too_long``.
    """
    found = _found(text, pattern, flags)
    if mode.startswith("First"):
        found = (match for match in [next(found, None)] if match)
    if mode.endswith(("Group", "Groups")):
        least = max(group, int(mode == "All Groups"))
        texts = [match[group] or "" for match in found if len(match.groups()) >= least]
    elif mode == "All Matches":
        texts = [(match[1] or "") if match.groups() else match[0] for match in found]
    else:
        texts = [match[0] for match in found]
    _check_length(sum(map(len, texts)) + len(texts))
    return "\n".join(texts)


def replace_pattern(text: str, pattern: str, new: str, count: int, flags: PatternFlags) -> str:
    r"""Replace what a pattern matches.

    Args:
        text: To change.
        pattern: A regular expression.
        new: What to put there; ``\1`` and ``\g<name>`` stand for groups.
        count: At most so many times; 0 for every match.
        flags: How to read the pattern.

    Raises:
        InputError: ``bad_pattern``, also where it searches too long; ``text_too_long``.
    """
    parts, length, end = [], len(text), 0
    for number, match in enumerate(_found(text, pattern, flags), start=1):
        replacement = _expanded(match, new)
        length += len(replacement)
        _check_length(length)
        parts += [text[end : match.start()], replacement]
        end = match.end()
        if number == count:
            break
    return "".join((*parts, text[end:]))


def _found(text: str, pattern: str, flags: PatternFlags) -> Iterator[Any]:
    """Yield a pattern's matches in order, within the time there is for all of them."""
    bits = regex.VERSION0
    bits |= regex.IGNORECASE if flags.ignores_case else 0
    bits |= regex.MULTILINE if flags.is_multiline else 0
    bits |= regex.DOTALL if flags.dot_matches_all else 0
    deadline = time.monotonic() + LIMIT_S
    try:
        for match in regex.compile(pattern, bits).finditer(text, timeout=LIMIT_S):
            if time.monotonic() > deadline:
                raise TimeoutError
            yield match
    except regex.error as error:
        raise _bad_pattern(pattern, f"is faulty: {error}", "Check its brackets and escapes.") from error
    except TimeoutError as error:
        what = f"is still searching after {LIMIT_S:g} s"
        raise _bad_pattern(pattern, what, "Avoid repeats inside repeats, such as (a+)+.") from error


def _expanded(match: Any, new: str) -> str:
    try:
        return str(match.expand(new))
    except (regex.error, IndexError) as error:
        raise _bad_pattern(new, f"cannot be put in: {error}", "Groups are \\1, \\2 …") from error


def _bad_pattern(pattern: str, what: str, hint: str) -> InputError:
    return InputError(f"the pattern {pattern[:80]!r} {what}", code="bad_pattern", hint=hint)


def _check_length(length: int) -> None:
    if length > MAX_CHARACTERS:
        raise InputError(
            f"the text would have {length:,} characters; the most is {MAX_CHARACTERS:,}",
            code="text_too_long",
            hint="Use shorter texts.",
        )
