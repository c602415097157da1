"""Where in a workflow something is wrong, and how messages quote what was found there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.errors import Problem, WorkflowError, sound

MAX_QUOTE = 60
"""The most characters of a value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Place:
    """One input of one node."""

    node_id: str
    class_type: str
    input_name: str

    def problem(self, code: str, text: str, hint: str = "", *, is_warning: bool = False) -> Problem:
        """Describe a fault; the text continues "KSampler.steps …"."""
        message = f"{quote(self.class_type, marks=False)}.{quote(self.input_name, marks=False)} {text}"
        return Problem(code, message, hint, self.node_id, self.input_name, is_warning)

    def error(self, code: str, text: str, hint: str = "") -> WorkflowError:
        """Return the fault as an exception."""
        return WorkflowError([self.problem(code, text, hint)])


def quote(value: Any, *, marks: bool = True) -> str:
    """Write a JSON value into a message, the middle of a long one left out.

    Args:
        value: The value.
        marks: Whether a text stands in quotation marks.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    short = text if len(text) <= MAX_QUOTE else f"{text[: MAX_QUOTE - 12]}…{text[-10:]}"
    safe = sound(short)
    return json.dumps(safe, ensure_ascii=False) if marks and isinstance(value, str) else safe


def listing(words: Sequence[str], limit: int = 5) -> str:
    """Join words with commas; from the limit on, say how many more there are."""
    more = [f"… ({len(words) - limit} more)"] if len(words) > limit else []
    return ", ".join([*words[:limit], *more])
