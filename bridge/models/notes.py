"""What people wrote about a model: its words, its licence, where it comes from.

Source of the fields in a file itself: ModelSpec 1.0 of Stability AI (``modelspec.*``), and what kohya's
sd-scripts write (``ss_*``). Whoever wrote them may have written anything, so texts are shortened and JSON
that cannot be read says nothing.
"""

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

MOST_WORDS = 32
LONGEST_WORDS = 300
LONGEST_TEXT = 2000
"""Characters of a description; others are shorter."""

_SHARE = 0.9
"""A tag that stands on so many of the training pictures is one that calls the subject."""

_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Notes:
    """What is said about a model; empty where nothing is.

    Args:
        title: For people.
        author: Who made it.
        description: Plain text.
        triggers: Words for the prompt that call what it was trained on.
        licence: Its name, or what it allows in words.
        base_model: What it was trained for, in its maker's words.
        source: The page or address it came from.
        sha256: Of the whole file, in lower-case hexadecimal.
        tensors_sha256: Of everything behind the header.
    """

    title: str = ""
    author: str = ""
    description: str = ""
    triggers: tuple[str, ...] = ()
    licence: str = ""
    base_model: str = ""
    source: str = ""
    sha256: str = ""
    tensors_sha256: str = ""


def first_of(notes: Iterable[Notes]) -> Notes:
    """Return notes that hold, of each field, what the first says that says something."""
    found = Notes()
    for each in notes:
        news = {name: value for name, value in asdict(each).items() if value and not getattr(found, name)}
        found = replace(found, **news)
    return found


def notes_of_metadata(metadata: Mapping[str, str]) -> Notes:
    """Return what a safetensors file says of itself."""
    spec = {key.removeprefix("modelspec."): value for key, value in metadata.items()}
    triggers = words_of(spec.get("trigger_phrase") or spec.get("trigger_words"))
    return Notes(
        title=line_of(spec.get("title") or metadata.get("ss_output_name")),
        author=line_of(spec.get("author")),
        description=text_of(spec.get("description")),
        triggers=triggers or _common_tags(metadata.get("ss_tag_frequency", "")),
        licence=line_of(spec.get("license")),
        base_model=line_of(spec.get("architecture") or metadata.get("ss_base_model_version")),
        tensors_sha256=digest_in(spec.get("hash_sha256")) or digest_in(metadata.get("sshs_model_hash")),
    )


def line_of(value: Any, longest: int = LONGEST_WORDS) -> str:
    """Return one line of plain text, whatever the value is."""
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    text = html.unescape(re.sub(r"<[^<>]{0,1000}>", " ", text[: 8 * longest]))
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:longest].strip()


def text_of(value: Any) -> str:
    """Return a description as plain text."""
    return line_of(value, LONGEST_TEXT)


def words_of(value: Any) -> tuple[str, ...]:
    """Return trigger words: from a list, or from a text with commas between them."""
    listed = value if isinstance(value, list) else str(value or "").split(",")
    words = (line_of(word).strip(" ,") for word in listed[: 4 * MOST_WORDS])
    return tuple(dict.fromkeys(word for word in words if word))[:MOST_WORDS]


def digest_in(value: Any) -> str:
    """Return a SHA-256 in lower case, if that is what a text holds."""
    text = str(value or "").strip().lower().removeprefix("0x").removeprefix("sha256:")
    return text if _HEXADECIMAL.fullmatch(text) else ""


def json_of(text: str | bytes) -> Any:
    """Return what JSON says, or nothing if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _common_tags(text: str) -> tuple[str, ...]:
    """Return the tags that stand on nearly all training pictures of a folder: kohya counts them."""
    folders = json_of(text)
    found: list[str] = []
    for tags in folders.values() if isinstance(folders, dict) else ():
        counted = tags.items() if isinstance(tags, dict) else ()
        counts = {tag: count for tag, count in counted if isinstance(count, int)}
        most = max(counts.values(), default=0)
        if most > 1:  # of a single picture every tag would do
            found += [tag for tag, count in counts.items() if count >= _SHARE * most]
    return words_of(found[:8])
