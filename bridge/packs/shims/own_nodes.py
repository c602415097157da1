"""``nodes``: our nodes as classes in ComfyUI's form, for packs that call or extend them.

1. A method has ComfyUI's name (``VAEDecode().decode``) and takes its inputs by name or in ComfyUI's order;
   that of a node which ComfyUI lacks is called ``run``.
2. It returns a tuple, or ``{"ui", "result"}`` if the node shows something: it is the pack's to show that.
3. Packs do not await it, so what is ``async`` here is run to its end on a thread of its own. It takes turns
   with nobody: the pack's node holds up the event loop meanwhile, and another job's turn would never end.
4. ``SaveImage`` and ``PreviewImage`` save where ``type`` of the object says; packs that extend them set it.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, ClassVar

import torch

from bridge.engine import Turns, current_job, current_node, current_place, running
from bridge.errors import Problem
from bridge.graph import PICTURE_FOLDERS, InputDefinition, NodeDefinition, NodeFunction, Registry
from bridge.packs.deadline import answer_apart
from bridge.packs.inputs import FolderNames
from bridge.packs.shims.folders import FolderPaths
from bridge.packs.shims.method_names import METHODS, ORDERS
from bridge.packs.shims.missing import MissingPart

MAX_RESOLUTION = 16384

_SAVING = {"output": "SaveImage", "temp": "PreviewImage"}
"""What ``type`` says → the node that saves there."""


class OwnNode:
    """What the classes of our nodes have in common."""

    node_name: ClassVar[str]

    def __getattr__(self, name: str) -> Any:
        raise MissingPart(f"nodes.{self.node_name}.{name}")


class OwnNodes(Mapping[str, type[OwnNode]]):
    """Classes by the names of nodes, made when they are asked for.

    Args:
        registry: The nodes.
        paths: Tells what inputs choose from, and where pictures go.
    """

    def __init__(self, registry: Registry, paths: FolderPaths) -> None:
        self._registry = registry
        self._paths = paths
        self._classes: dict[str, type[OwnNode]] = {}

    def names(self) -> dict[str, Any]:
        """Return what the module ``nodes`` holds, by name."""
        shown = {name: definition.display_name for name, definition in self._registry.definitions.items()}
        return {
            "MAX_RESOLUTION": MAX_RESOLUTION,
            "NODE_CLASS_MAPPINGS": self,
            "NODE_DISPLAY_NAME_MAPPINGS": shown,
            "EXTENSION_WEB_DIRS": {},
            "__getattr__": self._attribute,
        }

    def __getitem__(self, name: str) -> type[OwnNode]:
        if name not in self._classes:
            self._classes[name] = self._class_of(self._registry[name])
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry)

    def _attribute(self, name: str) -> type[OwnNode]:
        if name in self._registry:
            return self[name]
        raise MissingPart(f"nodes.{name}")

    def _class_of(self, function: NodeFunction) -> type[OwnNode]:
        definition = function.definition
        method = METHODS.get(definition.name, "run")
        contents: dict[str, Any] = {
            "node_name": definition.name,
            "INPUT_TYPES": classmethod(lambda cls: self._input_types(definition)),
            "RETURN_TYPES": tuple(output.type for output in definition.outputs),
            "RETURN_NAMES": tuple(output.name for output in definition.outputs),
            "OUTPUT_IS_LIST": tuple(output.is_list for output in definition.outputs),
            "INPUT_IS_LIST": definition.takes_lists,
            "OUTPUT_NODE": definition.is_output,
            "CATEGORY": definition.category,
            "DESCRIPTION": definition.description,
            "FUNCTION": method,
            method: self._method(definition),
        }
        if function.fingerprint is not None:
            contents["IS_CHANGED"] = staticmethod(function.fingerprint)
        for home, saver in _SAVING.items():
            if definition.name == saver:
                folder = self._paths.get_directory_by_type(home)
                contents |= {"type": home, "output_dir": folder, "prefix_append": "", "compress_level": 4}
        return type(definition.name, (OwnNode,), contents)

    def _method(self, definition: NodeDefinition) -> Any:
        """Return what runs a node (rules 1 to 4)."""
        is_saving = definition.name in _SAVING.values()
        signature = _signature(definition)

        def run(node: Any, /, *given: Any, **named: Any) -> Any:
            values = signature.bind_partial(*given, **named).arguments
            name = _SAVING.get(node.type, definition.name) if is_saving else definition.name
            function = self._registry[name]
            known = {*function.definition.hidden, *(entry.name for entry in function.definition.inputs)}
            return _result(function, {key: value for key, value in values.items() if key in known})

        return run

    def _input_types(self, definition: NodeDefinition) -> dict[str, dict[str, Any]]:
        declared = {entry.name: self._declared(entry) for entry in definition.inputs}
        required = {entry.name for entry in definition.inputs if entry.is_required}
        return {
            "required": {name: entry for name, entry in declared.items() if name in required},
            "optional": {name: entry for name, entry in declared.items() if name not in required},
            "hidden": dict(definition.hidden),
        }

    def _declared(self, entry: InputDefinition) -> tuple[Any, dict[str, Any]]:
        options = {
            "default": entry.default,
            "min": entry.minimum,
            "max": entry.maximum,
            "step": entry.step,
            "multiline": entry.is_multiline or None,
            "lazy": entry.is_lazy or None,
            "rawLink": entry.is_raw_link or None,
            "tooltip": entry.tooltip or None,
            **entry.options,
        }
        kind: Any = entry.type
        if entry.choices is not None:
            kind = list(entry.choices)
        elif entry.choices_from:
            kind = self._listed(entry.choices_from)
        return kind, {name: value for name, value in options.items() if value is not None}

    def _listed(self, folder: str) -> FolderNames:
        if folder not in PICTURE_FOLDERS:
            return self._paths.get_filename_list(folder)
        home = Path(self._paths.get_directory_by_type(folder) or "")
        names = sorted(path.name for path in home.iterdir() if path.is_file()) if home.is_dir() else []
        return FolderNames(names, folder)


def _signature(definition: NodeDefinition) -> Signature:
    """Return what a method takes (rule 1)."""
    inputs = sorted(definition.inputs, key=lambda entry: not entry.is_required)
    names = [*(entry.name for entry in inputs), *definition.hidden]
    if definition.name in ORDERS:
        names = ORDERS[definition.name].split()
    return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])


def _result(function: NodeFunction, values: Mapping[str, Any]) -> Any:
    """Call a function of ours, and return what ComfyUI's method would (rules 2 and 3)."""
    job, warnings = current_job(), list[Problem]()
    alone = replace(job, turns=Turns())
    with running(alone, current_node(), warnings, current_place()) as shown:
        if inspect.iscoroutinefunction(function.call):
            result = answer_apart(_awaited, {"function": function, "values": values}).result()
        else:
            result = function.call(**values)
    for problem in warnings:
        job.warn(problem.code, problem.message, problem.hint, problem.input_name)
    returned = (result,) if len(function.definition.outputs) == 1 else result or ()
    if not shown:
        return returned
    return {"ui": shown, "result": returned} if returned else {"ui": shown}


@torch.no_grad()
async def _awaited(function: NodeFunction, values: Mapping[str, Any]) -> Any:
    return await function.call(**values)
