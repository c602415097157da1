"""``@node``: the signature is the schema, the docstring the tooltip, the file's presence the registration.

    Steps = Annotated[int, Range(1, 10_000)]

    @node("ImagePosterize", category="image/colour")
    def image_posterize(image: Image, levels: Annotated[int, Range(2, 256)] = 8) -> Image:
        '''Reduce every channel to a few even levels.'''
        return posterize(image, levels)

An annotation is a Python type (``int``, ``float``, ``str``, ``bool``, ``Literal[...]``) or ``Annotated``
with the markers below; ``T | None = None`` makes an input optional, ``Omissible`` one that has a default.
Several results are a tuple. A result may be a union with types that are no sockets: ``Image | Expansion``.
"""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from bridge.errors import Problem
from bridge.graph.definition import InputDefinition, NodeDefinition, OutputDefinition

F = TypeVar("F", bound=Callable[..., Any])

_PLAIN = {int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"}

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z][a-z])")
"""Where the words of a class name meet: VAE|Decode, KSampler|Advanced."""


@dataclass(frozen=True, slots=True)
class Socket:
    """The socket type of a value that only links carry: ``Annotated[Tensor, Socket("IMAGE")]``."""

    type: str


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, both inclusive, and the step of its spin button."""

    minimum: float | int | None = None
    maximum: float | int | None = None
    step: float | int | None = None


@dataclass(frozen=True, slots=True)
class ChoicesFrom:
    """A text chosen from what lies in a folder: ``checkpoints``, ``loras``, ``input`` …"""

    folder: str


@dataclass(frozen=True, slots=True)
class Choices:
    """A text chosen from values that are known only as data; otherwise write ``Literal``."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Multiline:
    """A text that deserves a box of several lines."""


@dataclass(frozen=True, slots=True)
class FileText:
    """A text that is the bytes of a file as base64; it may be longer than what people write."""


@dataclass(frozen=True, slots=True)
class FilePrefix:
    """A text with which the name of a file will begin; judged before anything runs."""


@dataclass(frozen=True, slots=True)
class Omissible:
    """An input that a workflow may leave out; its default then counts."""


@dataclass(frozen=True, slots=True)
class Lazy:
    """An input that the node asks for at run time, through its ``needs`` function."""


@dataclass(frozen=True, slots=True)
class RawLink:
    """An input whose ``Link`` the node receives instead of what comes through it; the source runs first."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value the engine passes and no workflow gives.

    ``PROMPT`` is the workflow as submitted, ``EXTRA_PNGINFO`` what pictures keep beside it, ``UNIQUE_ID``
    the node's id, ``DYNPROMPT`` the ``bridge.engine.DynamicPrompt`` of the run.
    """

    kind: str


WorkflowJson = Annotated[Mapping[str, Any] | None, Hidden("PROMPT")]
ExtraJson = Annotated[Mapping[str, Any] | None, Hidden("EXTRA_PNGINFO")]
"""What a node that saves writes into its file."""

Prefix = Annotated[str, FilePrefix()]
"""What the names of its files begin with."""


@dataclass(frozen=True, slots=True)
class Tooltip:
    """One sentence about an input, for a panel."""

    text: str


@dataclass(frozen=True, slots=True)
class EditorOption:
    """What ComfyUI's editor is told about an input besides, in its own words: ``image_upload``."""

    name: str
    value: Any = True


@dataclass(frozen=True, slots=True)
class ListOf:
    """An output whose values are handed on one by one."""


ALWAYS = object()
"""A fingerprint that never equals another: the node runs every time."""


Judge = Callable[[str, Mapping[str, Any], Mapping[str, str]], Iterable[Problem]]
"""From a node's id, its literals and the types that its links bring, to what is wrong with them."""


@dataclass(frozen=True, slots=True)
class NodeFunction:
    """A node that can run: its definition and the Python behind it.

    Args:
        definition: What a workflow may say about it.
        call: The function; plain or ``async``; takes inputs by name.
        fingerprint: From the literal inputs, something that changes when the outside world did
            (a file's date, a frame's number); ``None`` where inputs tell everything.
        needs: From the inputs known so far (lazy ones ``None``), the names of lazy inputs wanted now.
        judge: From the literal inputs (linked ones ``None``) and the socket types of links, what is wrong
            with them; called on a thread of its own, and may take long.

    ``fingerprint`` and ``needs`` may be ``async``.
    """

    definition: NodeDefinition
    call: Callable[..., Any]
    fingerprint: Callable[..., Any] | None = None
    needs: Callable[..., Any] | None = None
    judge: Judge | None = None


def node(
    name: str,
    *,
    category: str,
    display_name: str = "",
    outputs: tuple[str, ...] = (),
    is_output: bool = False,
    takes_lists: bool = False,
    is_idempotent: bool = True,
    fingerprint: Callable[..., Any] | None = None,
    needs: Callable[..., list[str]] | None = None,
    differs: str = "",
) -> Callable[[F], F]:
    """Make a function a node of workflows; the function itself stays an ordinary function.

    Args:
        name: The ``class_type`` in workflow JSON.
        category: Menu path.
        display_name: What people read; derived from the name when empty.
        outputs: Names of the outputs; their socket types when empty.
        is_output: Whether running it is the point of a workflow.
        takes_lists: Whether it receives whole lists.
        is_idempotent: Whether equal inputs give equal results; else two equal nodes run twice.
        fingerprint: See ``NodeFunction``.
        needs: See ``NodeFunction``.
        differs: One sentence on what is different from ComfyUI's node of that name, for docs/nodes.md.

    Raises:
        TypeError: If the signature is no schema: a parameter without a socket type, ``*args``, a
            default that its own bounds or choices forbid, another number of outputs than of names.
    """

    def register(function: F) -> F:
        hints = get_type_hints(function, include_extras=True)
        result = hints.pop("return", None)
        parameters = inspect.signature(function).parameters
        entries = [(parameter, *_unfold(_hint(parameter, hints))) for parameter in parameters.values()]
        hidden = {p.name: mark.kind for p, _, marks in entries for mark in marks if isinstance(mark, Hidden)}
        definition = NodeDefinition(
            name=name,
            category=category,
            display_name=display_name or _WORDS.sub(" ", name),
            description=inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].replace("\n", " "),
            inputs=tuple(_input(p, base, marks) for p, base, marks in entries if p.name not in hidden),
            outputs=tuple(_outputs(result, outputs)),
            hidden=hidden,
            is_output=is_output,
            takes_lists=takes_lists,
            is_idempotent=is_idempotent,
            module=function.__module__,
            differs=differs,
        )
        function.node = NodeFunction(definition, function, fingerprint, needs)  # type: ignore[attr-defined]
        return function

    return register


def _hint(parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise TypeError(f"{parameter}: an input has a name of its own")
    if parameter.name not in hints:
        raise TypeError(f"{parameter.name}: annotate it, so that its socket type is known")
    return hints[parameter.name]


def _unfold(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split a hint into its Python type and its markers, looking through ``| None`` and nesting."""
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        inner, more = _unfold(base)
        return inner, (*more, *marks)
    if get_origin(hint) in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        if len(options) == 1:
            return _unfold(options[0])
    return hint, ()


def _mark(marks: tuple[Any, ...], kind: type[Any]) -> Any:
    """Return the last marker of a kind: an outer one overrules what an alias brought."""
    return next((mark for mark in reversed(marks) if isinstance(mark, kind)), None)


def _input(parameter: inspect.Parameter, base: Any, marks: tuple[Any, ...]) -> InputDefinition:
    bounds = _mark(marks, Range) or Range()
    folder = _mark(marks, ChoicesFrom)
    listed = _mark(marks, Choices)
    choices = get_args(base) if get_origin(base) is Literal else listed and listed.values
    tooltip = _mark(marks, Tooltip)
    default = None if parameter.default is parameter.empty else parameter.default
    is_optional = parameter.default is None or _mark(marks, Omissible) is not None
    entry = InputDefinition(
        name=parameter.name,
        type="COMBO" if folder or choices else _socket_type(base, marks, parameter.name),
        is_required=not is_optional,
        default=default,
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        step=bounds.step,
        choices=choices,
        choices_from=folder.folder if folder else "",
        is_multiline=_mark(marks, Multiline) is not None,
        holds_file=_mark(marks, FileText) is not None,
        begins_file=_mark(marks, FilePrefix) is not None,
        is_lazy=_mark(marks, Lazy) is not None,
        is_raw_link=_mark(marks, RawLink) is not None,
        tooltip=tooltip.text if tooltip else "",
        options={mark.name: mark.value for mark in marks if isinstance(mark, EditorOption)},
    )
    _check_default(entry)
    return entry


def _check_default(entry: InputDefinition) -> None:
    if entry.default is None:
        return
    is_low = entry.minimum is not None and entry.default < entry.minimum
    is_high = entry.maximum is not None and entry.default > entry.maximum
    is_strange = entry.choices is not None and entry.default not in entry.choices
    if is_low or is_high or is_strange:
        raise TypeError(f"{entry.name}: the default {entry.default!r} is not among its own values")


def _outputs(result: Any, names: tuple[str, ...]) -> Iterator[OutputDefinition]:
    if result is None or result is type(None):
        return
    result = _socket_option(result)
    hints = get_args(result) if get_origin(result) is tuple else (result,)
    if names and len(names) != len(hints):
        raise TypeError(f"{len(names)} names for {len(hints)} outputs")
    for index, hint in enumerate(hints):
        base, marks = _unfold(_socket_option(hint))
        socket = _socket_type(base, marks, f"result {index}")
        yield OutputDefinition(names[index] if names else socket, socket, _mark(marks, ListOf) is not None)


def _socket_option(hint: Any) -> Any:
    """Return the option of a union that names sockets; the others are what else a node may return."""
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    options = [o for o in get_args(hint) if get_origin(o) in (tuple, Annotated) or o in _PLAIN]
    return options[0] if len(options) == 1 else hint


def _socket_type(base: Any, marks: tuple[Any, ...], place: str) -> str:
    socket = _mark(marks, Socket)
    if socket:
        return str(socket.type)
    if base in _PLAIN:
        return _PLAIN[base]
    raise TypeError(f"{place}: {base!r} names no socket type; annotate it with Socket(...)")
