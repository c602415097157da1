"""What an add-on can leave in Blender: registered classes, properties, handlers, timers, threads, files."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import bpy

OWNERS = (
    "Scene",
    "WindowManager",
    "Object",
    "Image",
    "Camera",
    "World",
    "Screen",
    "WorkSpace",
    "Preferences",
)
"""The types that add-ons hang properties on."""


def traces() -> dict[str, list[str]]:
    """Describe this Blender; what an add-on has left differs from before it came."""
    return {
        "types": sorted(dir(bpy.types)),
        "operators": sorted(
            f"{group}.{name}" for group in dir(bpy.ops) for name in dir(getattr(bpy.ops, group))
        ),
        "properties": sorted(
            f"{owner}.{name}"
            for owner in OWNERS
            for name, _ in getattr(bpy.types, owner).bl_rna.properties.items()
        ),
        "handlers": sorted(
            f"{name}: {function.__module__}.{function.__qualname__}"
            for name in dir(bpy.app.handlers)
            if isinstance(functions := getattr(bpy.app.handlers, name), list)
            for function in functions
        ),
        "drawn": sorted(
            f"{name}: {function.__module__}.{function.__qualname__}"
            for name in dir(bpy.types)
            for function in getattr(getattr(getattr(bpy.types, name), "draw", None), "_draw_funcs", ())
            if not function.__module__.startswith("bl_ui.")  # Blender's own, listed once anything was added
        ),
        "keys": sorted(
            f"{keymap.name}: {item.idname}"
            for keymap in (bpy.context.window_manager.keyconfigs.addon or _NoKeys).keymaps
            for item in keymap.keymap_items
        ),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "path": list(sys.path),
    }


def timers(package: str) -> list[str]:
    """Return the functions of a package's modules that Blender still calls."""
    functions = {
        value
        for name, module in list(sys.modules.items())
        if name == package or name.startswith(f"{package}.")
        for value in vars(module).values()
        if callable(value) and getattr(value, "__module__", "") == name and hasattr(value, "__code__")
    }
    return sorted(value.__qualname__ for value in functions if bpy.app.timers.is_registered(value))


def files(folder: str) -> list[str]:
    """Return what lies in a folder, folders among it."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*"))


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[str]]:
    """Return what has come, by kind."""
    gone = {name: [item for item in after[name] if item not in set(before[name])] for name in after}
    return {name: items for name, items in gone.items() if items}


def resources() -> str:
    """Return the folder in which Blender keeps everything of this user."""
    return os.environ["BLENDER_USER_RESOURCES"]


class _NoKeys:
    keymaps = ()
