"""What a node is, as plain data.

The worker builds these from Python functions (``bridge.graph.node``) or from a foreign pack, and tells
the daemon, which validates workflows without importing either. Everything here is JSON at heart.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bridge.graph.workflow import Link

WIDGET_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
"""Socket types whose values are written into the workflow itself; every other input needs a link."""

ANY_TYPE = "*"
"""The socket type that connects to everything."""

ALL_INPUTS = "*"
LINK_TYPES = "input_types"
"""What ``NodeDefinition.judges`` may hold besides names of inputs."""


@dataclass(frozen=True, slots=True)
class InputDefinition:
    """One input of a node.

    Args:
        name: As in the workflow JSON.
        type: Socket type: ``INT``, ``COMBO``, ``IMAGE`` …
        is_required: Whether a workflow must give it.
        default: The value a host shows first; ``None`` where there is none.
        minimum: Least value, inclusive, for numbers.
        maximum: Greatest value, inclusive, for numbers.
        step: What a spin button adds.
        choices: The values of a ``COMBO``, in packs not only texts; ``None`` where they come from
            ``choices_from``.
        choices_from: The folder that lists the values: ``checkpoints``, ``loras``, ``input`` …
        is_multiline: Whether a text deserves a box of several lines.
        is_lazy: Whether the node decides at run time if it needs the input.
        holds_file: Whether a text is the bytes of a file as base64, and so may be as long as a file.
        begins_file: Whether the name of a file will begin with a text.
        is_raw_link: Whether the node receives the link itself instead of what comes through it.
        tooltip: One sentence for a panel.
        options: What ComfyUI's editor is told besides, in its own words: ``image_upload``, ``round`` …
        also: Further socket types that links may bring, with commas between them.
    """

    name: str
    type: str
    is_required: bool = True
    default: Any = None
    minimum: float | int | None = None
    maximum: float | int | None = None
    step: float | int | None = None
    choices: tuple[Any, ...] | None = None
    choices_from: str = ""
    is_multiline: bool = False
    holds_file: bool = False
    begins_file: bool = False
    is_lazy: bool = False
    is_raw_link: bool = False
    tooltip: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    also: str = ""

    @property
    def linked_type(self) -> str:
        """The socket types that links may bring, with commas between them."""
        return f"{self.type},{self.also}" if self.also else self.type

    @property
    def is_widget(self) -> bool:
        """Whether a workflow may hold the value itself instead of a link."""
        return self.type in WIDGET_TYPES


@dataclass(frozen=True, slots=True)
class OutputDefinition:
    """One output of a node; a list output hands its values one by one to what follows."""

    name: str
    type: str
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """A node class of a workflow.

    Args:
        name: The ``class_type`` of the workflow JSON.
        category: Menu path, ``image/upscaling``.
        display_name: What people read; the name where nothing better is known.
        description: The tooltip.
        inputs: In the order of the panel.
        outputs: In slot order.
        hidden: Parameter name → what the engine passes: ``PROMPT``, ``EXTRA_PNGINFO``, ``UNIQUE_ID``,
            ``DYNPROMPT``.
        is_output: Whether running it is the point of a workflow (it saves, shows or sends).
        takes_lists: Whether it receives whole lists instead of being mapped over them.
        is_idempotent: Whether equal inputs give equal results, so that two such nodes may share one run.
        module: Where it comes from.
        differs: One sentence on what a workflow from ComfyUI meets here that is different; mostly empty.
        details: What ComfyUI's editor is told besides, in its own words: ``deprecated`` …
        takes_undeclared: Whether links to inputs that it does not declare are passed to it as well.
        takes_undeclared_values: Whether what a workflow itself says of such inputs is passed to it too.
        judges: The inputs whose values its own code judges, so that bounds and choices do not; ``*`` is
            all of them, ``input_types`` means that it judges what links bring as well.
        further_outputs: Socket type of all outputs beyond these, where it gives as many as links ask for.
    """

    name: str
    category: str
    display_name: str = ""
    description: str = ""
    inputs: tuple[InputDefinition, ...] = ()
    outputs: tuple[OutputDefinition, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    is_output: bool = False
    takes_lists: bool = False
    is_idempotent: bool = True
    module: str = ""
    differs: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    takes_undeclared: bool = False
    takes_undeclared_values: bool = False
    judges: tuple[str, ...] = ()
    further_outputs: str = ""

    def input(self, name: str) -> InputDefinition | None:
        """Return the input of that name, or ``None``."""
        return next((entry for entry in self.inputs if entry.name == name), None)

    def has_output(self, slot: int) -> bool:
        """Whether a link may come from this slot."""
        return slot >= 0 and (slot < len(self.outputs) or bool(self.further_outputs))

    def output(self, slot: int) -> OutputDefinition:
        """Return the output of a slot that it has."""
        further = OutputDefinition(self.further_outputs, self.further_outputs)
        return self.outputs[slot] if slot < len(self.outputs) else further

    def takes(self, name: str, value: Any) -> bool:
        """Whether it gets this value under this name."""
        if self.input(name) is not None:
            return True
        is_taken = self.takes_undeclared if isinstance(value, Link) else self.takes_undeclared_values
        return is_taken and name not in self.hidden

    def judges_value(self, name: str) -> bool:
        """Whether its own code judges what an input holds."""
        return name in self.judges or ALL_INPUTS in self.judges

    def to_json(self) -> dict[str, Any]:
        """Return the definition as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "NodeDefinition":
        """Read what ``to_json`` wrote, by this version or another: unknown fields are dropped.

        Raises:
            KeyError: If a field that has no default is missing; ``TypeError`` if one has another shape.
        """
        known = _known(cls, data)
        inputs = (InputDefinition(**_known(InputDefinition, entry)) for entry in known.get("inputs", ()))
        outputs = (OutputDefinition(**_known(OutputDefinition, entry)) for entry in known.get("outputs", ()))
        judges = tuple(known.get("judges", ()))
        return cls(**{**known, "inputs": tuple(inputs), "outputs": tuple(outputs), "judges": judges})


Definitions = Mapping[str, NodeDefinition]
"""Everything a workflow may name: node definitions by their names."""


def _known(kind: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass that JSON data holds."""
    names = {entry.name for entry in fields(kind)}
    known = {name: value for name, value in data.items() if name in names}
    return {**known, "choices": tuple(known["choices"])} if known.get("choices") is not None else known


def connects(offered: str, needed: str) -> bool:
    """Say whether an output of one socket type may feed an input of another.

    Types match when they are equal, when either is ``*``, or when unions written with commas
    (``IMAGE,MASK``) have a member in common. Numbers are not converted: INT does not feed FLOAT.
    """
    left, right = ({part.strip() for part in names.split(",")} for names in (offered, needed))
    return ANY_TYPE in left | right or not left.isdisjoint(right)
