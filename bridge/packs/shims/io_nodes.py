"""``comfy_api.latest.io``: nodes of the second form, their schema, and what they return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bridge.engine import ExecutionBlocker
from bridge.packs.shims.io_types import Input, Output


class Hidden(str, Enum):  # noqa: UP042 - packs compare members with plain texts
    """What a node may ask the engine for."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"  # noqa: S105 - a name
    api_key_comfy_org = "API_KEY_COMFY_ORG"


class HiddenHolder:
    """What the engine gave: attributes by the names of ``Hidden``; ``None`` where nothing was asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        return self._values.get(name)


@dataclass
class Schema:
    """What a node is."""

    node_id: str
    display_name: str = ""
    category: str = "sd"
    inputs: Sequence[Input] = ()
    outputs: Sequence[Output] = ()
    hidden: Sequence[Hidden] = ()
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    enable_expand: bool = False
    search_aliases: Sequence[str] = ()
    is_dev_only: bool = False
    has_intermediate_output: bool = False
    essentials_category: str | None = None
    price_badge: Any = None
    accept_all_inputs: bool = False

    def __post_init__(self) -> None:
        self.inputs = tuple(self.inputs or ())
        self.outputs = tuple(self.outputs or ())
        self.hidden = tuple(self.hidden or ())
        names = [entry.id for entry in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.node_id} has two inputs of one name")

    def finalize(self) -> None:
        """Ask for what a node that saves writes into its files, even where it does not say so."""
        if self.is_output_node:
            self.hidden = tuple(dict.fromkeys((*self.hidden, Hidden.prompt, Hidden.extra_pnginfo)))


class ComfyNode:
    """A node of the second form; everything about it belongs to the class, an instance is never made."""

    hidden: HiddenHolder = HiddenHolder({})

    @classmethod
    def define_schema(cls) -> Schema:
        """Return what the node is."""
        raise NotImplementedError(f"{cls.__name__}.define_schema")

    @classmethod
    def execute(cls, **inputs: Any) -> Any:
        """Do the node's work."""
        raise NotImplementedError(f"{cls.__name__}.execute")

    @classmethod
    def validate_inputs(cls, **inputs: Any) -> Any:
        """Return ``True``, or what is wrong with the inputs."""
        return True

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        """Return something that changes when the world outside did."""
        return None

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Return the lazy inputs that are needed."""
        return [name for name, value in inputs.items() if value is None]

    @classmethod
    def GET_SCHEMA(cls) -> Schema:  # noqa: N802 - a name of ComfyUI's
        """Return what the node is, with what follows from it."""
        schema = cls.define_schema()
        schema.finalize()
        return schema

    @classmethod
    def overrides(cls, name: str) -> bool:
        """Whether a pack has written a method of its own."""
        mine: Any = getattr(cls, name)
        base: Any = getattr(ComfyNode, name)
        return bool(mine.__func__ is not base.__func__)

    @classmethod
    def given(cls, hidden: Mapping[str, Any]) -> "type[ComfyNode]":
        """Return the class for one call: the same, with what the engine gave."""
        return type(cls.__name__, (cls,), {"hidden": HiddenHolder(hidden), "__module__": cls.__module__})


class NodeOutput:
    """What a node returns.

    Args:
        values: One for each output.
        ui: What it shows: an object of ``comfy_api.latest.ui``, or a mapping.
        expand: A graph that does its work.
        block_execution: Why nothing that needs its outputs may run.
    """

    def __init__(
        self,
        *values: Any,
        ui: Any = None,
        expand: Mapping[str, Any] | None = None,
        block_execution: str | None = None,
    ) -> None:
        self.args = values
        self.ui = ui
        self.expand = expand
        self.block_execution = block_execution

    @property
    def result(self) -> tuple[Any, ...] | None:
        """The values; ``None`` if there are none."""
        return self.args or None

    def __getitem__(self, index: int) -> Any:
        return self.args[index]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "NodeOutput":
        """Read what a node of the first form returns."""
        result = data.get("result", ())
        if isinstance(result, ExecutionBlocker):
            return cls(ui=data.get("ui"), block_execution=result.message)
        return cls(*result, ui=data.get("ui"), expand=data.get("expand"))

    def as_dict(self) -> dict[str, Any]:
        """Return the same as a node of the first form returns it."""
        data: dict[str, Any] = {"result": self.args}
        if self.block_execution is not None:
            data["result"] = ExecutionBlocker(self.block_execution)
        if self.ui is not None:
            data["ui"] = self.ui if isinstance(self.ui, Mapping) else self.ui.as_dict()
        if self.expand is not None:
            data["expand"] = self.expand
        return data
