"""Bindings: what is asked for of single objects of the scene, as the text of a control.

Hosts write JSON, whose names are exact; people write lines, whose names may hold wildcards:

    Car*, truck: rusted metal
    collection/Trees: autumn leaves
    material/Glass: frosted ice
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..errors import InputError, RemoteProtocolError
from .schema import Bounds, Length, OneOf, fields_to_json, place_in, read_fields

KINDS = ("object", "collection", "material")
"""What a name may be of."""

MAX_BINDINGS = 64
"""Of one picture; each that is seen costs a run of the denoiser at every step."""

MAX_NAME = 1024
"""Letters of a name, which may be several patterns."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What is asked for of some objects.

    Args:
        kind: One of ``KINDS``.
        name: Exactly what the host calls it; or patterns with ``*`` and ``?``, commas between them.
        prompt: What it should look like; empty for the prompt of the whole picture.
        library: Of an exact name: the file that it is linked from.
        control: What the strength of every ControlNet is multiplied by there.
        paint: ``with`` the rest of the picture; ``only`` keeps what is in no such binding as it was
            captured; ``keep`` keeps this one.
        is_pattern: Whether the name is a pattern, as somebody has typed it.
    """

    kind: Annotated[str, OneOf(*KINDS)]
    name: Annotated[str, Length(1, MAX_NAME)]
    prompt: Annotated[str, Length(0, 10_000)] = ""
    library: Annotated[str, Length(0, 255)] = ""
    control: Annotated[float, Bounds(0.0, 10.0)] = 1.0
    paint: Annotated[str, OneOf("with", "only", "keep")] = "with"
    is_pattern: bool = False

    to_json = fields_to_json


def write_bindings(bindings: Sequence[Binding]) -> str:
    """Return bindings as the text of a control; empty for none."""
    return json.dumps([binding.to_json() for binding in bindings], ensure_ascii=False) if bindings else ""


def read_bindings(text: str) -> tuple[Binding, ...]:
    """Read what ``write_bindings`` wrote, or lines that somebody has typed.

    Raises:
        InputError: ``bad_objects``, naming the line or entry at fault.
    """
    found = _from_json(text) if text.lstrip().startswith("[") else _from_lines(text)
    if len(found) > MAX_BINDINGS:
        raise _bad(f"{len(found)} objects have prompts of their own; {MAX_BINDINGS} may have")
    return found


def _from_json(text: str) -> tuple[Binding, ...]:
    try:
        entries = json.loads(text)
        return tuple(_binding(entry, f"object {place}") for place, entry in enumerate(entries, start=1))
    except RemoteProtocolError as error:
        raise _bad(error.message) from error
    except (ValueError, RecursionError) as error:
        raise _bad(f"the list of objects is no JSON ({error})") from error


def _from_lines(text: str) -> tuple[Binding, ...]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, prompt = _split(line)
        if not name or not prompt:
            raise _bad(f"line {number}, {line.strip()[:60]!r}, is no name and prompt")
        kind, bare = _kind(name)
        try:
            found.append(
                _binding({"kind": kind, "name": bare, "prompt": prompt, "is_pattern": True}, f"line {number}")
            )
        except RemoteProtocolError as error:
            raise _bad(error.message) from error
    return tuple(found)


def _split(line: str) -> tuple[str, str]:
    """Part a line at its first colon that a space follows and no quotes enclose: names may hold colons."""
    match = re.match(r"""((?:"[^"]*"|[^"])*?):(?:\s+|$)(.*)""", line.strip())
    return (match[1].strip(), match[2].strip()) if match else ("", "")


def _kind(name: str) -> tuple[str, str]:
    prefix, _, rest = name.partition("/")
    kind = prefix.strip().lower()
    return (kind, rest.strip()) if kind in KINDS and rest else (KINDS[0], name)


def _binding(entry: Any, where: str) -> Binding:
    return Binding(**read_fields(Binding, entry, place_in(where)))


def _bad(message: str) -> InputError:
    return InputError(
        message,
        code="bad_objects",
        hint='Write a line for each object, as in "Car: rusted metal", or choose objects in the panel.',
    )
