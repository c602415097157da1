"""Final renders that cannot be captured, what the user is told, and what is left."""

import shutil
import sys
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import scenes
from digest import differences, digest
from framebridge import render
from framebridge._bridge.errors import BridgeError
from framebridge.capture import Capturer
from framebridge.render import render_capture
from framebridge.viewport import camera_view, find_viewport
from harness import report


class Flat(bpy.types.RenderEngine):
    """An engine that tells colours only."""

    bl_idname, bl_label = "FLAT", "Flat"

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        fill(self)


class Failing(bpy.types.RenderEngine):
    """An engine that gives up, as Cycles does where its denoiser was not built in."""

    bl_idname, bl_label = "FAILING", "Failing"

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        fill(self)
        self.report({"ERROR"}, "Build without OpenImageDenoiser")


def fill(engine: bpy.types.RenderEngine) -> None:
    result = engine.begin_result(0, 0, engine.resolution_x, engine.resolution_y)
    pixels = engine.resolution_x * engine.resolution_y
    result.layers[0].passes["Combined"].rect = np.full((pixels, 4), 0.5).tolist()
    engine.end_result(result)


def told() -> dict:
    return {name: outcome(fault) for name, fault in FAULTS.items()}


def outcome(fault: Callable[[], None]) -> dict:
    scenes.solids()
    scenes.camera("perspective")
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    kept = {name: getattr(render, name) for name in ("_is_rendering", "_render", "shutil")}
    folder, console = tempfile.tempdir, StringIO()
    before = {}
    try:
        fault()
        before = digest()
        sys.stderr = console
        viewport = find_viewport()
        render_capture(Capturer(), viewport, camera_view(viewport, 64, 40))
        found = {"code": "none"}
    except BridgeError as error:
        found = {"code": error.code, "message": error.message, "hint": error.hint}
    finally:
        sys.stderr, tempfile.tempdir = sys.__stderr__, folder
        for name, value in kept.items():
            setattr(render, name, value)
    return found | {"changed": differences(before, digest()), "console": console.getvalue()}


def _no_camera() -> None:
    bpy.context.scene.camera = None


def _panoramic() -> None:
    bpy.context.scene.camera.data.type = "PANO"


def _is_rendering() -> None:
    render._is_rendering = lambda: True


def _little_space() -> None:
    render.shutil = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=100_000))


def _no_folder() -> None:
    tempfile.tempdir = "/no such folder"


def _fails() -> None:
    bpy.context.scene.render.engine = "FAILING"


def _no_depth() -> None:
    bpy.context.scene.render.engine = "FLAT"


def _no_file() -> None:
    after_render(lambda path: path.unlink())


def _damaged() -> None:
    after_render(lambda path: path.write_bytes(path.read_bytes()[:2000]))


def _no_room_for_the_file() -> None:
    """The folder is gone when Blender writes into it."""
    original = render._render

    def with_nowhere_to_write(*arguments: object) -> None:
        shutil.rmtree(Path(bpy.data.scenes["Framebridge final render"].render.filepath).parent)
        bpy.data.scenes["Framebridge final render"].render.filepath = "/proc/no such folder/passes.exr"
        original(*arguments)

    render._render = with_nowhere_to_write


def after_render(change: Callable[[Path], object]) -> None:
    original = render._render

    def changed(*arguments: object) -> None:
        original(*arguments)
        change(Path(bpy.data.scenes["Framebridge final render"].render.filepath))

    render._render = changed


FAULTS = {
    "no camera": _no_camera,
    "panoramic": _panoramic,
    "rendering": _is_rendering,
    "little space": _little_space,
    "no folder": _no_folder,
    "engine fails": _fails,
    "no depth": _no_depth,
    "no file": _no_file,
    "damaged": _damaged,
    "no room": _no_room_for_the_file,
}

for engine in (Flat, Failing):
    bpy.utils.register_class(engine)
report(told)
