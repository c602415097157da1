"""Single values, to be linked to several inputs, and a look at any value."""

import json
from typing import Annotated, Any

from bridge.engine import current_job
from bridge.graph import EditorOption, Multiline, Range, Socket, node

LARGEST = 2**63 - 1
"""Of a primitive number."""

MAX_SHOWN = 100_000
"""Characters of a value that are shown."""


@node("PrimitiveInt", category="utils/primitive", display_name="Int")
def primitive_int(
    value: Annotated[int, Range(-LARGEST, LARGEST), EditorOption("control_after_generate")],
) -> int:
    """Give a whole number to several inputs."""
    return value


@node("PrimitiveFloat", category="utils/primitive", display_name="Float")
def primitive_float(value: Annotated[float, Range(-LARGEST, LARGEST)]) -> float:
    """Give a number to several inputs."""
    return value


@node("PrimitiveString", category="utils/primitive", display_name="String")
def primitive_string(value: str) -> str:
    """Give a line of text to several inputs."""
    return value


@node("PrimitiveStringMultiline", category="utils/primitive", display_name="String (Multiline)")
def primitive_string_multiline(value: Annotated[str, Multiline()]) -> str:
    """Give a text to several inputs."""
    return value


@node("PrimitiveBoolean", category="utils/primitive", display_name="Boolean")
def primitive_boolean(value: bool) -> bool:
    """Give a yes or no to several inputs."""
    return value


@node("PreviewAny", category="utils", display_name="Preview Any", is_output=True)
def preview_any(source: Annotated[Any, Socket("*")]) -> None:
    """Show any value as text."""
    current_job().show({"text": [_described(source)[:MAX_SHOWN]]})


def _described(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, int | float):
        return str(value)
    try:
        return _written(value)
    except RecursionError:
        return f"a {type(value).__name__}, nested too deeply to be shown"


def _written(value: object) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):  # a tensor, a model, a loop
        return str(value)
