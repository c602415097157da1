"""Prompts from a text file: one a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

MAX_BYTES = 8 * 1024 * 1024
"""Of a file of prompts: some fifty thousand of them."""

MAX_PROMPTS = 10_000
"""Of one batch."""


@dataclass(frozen=True)
class Line:
    """A prompt and the line it stands on, counted from 1."""

    number: int
    text: str


def read_prompts(file: Path) -> list[Line]:
    """Read the prompts of a text file; blank lines and lines that begin with ``#`` are left out.

    Raises:
        InputError: ``file_not_found``, ``not_text``, ``prompts_too_large``, ``no_prompts``.
    """
    return listed_prompts(read_text(file, MAX_BYTES), str(file))


def listed_prompts(text: str, name: str) -> list[Line]:
    """Return the prompts of a text, at least one.

    Args:
        text: One prompt a line.
        name: What people call the text.

    Raises:
        InputError: ``no_prompts`` or ``prompts_too_large``.
    """
    lines = split_prompts(text)
    if not lines:
        raise InputError(f"{name} holds no prompts", code="no_prompts", hint="Write one prompt a line.")
    if len(lines) > MAX_PROMPTS:
        raise InputError(
            f"{name} holds {len(lines)} prompts; {MAX_PROMPTS} at once is the most",
            code="prompts_too_large",
            hint="Split it.",
        )
    return lines


def split_prompts(text: str) -> list[Line]:
    """Return the prompts of a text, one a line, without blank lines and comments."""
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return [Line(number, line) for number, line in lines if line and not line.startswith("#")]


def read_text(file: Path, limit_bytes: int) -> str:
    """Read a text in UTF-8, or in UTF-16 if it begins with a byte order mark, as Windows' editors write it.

    Raises:
        InputError: ``file_not_found``, ``not_text`` if it is no such text, ``prompts_too_large``.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(limit_bytes + 1)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}",
            code="file_not_found",
            hint="Give a text file with one prompt a line.",
        ) from error
    if len(data) > limit_bytes:
        raise InputError(
            f"{file} is larger than {limit_bytes >> 20} MB",
            code="prompts_too_large",
            hint="Is it the right file? Prompts stand one a line in a plain text file; split a longer one.",
        )
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(file, f"byte {error.start + 1} is not UTF-8") from error
    control = next((letter for letter in text if letter < " " and letter not in "\t\n\v\f\r"), None)
    if control:
        raise _not_text(file, f"it holds the character {control!r}")
    return text


def _not_text(file: Path, reason: str) -> InputError:
    return InputError(
        f"{file} is no plain text: {reason}",
        code="not_text",
        hint="Save it as plain text in UTF-8, with one prompt a line.",
    )
