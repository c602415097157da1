"""A node class as a pack wrote it, in either of ComfyUI's forms, read into one description.

The first form is a class with ``INPUT_TYPES``, ``RETURN_TYPES`` and ``FUNCTION``; the second
(``io.ComfyNode``) a class with ``define_schema`` and ``execute``. Both become a ``ForeignNode``, and from
there on they are alike.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.graph import ALL_INPUTS, InputDefinition, NodeDefinition, OutputDefinition
from bridge.packs.inputs import further_types, plain, read_input, socket_type
from bridge.packs.shims.io_nodes import ComfyNode

KINDS = frozenset(
    {"PROMPT", "EXTRA_PNGINFO", "UNIQUE_ID", "DYNPROMPT", "AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG"}
)
"""Hidden inputs that the engine fills; those of accounts stay empty."""

_FLAGS = {"DEPRECATED": "deprecated", "EXPERIMENTAL": "experimental", "API_NODE": "api_node"}


@dataclass(frozen=True, slots=True)
class ForeignNode:
    """A node class of a pack.

    Args:
        definition: What workflows may say about it.
        kind: The class.
        method: The name of what runs.
        is_schema: Whether it is of the second form: its methods belong to the class, and what is hidden is
            an attribute of it.
        fingerprint: The name of ``IS_CHANGED`` or its like; empty without.
        validate: ``VALIDATE_INPUTS`` and its like; ``None`` without.
        needs: The name of what says which lazy inputs it wants; empty without.
    """

    definition: NodeDefinition
    kind: type
    method: str
    is_schema: bool
    fingerprint: str
    validate: Callable[..., Any] | None
    needs: str


def read_class(name: str, kind: type, display_name: str, module: str) -> ForeignNode:
    """Read a class of a pack.

    Args:
        name: The ``class_type`` in workflows.
        kind: The class.
        display_name: What people read; empty where the pack does not say.
        module: The pack.

    Raises:
        Exception: Whatever its own code raises, and ``TypeError`` or ``AttributeError`` if it is none.
    """
    if issubclass(kind, ComfyNode):
        return _of_schema(name, kind, display_name, module)
    given = kind.INPUT_TYPES()  # type: ignore[attr-defined]
    method: str = kind.FUNCTION  # type: ignore[attr-defined]
    function = getattr(kind, method)
    validate = getattr(kind, "VALIDATE_INPUTS", None)
    inputs, hidden = _inputs(given)
    types = getattr(kind, "RETURN_TYPES", ())
    outputs = _outputs(
        types,
        getattr(kind, "RETURN_NAMES", ()),
        getattr(kind, "OUTPUT_IS_LIST", ()),
    )
    details: dict[str, Any] = {ours: True for theirs, ours in _FLAGS.items() if getattr(kind, theirs, False)}
    if tooltips := getattr(kind, "OUTPUT_TOOLTIPS", ()):
        details["output_tooltips"] = plain(tooltips)
    definition = NodeDefinition(
        name=name,
        category=str(getattr(kind, "CATEGORY", "") or "custom nodes"),
        display_name=display_name or name,
        description=str(getattr(kind, "DESCRIPTION", "") or ""),
        inputs=inputs,
        outputs=outputs,
        hidden=hidden,
        is_output=bool(getattr(kind, "OUTPUT_NODE", False)),
        takes_lists=bool(getattr(kind, "INPUT_IS_LIST", False)),
        is_idempotent=not getattr(kind, "NOT_IDEMPOTENT", False),
        module=module,
        details={**details, "python_module": module},
        takes_undeclared=_takes_any(function),
        takes_undeclared_values=_takes_any(function) and _declares_any(given),
        judges=_judged(validate),
        further_outputs=_further_outputs(types),
    )
    needs = "check_lazy_status" if hasattr(kind, "check_lazy_status") else ""
    fingerprint = "IS_CHANGED" if hasattr(kind, "IS_CHANGED") else ""
    return ForeignNode(definition, kind, method, False, fingerprint, validate, needs)


def _of_schema(name: str, kind: type[ComfyNode], display_name: str, module: str) -> ForeignNode:
    schema = kind.GET_SCHEMA()
    given: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for entry in schema.inputs:
        given["optional" if entry.optional else "required"][entry.id] = entry.declared()
    inputs, _ = _inputs(given)
    outputs = tuple(
        OutputDefinition(
            str(entry.display_name or entry.id or _output_name(entry.io_type)),
            _output_type(entry.io_type),
            bool(entry.is_output_list),
        )
        for entry in schema.outputs
    )
    flags = {
        "deprecated": schema.is_deprecated,
        "experimental": schema.is_experimental,
        "api_node": schema.is_api_node,
    }
    tooltips = [entry.tooltip for entry in schema.outputs]
    details: dict[str, Any] = {flag: True for flag, is_set in flags.items() if is_set}
    if any(tooltips):
        details["output_tooltips"] = plain(tooltips)
    validate = kind.validate_inputs if kind.overrides("validate_inputs") else None
    definition = NodeDefinition(
        name=name,
        category=str(schema.category),
        display_name=schema.display_name or display_name or name,
        description=str(schema.description or ""),
        inputs=inputs,
        outputs=outputs,
        hidden={_hidden_name(entry): str(getattr(entry, "value", entry)) for entry in schema.hidden},
        is_output=bool(schema.is_output_node),
        takes_lists=bool(schema.is_input_list),
        is_idempotent=not schema.not_idempotent,
        module=module,
        details={**details, "python_module": module},
        takes_undeclared=_takes_any(kind.execute),
        judges=_judged(validate),
    )
    fingerprint = "fingerprint_inputs" if kind.overrides("fingerprint_inputs") else ""
    needs = "check_lazy_status" if kind.overrides("check_lazy_status") else ""
    return ForeignNode(definition, kind, "execute", True, fingerprint, validate, needs)


def _inputs(given: Mapping[str, Any]) -> tuple[tuple[InputDefinition, ...], dict[str, str]]:
    """Return the inputs and what is hidden; a hidden input that the engine does not fill may be given."""
    hidden = dict(given.get("hidden") or {})
    filled = {
        name: str(kind) for name, kind in hidden.items() if isinstance(kind, str) and str(kind) in KINDS
    }
    entries = [
        *((name, entry, True) for name, entry in (given.get("required") or {}).items()),
        *((name, entry, False) for name, entry in (given.get("optional") or {}).items()),
        *((name, entry, False) for name, entry in hidden.items() if name not in filled and _is_entry(entry)),
    ]
    known: dict[str, InputDefinition] = {}
    for name, entry, is_required in entries:  # one declared twice is as it stands first
        known.setdefault(name, read_input(name, entry, is_required=is_required))
    return tuple(known.values()), filled


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, tuple | list) and bool(entry)


def _outputs(
    types: Sequence[Any], names: Sequence[Any], are_lists: Sequence[bool]
) -> tuple[OutputDefinition, ...]:
    found = []
    for index, kind in enumerate(types):
        name = str(names[index]) if index < len(names) and names[index] else _output_name(kind)
        found.append(
            OutputDefinition(name, _output_type(kind), bool(index < len(are_lists) and are_lists[index]))
        )
    return tuple(found)


def _further_outputs(types: Sequence[Any]) -> str:
    """Return the type of outputs beyond those declared, where a sequence answers for them too."""
    try:
        return _output_type(types[len(types)])
    except (LookupError, TypeError):
        return ""


def _output_name(kind: Any) -> str:
    return socket_type(kind) if isinstance(kind, str) else "COMBO"


def _output_type(kind: Any) -> str:
    return ",".join([_output_name(kind), *further_types(kind)])


def _hidden_name(entry: Any) -> str:
    return str(getattr(entry, "name", entry))


def _takes_any(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def _declares_any(given: Mapping[str, Any]) -> bool:
    """Whether a mapping of inputs says that it holds whatever it is asked for."""
    mappings = (given.get("optional"), given.get("hidden"))
    return any("AN INPUT THAT NOBODY DECLARES" in each for each in mappings if each is not None)


def _judged(validate: Callable[..., Any] | None) -> tuple[str, ...]:
    """Return what the code of a class judges itself: the names of its parameters."""
    if validate is None:
        return ()
    parameters = inspect.signature(validate).parameters.values()
    names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    return (*names, ALL_INPUTS) if any(p.kind is p.VAR_KEYWORD for p in parameters) else names
