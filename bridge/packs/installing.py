"""Putting the modules in place: only once packs are to be loaded, and only those that are not there."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from bridge.graph import Registry
from bridge.packs.shims import (
    api,
    cli_args,
    graph,
    graph_utils,
    latent_preview,
    model_management,
    node_helpers,
    node_typing,
    samplers,
    server,
    utils,
)
from bridge.packs.shims.folders import FolderPaths
from bridge.packs.shims.missing import refusing
from bridge.packs.shims.own_nodes import OwnNodes

PACKAGES = (
    "comfy",
    "comfy.comfy_types",
    "comfy_execution",
    "comfy_api",
    "comfy_api.latest",
    "comfy_api.v0_0_1",
    "comfy_api.v0_0_2",
    "custom_nodes",
)
"""Modules that hold others."""

MODULES: Mapping[str, ModuleType] = {
    "comfy.cli_args": cli_args,
    "comfy.comfy_types": node_typing,
    "comfy.comfy_types.node_typing": node_typing,
    "comfy.model_management": model_management,
    "comfy.samplers": samplers,
    "comfy.utils": utils,
    "comfy_api.latest": api,
    "comfy_api.v0_0_1": api,
    "comfy_api.v0_0_2": api,
    "comfy_execution.graph": graph,
    "comfy_execution.graph_utils": graph_utils,
    "latent_preview": latent_preview,
    "node_helpers": node_helpers,
    "server": server,
}
"""Modules by the names that packs know them by."""

OTHERS = ("folder_paths", "nodes", "execution", "comfy_extras", "comfy_api_nodes", "comfy_config")

ROOTS = frozenset(name.split(".")[0] for name in (*PACKAGES, *MODULES, *OTHERS))
"""What a pack means by ComfyUI."""


def install(settings: Mapping[str, Any], ours: Registry) -> None:
    """Make the modules importable.

    Args:
        settings: Of the worker: where things lie.
        ours: The nodes that packs find in ``nodes``.
    """
    contents: dict[str, dict[str, Any]] = {name: {} for name in PACKAGES}
    for name, module in MODULES.items():
        contents[name] = {public: getattr(module, public) for public in module.__all__}
    paths = FolderPaths(settings)
    contents["folder_paths"] = paths.names()
    contents["nodes"] = OwnNodes(ours, paths).names()
    for name, content in contents.items():
        if name not in sys.modules:
            _put(name, content, Path(paths.base_path))


def _put(name: str, content: Mapping[str, Any], home: Path) -> None:
    """Make one module importable.

    Packs look for ComfyUI's folder beside its modules, and write there; so the modules claim to lie in the
    user's own folder.
    """
    module = ModuleType(name, f"What packs need of ComfyUI's {name}.")
    vars(module).update({"__getattr__": refusing(name), **content})
    place = home.joinpath(*name.split("."))
    if name in PACKAGES:
        module.__path__ = []
        module.__file__ = str(place / "__init__.py")
    else:
        module.__file__ = f"{place}.py"
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
