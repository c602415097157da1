"""Install the packed add-on the old way, in a Blender of before extensions, and take it away again."""

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Any

sys.argv = sys.argv[sys.argv.index("--") :]
sys.path.insert(0, str(Path(__file__).parent))

import addon_utils  # noqa: E402
import bpy  # noqa: E402
from harness import REQUEST, report  # noqa: E402
from install_traces import difference, files, resources, timers, traces  # noqa: E402


def installed() -> dict[str, Any]:
    before = set(sys.modules)
    if old := REQUEST.get("old_websockets"):
        sys.path.insert(0, old)
        import websockets  # as another add-on does

        sys.path.remove(old)
        assert websockets.is_old
    if version := REQUEST.get("python"):
        sys.version_info = tuple(version)
    bpy.ops.preferences.addon_install(filepath=REQUEST["archive"])
    bpy.ops.preferences.addon_enable(module="framebridge")
    if "framebridge" not in bpy.context.preferences.addons:
        return {"is_enabled": False, "files": files(resources())}
    connect = importlib.import_module("framebridge._bridge.client.exchange").connect
    return {
        "is_enabled": addon_utils.check("framebridge") == (True, True),
        "connect": connect.__module__,
        "answer": asyncio.run(ask(connect)),
        "websockets": [name for name in sorted(set(sys.modules) - before) if name.startswith("websockets")],
        "wheels_on_path": [place for place in sys.path if "wheel" in place or place.endswith(".whl")],
    }


async def ask(connect) -> str:
    async with connect(REQUEST["echo"]) as connection:
        await connection.send("hello")
        return await connection.recv()


def removed() -> dict[str, Any]:
    bpy.ops.preferences.addon_disable(module="framebridge")
    found = difference(BEFORE, traces())
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=window.screen.areas[0]):  # it redraws its area
        bpy.ops.preferences.addon_remove(module="framebridge")
    return {"difference": found, "timers": timers("framebridge"), "files": files(resources())}


os.makedirs(resources(), exist_ok=True)
BEFORE = traces()
report(installed, *([removed] if REQUEST.get("remove") else []))
