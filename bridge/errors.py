"""Every error Framebridge raises on purpose: what happened, to what, and what would do.

A code names the fault for programs, a message says it to people, a hint says what to do about it.
The code is the vocabulary; a subclass exists only where a caller would act differently.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

_COMMANDS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {*map(ord, "\n\t")}, "\ufffd")
"""The control characters that a terminal obeys; the first of most sequences is escape, or of Unicode's C1."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault with its place, as it travels over the wire.

    Args:
        code: Stable, lower case, for programs: ``unknown_node``.
        message: One sentence for people, naming the thing at fault.
        hint: What the reader can do about it; empty if there is nothing to say.
        node_id: The workflow node at fault; empty if none is.
        input_name: The input of that node; empty if the whole node is meant.
        is_warning: The work goes on in spite of it.
    """

    code: str
    message: str
    hint: str = ""
    node_id: str = ""
    input_name: str = ""
    is_warning: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the fields that say something, as JSON data."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in fields.items() if value or name in ("code", "message")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Problem":
        """Read what ``to_json`` wrote; unknown fields of a newer peer are dropped."""
        texts = {
            name: str(data.get(name, "")) for name in ("code", "message", "hint", "node_id", "input_name")
        }
        return cls(**texts, is_warning=bool(data.get("is_warning", False)))

    def __str__(self) -> str:
        place = ".".join(part for part in (self.node_id and f"node {self.node_id}", self.input_name) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class BridgeError(Exception):
    """The root of everything raised on purpose.

    Args:
        message: One sentence for people, naming the thing at fault.
        code: Overrides the class's own code.
        hint: What the reader can do about it.
        node_id: The workflow node at fault, if one is.
        input_name: The input of that node.
    """

    code = "internal_error"

    def __init__(
        self, message: str, *, code: str = "", hint: str = "", node_id: str = "", input_name: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.message = message
        self.hint = hint
        self.node_id = node_id
        self.input_name = input_name

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every fault this error reports; one unless a subclass collects more."""
        return (Problem(self.code, self.message, self.hint, self.node_id, self.input_name),)

    @property
    def problem(self) -> Problem:
        """The first, and usually the only, fault."""
        return self.problems[0]


class ProtocolError(BridgeError):
    """A message that breaks the rules of the wire."""

    code = "bad_message"


class LocalProtocolError(ProtocolError):
    """We were about to break the rules: a bug on this side."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules.

    Args:
        message: What the peer did.
        close_code: The WebSocket code to close with, or 0 where the connection may live on.
    """

    def __init__(self, message: str, *, code: str = "", hint: str = "", close_code: int = 0) -> None:
        super().__init__(message, code=code, hint=hint)
        self.close_code = close_code


class WorkflowError(BridgeError):
    """A workflow that cannot run, with every fault that was found."""

    code = "bad_workflow"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = tuple(problems)
        assert self._problems, "a workflow error names at least one problem"
        first = self._problems[0]
        super().__init__(
            first.message,
            code=first.code,
            hint=first.hint,
            node_id=first.node_id,
            input_name=first.input_name,
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every fault found, in workflow order."""
        return self._problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self._problems)


class InputError(BridgeError):
    """A picture, depth map or other value from outside that cannot be used as it is."""

    code = "bad_input"


class ModelError(BridgeError):
    """A model file that cannot be used."""

    code = "model_error"


class ModelNotFound(ModelError):
    """No model of that name lies in the model folders."""

    code = "model_not_found"


class UnsupportedModel(ModelError):
    """The file is sound, but nothing here knows how to run it."""

    code = "model_unsupported"


class ExecutionError(BridgeError):
    """A node failed while it ran; the cause is chained."""

    code = "node_failed"


class Interrupted(ExecutionError):
    """The job was cancelled; not a fault."""

    code = "cancelled"


class OutOfMemory(ExecutionError):
    """The device has no room for the next step."""

    code = "out_of_memory"


class ConnectionLost(BridgeError):
    """The daemon cannot be reached, or went away."""

    code = "connection_lost"


def sound(text: str) -> str:
    """Return a text that can be sent: halves of characters, as names of files may hold, become ``?``."""
    return text.encode(errors="replace").decode()


def shown(text: str) -> str:
    """Return a text as a terminal may show it: what would command the terminal becomes U+FFFD.

    Line ends and tabs stay.
    """
    return text.translate(_COMMANDS)


def reason_of(error: BaseException, most: int = 300) -> str:
    """Say in one line of sound text what was raised: its class, and ``most`` characters of its words."""
    try:
        text = str(error)
    except Exception:  # a stranger's exception
        text = ""
    line = next(iter(text.strip().splitlines()), "")[:most]
    return sound(f"{type(error).__name__}: {line}" if line else type(error).__name__)


def problem_of(error: BaseException) -> Problem:
    """Describe any exception to a user; what was not raised on purpose is an internal error.

    What such an error says may be anybody's business but a client's: paths, what others asked for. So the
    log gets it, with its traceback and a number, and the user its class and that number.
    """
    if isinstance(error, BridgeError):
        return error.problem
    error_id = secrets.token_hex(4)
    logger.error("error %s", error_id, exc_info=error)
    message = f"{type(error).__name__}, which should not happen (error {error_id})"
    return Problem("internal_error", message, "The log has the details, by the number of the error.")
