"""The plugin's half that talks to the engine, imported into a scripted editor."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .fake import installed
from .world import World

PACKAGE = "framebridge_editing"


@contextmanager
def plugged(package: Path, world: World) -> Iterator[Any]:
    """Give what imports a module of the plugin, as ``host.eye``, in the editor of this world."""
    root = ModuleType(PACKAGE)
    root.__path__ = [str(package)]
    with installed(world.unreal):
        sys.modules[PACKAGE] = root
        try:
            yield lambda name: importlib.import_module(f"{PACKAGE}.{name}")
        finally:
            for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
                del sys.modules[name]


def refusal(plugin: Any, code: str) -> Any:
    """Expect an error of the plugin with this code."""
    return pytest.raises(plugin("_bridge.errors").BridgeError, check=lambda error: error.code == code)


def with_console(world: World) -> dict[str, int]:
    """Give an editor a console with the variables of a new project; returns them, as they are now."""
    variables = {"r.CustomDepth": 1}

    def execute(context: Any, command: str, player: Any = None) -> None:
        name, value = command.split()
        variables[name] = int(value)

    world.scripts.script("SystemLibrary.get_console_variable_int_value", lambda name: variables.get(name, 0))
    world.scripts.script("SystemLibrary.execute_console_command", execute)
    return variables


def with_meshes(world: World) -> None:
    """Let an editor change meshes, and tell the bounds of components as those of their actors."""

    def bounds(component: Any) -> tuple[Any, Any, float]:
        actor = next(actor for actor in world.actors if component in actor._components)
        middle, half = actor.get_actor_bounds(False)
        return middle, half, float(max(half.x, half.y, half.z))

    def set_mesh(component: Any, mesh: Any) -> bool:
        component.set_editor_property("static_mesh", mesh)
        return True

    world.scripts.script("PrimitiveComponent.set_collision_enabled", lambda component, kind: None)
    world.scripts.script("SystemLibrary.get_component_bounds", bounds)
    world.scripts.script("StaticMeshComponent.set_static_mesh", set_mesh)
