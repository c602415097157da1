"""From the inputs that a class in ComfyUI's form declares to ours.

1. An input is a socket type, or a list of values to choose from, and a mapping of options.
2. What we have no word for is kept as it stands (``InputDefinition.options``), for ComfyUI's editor.
3. What JSON cannot say (endless bounds, objects) is left out.
4. A type that compares as unequal to nothing (``__ne__`` overridden) connects to everything: it is ``*``.
   One that compares so to some types connects to these as well.
5. A list that ``folder_paths`` listed is looked up anew each time; any other is what it was at the start.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.errors import sound
from bridge.graph import ANY_TYPE, InputDefinition
from bridge.packs.shims.io_types import PLAIN_TYPES, WIDGET_TYPES

MAX_INTEGER = 2**64 - 1
"""The largest number that a message to the daemon holds."""

_OURS = frozenset(
    {"default", "min", "max", "step", "multiline", "lazy", "rawLink", "tooltip", "options", "multiselect"}
)
"""Options that have a field of their own."""

_SOCKETS = [*PLAIN_TYPES.values(), *WIDGET_TYPES.values()]

_UPLOADS = ("image_upload", "video_upload", "audio_upload")


class FolderNames(list[str]):
    """The names in a folder, as ``folder_paths.get_filename_list`` gives them.

    Args:
        names: What lies there now.
        folder: Which: ``loras``, ``input`` …
    """

    def __init__(self, names: Sequence[str], folder: str) -> None:
        super().__init__(names)
        self.folder = folder


def read_input(name: str, declared: Any, *, is_required: bool) -> InputDefinition:
    """Read one entry of ``INPUT_TYPES``.

    Args:
        name: Of the input.
        declared: ``("INT", {"default": 1})``, ``(["a", "b"],)`` …
        is_required: Whether it stands under ``required``.

    Raises:
        TypeError: If it is no such thing.
    """
    kind, options = _parts(name, declared)
    choices = _choices(kind, options)
    is_many = bool(options.get("multiselect") or options.get("multi_select"))
    folder = getattr(choices, "folder", "")
    if any(options.get(upload) for upload in _UPLOADS):
        folder = str(options.get("image_folder", "input"))
    socket = "COMBO" if isinstance(kind, Sequence) and not isinstance(kind, str) else socket_type(kind)
    return InputDefinition(
        name=name,
        type=f"{socket}_LIST" if is_many else socket,
        is_required=is_required,
        default=plain(options.get("default")),
        minimum=_number(options.get("min")),
        maximum=_number(options.get("max")),
        step=_number(options.get("step")),
        choices=None if choices is None or folder or is_many else tuple(plain(each) for each in choices),
        choices_from=folder,
        is_multiline=bool(options.get("multiline", False)),
        is_lazy=bool(options.get("lazy", False)),
        is_raw_link=bool(options.get("rawLink", False)),
        tooltip=str(options.get("tooltip") or ""),
        options=_others(options, choices if is_many else None),
        also=",".join(further_types(kind)),
    )


def socket_type(kind: Any) -> str:
    """Return the socket type that a class means (rule 4).

    Raises:
        TypeError: If it is no text.
    """
    if not isinstance(kind, str):
        raise TypeError(f"{kind!r} is no socket type")
    if not kind != "A TYPE THAT NO NODE PUTS OUT":  # noqa: SIM202 - it is ``__ne__`` that packs override
        return ANY_TYPE
    return str(getattr(kind, "value", kind))


def further_types(kind: Any) -> list[str]:
    """Return what a type connects to besides that of its name (rule 4)."""
    if not isinstance(kind, str) or socket_type(kind) == ANY_TYPE:
        return []
    named = {ANY_TYPE, *socket_type(kind).split(",")}
    return [each for each in _SOCKETS if each not in named and not kind != each]  # noqa: SIM202 - as above


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON data that a message can hold; ``None`` for what is none (rule 3)."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= MAX_INTEGER else None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return sound(str(getattr(value, "value", value)))
    if depth > 20:
        return None
    if isinstance(value, Mapping):
        return {str(name): plain(entry, depth + 1) for name, entry in value.items()}
    if isinstance(value, Sequence):
        return [plain(entry, depth + 1) for entry in value]
    return None


def _parts(name: str, declared: Any) -> tuple[Any, Mapping[str, Any]]:
    if not isinstance(declared, Sequence) or isinstance(declared, str) or not declared:
        raise TypeError(f"the input {name} is {declared!r}, not a type and its options")
    options = declared[1] if len(declared) > 1 else {}
    if not isinstance(options, Mapping):
        raise TypeError(f"the options of the input {name} are {options!r}")
    return declared[0], options


def _choices(kind: Any, options: Mapping[str, Any]) -> Sequence[Any] | None:
    if not isinstance(kind, str):
        return kind if isinstance(kind, Sequence) else None
    given = options.get("options")
    return given if kind == "COMBO" and isinstance(given, Sequence) else None


def _others(options: Mapping[str, Any], choices: Sequence[Any] | None) -> dict[str, Any]:
    others = {str(name): plain(value) for name, value in options.items() if name not in _OURS}
    if choices is not None:
        others |= {"options": plain(choices), "multiselect": True}
    return {name: value for name, value in others.items() if value is not None}


def _number(value: Any) -> float | int | None:
    number = plain(value)
    return number if isinstance(number, int | float) and not isinstance(number, bool) else None
