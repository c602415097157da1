"""Install the packed add-on as a user does, look at what came, and take it away again."""

import importlib
import importlib.machinery
import site
import sys
import threading
from typing import Any

import bpy
from harness import REQUEST, report
from install_traces import difference, files, resources, timers, traces

MODULE = "bl_ext.user_default.framebridge"


class WithoutOurs:
    """Keep this environment's own ``websockets`` out of the way; a user's Blender has none."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "websockets":
            return None
        places = [place for place in sys.path if place not in site.getsitepackages()]
        found = importlib.machinery.PathFinder.find_spec(name, places)
        if found is None:
            raise ModuleNotFoundError(f"no module named {name}", name=name)
        return found


def installed() -> dict[str, Any]:
    bpy.ops.extensions.package_install_files(
        filepath=REQUEST["archive"], repo="user_default", enable_on_install=True
    )
    exchange = importlib.import_module(f"{MODULE}._bridge.client.exchange")
    websockets = sys.modules.get("websockets")
    speedups = sys.modules.get("websockets.speedups")
    return {
        "is_enabled": MODULE in bpy.context.preferences.addons,
        "connect": exchange.connect.__module__,
        "websockets": getattr(websockets, "__file__", ""),
        "speedups": getattr(speedups, "__file__", ""),
        "resources": resources(),
        "threads": [thread.name for thread in threading.enumerate()],
    }


def removed() -> dict[str, Any]:
    bpy.ops.preferences.addon_disable(module=MODULE)
    disabled = {"difference": difference(BEFORE, traces()), "timers": timers(MODULE)}
    repositories = [repository.module for repository in bpy.context.preferences.extensions.repos]
    bpy.ops.extensions.package_uninstall(repo_index=repositories.index("user_default"), pkg_id="framebridge")
    return {
        "disabled": disabled,
        "difference": difference(BEFORE, traces()),
        "is_enabled": MODULE in bpy.context.preferences.addons,
        "files": files(resources()),
    }


sys.meta_path.insert(0, WithoutOurs)
BEFORE = traces()
report(installed, removed)
