"""File names that say which prompt a picture is of."""

import re
import unicodedata

MAX_LETTERS = 48
MAX_NAME_BYTES = 120
"""A file name may have 255 in most file systems; a number and a suffix come on top."""


def slug(text: str) -> str:
    """Return a text as the middle of a file name that every system takes: letters, digits and ``-``.

    Args:
        text: Any; letters of all scripts stay, weights and brackets go: ``(red:1.2) car`` is ``red-car``.
    """
    plain = re.sub(r":\s*-?[\d.]+(?=\s*[)>])", " ", unicodedata.normalize("NFC", text))
    words = "-".join(re.findall(r"[^\W_]+", plain.lower()))
    if len(words) > MAX_LETTERS:
        words = words[: MAX_LETTERS + 1].rsplit("-", 1)[0][:MAX_LETTERS]
    return words.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip("-") or "prompt"
