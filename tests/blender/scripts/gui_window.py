"""Run inside a Blender with a window: enable the add-on, then run what the test sends, between two events.

Each message is a line of JSON; a snippet's last expression is the answer. Names are kept between snippets.
"""

import ast
import base64
import contextlib
import json
import os
import socket
import sys
import traceback

import blf
import bpy
import gpu
import numpy as np
from mathutils import Matrix

TICK_S = 0.005
FONT = 0
MARGIN = 4


class Ear:
    """Listens to one test after the other, without ever waiting for one."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{path}.new")
        self._listener.listen(1)
        os.rename(f"{path}.new", path)  # whoever sees it can connect
        self._listener.setblocking(False)
        self._test: socket.socket | None = None
        self._received = b""

    def tick(self) -> float:
        with contextlib.suppress(BlockingIOError):
            if self._test is None:
                self._test, _ = self._listener.accept()
                self._test.setblocking(False)
            elif data := self._test.recv(65536):
                self._received += data
            else:
                self._test = None
        while b"\n" in self._received:
            line, _, self._received = self._received.partition(b"\n")
            self._answer(json.dumps(answer(json.loads(line))).encode() + b"\n")
        return TICK_S

    def _answer(self, line: bytes) -> None:
        self._test.setblocking(True)
        self._test.sendall(line)
        self._test.setblocking(False)


def answer(request: dict) -> dict:
    """Run a snippet as if it were started from the largest 3D viewport of the main window."""
    given = request["names"]
    hidden = {name: NAMES[name] for name in given if name in NAMES}
    NAMES.update(given)
    try:
        tree = ast.parse(request["code"])
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        with bpy.context.temp_override(**surroundings()):
            exec(compile(tree, "<test>", "exec"), NAMES)
            value = eval(compile(ast.Expression(last.value), "<test>", "eval"), NAMES) if last else None
        return json.loads(json.dumps({"value": value}, default=list))
    except Exception:
        return {"error": traceback.format_exc()}
    finally:
        for name in given:
            NAMES.pop(name, None)
        NAMES.update(hidden)


def surroundings() -> dict:
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window):
        found = area("VIEW_3D")
    if found is None:
        return {"window": window}
    return {"window": window, "area": found, "region": part(found, "WINDOW")}


def area(kind: str) -> bpy.types.Area | None:
    """Return the largest area of a kind."""
    areas = [area for area in bpy.context.window.screen.areas if area.type == kind]
    return max(areas, key=lambda area: area.width * area.height, default=None)


def part(area: bpy.types.Area, kind: str) -> bpy.types.Region:
    return next(region for region in area.regions if region.type == kind)


def region(kind: str, region: str) -> list[int]:
    """Return left, bottom, width and height of a region."""
    found = part(area(kind), region)
    return [found.x, found.y, found.width, found.height]


def text_picture(text: str) -> list:
    """Return width, height and bytes of a text as it is drawn on buttons, in light grey on black."""
    preferences = bpy.context.preferences
    size = preferences.ui_styles[0].widget.points * preferences.system.ui_scale
    blf.size(FONT, size)
    width, height = int(blf.dimensions(FONT, text)[0]) + 2 * MARGIN, int(2 * size)
    canvas = gpu.types.GPUOffScreen(width, height)
    pixels = gpu.types.Buffer("UBYTE", width * height * 4)
    with canvas.bind(), gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
        framebuffer = gpu.state.active_framebuffer_get()
        framebuffer.clear(color=(0.0, 0.0, 0.0, 1.0))
        gpu.matrix.load_matrix(Matrix())
        gpu.matrix.load_projection_matrix(
            Matrix(((2 / width, 0, 0, -1), (0, 2 / height, 0, -1), (0, 0, 1, 0), (0, 0, 0, 1)))
        )
        gpu.state.blend_set("ALPHA")
        blf.position(FONT, MARGIN, int(0.6 * size), 0)
        blf.color(FONT, 1.0, 1.0, 1.0, 1.0)
        blf.draw(FONT, text)
        gpu.state.blend_set("NONE")
        framebuffer.read_color(0, 0, width, height, 4, 0, "UBYTE", data=pixels)
    canvas.free()
    rows = np.array(pixels, np.uint8).reshape(height, width, 4)[::-1, :, 0]
    return [width, height, base64.b64encode(rows.tobytes()).decode()]


def button() -> str:
    """Return what the button under the pointer does: a data path, an operator's call, or nothing."""
    manager, ui = bpy.context.window_manager, bpy.ops.ui
    copiers = (ui.copy_data_path_button, {"full_path": True}), (ui.copy_python_command_button, {})
    kept, found = manager.clipboard, ""
    for area in bpy.context.window.screen.areas:
        for region in area.regions:
            with bpy.context.temp_override(area=area, region=region):
                for copy, options in copiers:
                    if not found and copy.poll():
                        manager.clipboard = ""
                        copy(**options)
                        found = manager.clipboard
    manager.clipboard = kept
    return found


NAMES: dict = {
    "bpy": bpy,
    "_area": area,
    "_button": button,
    "_region": region,
    "_text_picture": text_picture,
}


def main() -> None:
    options = json.loads(sys.argv[sys.argv.index("--") + 1])
    bpy.context.preferences.view.show_splash = False
    if options["addon"] and bpy.ops.preferences.addon_enable(module=options["addon"]) != {"FINISHED"}:
        raise SystemExit(f"the add-on {options['addon']} cannot be enabled")
    ear = Ear(options["socket"])
    bpy.app.timers.register(ear.tick, first_interval=0.0, persistent=True)


main()
