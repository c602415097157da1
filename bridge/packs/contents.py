"""What the module of a pack holds: nodes in ComfyUI's two forms, our own, and folders for the editor."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from bridge.engine import Ready, framed
from bridge.errors import sound
from bridge.graph import Failure, NodeFunction, Registry
from bridge.packs.calling import node_function
from bridge.packs.deadline import answer_apart
from bridge.packs.foreign import read_class
from bridge.packs.reasons import reason_missing

_EXAMPLES = ("example_workflows", "example", "examples", "workflow", "workflows")
"""Where packs keep workflows to begin with; the first that is there counts."""


def functions_of(
    module: ModuleType, pack: str, *, is_installed: bool
) -> tuple[list[NodeFunction], list[Failure]]:
    """Return the nodes of a pack, and those that cannot be read; of two with one name, that of our form.

    Args:
        module: Of the pack.
        pack: Its name.
        is_installed: Whether it is a package from pip. All its modules are searched for nodes of our form;
            those of a folder only where it has none of ComfyUI's.

    Raises:
        TypeError: If it has no nodes of any form.
        Exception: Whatever ``comfy_entrypoint`` raises.
    """
    mappings = getattr(module, "NODE_CLASS_MAPPINGS", None)
    entrypoint = getattr(module, "comfy_entrypoint", None)
    has_classes = mappings is not None or entrypoint is not None
    own = Registry.of_package(module) if is_installed or not has_classes else Registry()
    if not has_classes and not own and not own.failures:
        raise TypeError("it has neither NODE_CLASS_MAPPINGS, comfy_entrypoint nor @node functions")
    classes = dict(mappings or {})
    if entrypoint is not None:
        classes |= _of_extension(entrypoint)
    shown: Mapping[str, Any] = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}

    def read(name: str) -> NodeFunction:
        return node_function(read_class(str(name), classes[name], str(shown.get(name, "")), module.__name__))

    functions, failures = _readable(pack, own, own.__getitem__)
    foreign, unreadable = _readable(pack, [name for name in classes if name not in own], read)
    return [*functions, *foreign], [*own.failures, *failures, *unreadable]


def folders_of(module: ModuleType) -> dict[str, str]:
    """Return where a pack keeps scripts (``web``), ``locales`` and ``examples``, as far as it does.

    What lies outside of the pack's own folder is left out, as the editor's page may read all of it; so is
    what has a name that cannot be told.
    """
    home = Path(inspect.getfile(module)).resolve().parent
    web = getattr(module, "WEB_DIRECTORY", None)
    folders = {"locales": home / "locales"}
    if isinstance(web, str) and web:
        folders["web"] = home / web
    examples = [home / name for name in _EXAMPLES if (home / name).is_dir()]
    if examples and hasattr(module, "__path__"):
        folders["examples"] = examples[0]
    resolved = {name: path.resolve() for name, path in folders.items()}
    inside = {name: path for name, path in resolved.items() if path.is_dir() and path.is_relative_to(home)}
    return {name: str(path) for name, path in inside.items() if sound(str(path)) == str(path)}


def _readable(
    pack: str, names: Iterable[str], read: Callable[[str], NodeFunction]
) -> tuple[list[NodeFunction], list[Failure]]:
    """Read nodes one by one; return those that the daemon can be told of, and why the others cannot be."""
    functions, failures = [], []
    for name in names:
        try:
            function = read(name)
            framed(Ready({function.definition.name: function.definition.to_json()}))
        except BaseException as error:  # a pack's code; the worker gets no Ctrl-C
            failures.append(Failure(sound(f"{pack}: {name}"), reason_missing(error)))
        else:
            functions.append(function)
    return functions, failures


def _of_extension(entrypoint: Any) -> dict[str, type]:
    """Return the classes of a pack of the second form by their names."""

    async def classes() -> dict[str, type]:
        extension = entrypoint()
        if inspect.isawaitable(extension):
            extension = await extension
        await extension.on_load()
        return {_schema_name(kind): kind for kind in await extension.get_node_list()}

    return dict(answer_apart(classes, {}).result())


def _schema_name(kind: Any) -> str:
    """Return the name of a node; its class's if it has no schema, which whoever reads the class will tell."""
    try:
        return str(kind.GET_SCHEMA().node_id)
    except BaseException:  # a pack's code; the worker gets no Ctrl-C
        return str(getattr(kind, "__name__", kind))
