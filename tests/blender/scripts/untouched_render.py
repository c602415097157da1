"""Capture the final render, with a failure at every step, and look for what has changed."""

from pathlib import Path
from typing import Any

import bpy
import crowded
from digest import differences, digest, rendered_pictures
from failing import changed_by, failed_everywhere
from framebridge import quiet, render, scene_copy
from framebridge._bridge.errors import BridgeError
from framebridge.boot import start_gpu
from framebridge.capture import Capturer
from framebridge.render import RenderCapture, render_capture
from framebridge.viewport import camera_view, find_viewport
from harness import REQUEST, report

CAN_FAIL = ("render.py", "quiet.py", "scene_copy.py", "display_transform.py")
"""Modules of the add-on that change something; ``passes.py`` and ``exr.py`` only read, and ``settings.py``
puts back."""


def _prepare() -> None:
    crowded.prepare()
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"


def engines() -> dict[str, list[str]]:
    found = {}
    for engine in ("CYCLES", "BLENDER_WORKBENCH"):
        _prepare()
        bpy.context.scene.render.engine = engine
        bpy.context.scene.cycles.samples = 1
        bpy.app.handlers.render_pre.append(_handler)
        bpy.app.handlers.render_cancel.append(_handler)
        found[engine] = changed_by(_capture)
    return found


def first_render() -> list[str]:
    """A render where there was none before leaves no image for it."""
    _prepare()
    return [image.name for image in bpy.data.images if not _capture()]


def pictures() -> dict[str, Any]:
    """The user's own renders in two slots; a third one is shown, which is empty."""
    _prepare()
    quiet.watch_renders()
    scene = bpy.context.scene
    scene.render.use_compositing = scene.render.use_sequencer = False
    for slot, width in enumerate((24, 16)):
        if slot:
            _result().render_slots.active_index = slot
        scene.render.resolution_x, scene.render.resolution_y = width, 8
        scene.render.resolution_percentage = 100
        bpy.ops.render.render()
    _result().render_slots.active_index = 2
    before = rendered_pictures(scene)
    # Blender looks the picture of a slot up when it is next shown; ``after`` has it.
    changed = [path for path in changed_by(_capture) if "images[Render Result].has_data" not in path]
    after = rendered_pictures(scene)
    quiet.stop_watching_renders()
    return {"changed": changed, "before": before, "after": after, "ours": _size_of_our_render()}


def failures() -> dict[str, Any]:
    """A failure at each line that a capture of a render runs, one after the other."""
    _prepare()
    return failed_everywhere(_capture, CAN_FAIL)


def discarded() -> dict[str, Any]:
    """A render that nobody collects, one that is discarded twice, and one that never began."""
    _prepare()
    before = digest()
    rendering = _rendering()
    rendering.discard()
    never = rendering.state
    rendering = _rendering()
    rendering.begin(waits=True)
    state, during = rendering.state, len(differences(before, digest()))
    rendering.discard()
    rendering.discard()
    codes = []
    for another in (rendering, _rendering()):
        try:
            another.collect()
        except BridgeError as error:
            codes.append(error.code)
    return {
        "never": never,
        "state": state,
        "during": during,
        "codes": codes,
        "changed": differences(before, digest()),
    }


def cancelled() -> dict[str, Any]:
    """What Esc leads to: the render ends without a picture."""
    _prepare()
    before = digest()
    rendering = _rendering()
    original, render._render = render._render, lambda *_: rendering._cancelled()
    try:
        rendering.begin()
        state = rendering.state
        rendering.collect()
    except BridgeError as error:
        return {"state": state, "code": error.code, "changed": differences(before, digest())}
    finally:
        render._render = original


def abandoned() -> dict[str, Any]:
    """A render that is discarded, twice, while Blender is at it: what is put back, and when."""
    _prepare()
    before, rendering, original = digest(), _rendering(), render._is_rendering
    rendering.begin(waits=True)
    try:
        render._is_rendering = lambda: True
        during = rendering.state
        rendering.discard()
        rendering.discard()
        state, kept = rendering.state, scene_copy.NAME in bpy.data.scenes
        waits = rendering._put_back()
        render._is_rendering = original
        ended = rendering._put_back()
    finally:
        render._is_rendering = original
    rendering.discard()
    changed = differences(before, digest())
    return {"states": [during, state], "kept": kept, "waits": [waits, ended], "changed": changed}


def interrupted() -> dict[str, Any]:
    """The user saves, undoes to and opens a file while a render is under way."""
    _prepare()
    bpy.app.handlers.render_pre.append(_handler)
    bpy.app.handlers.render_post.append(_lasting)
    rendering = _rendering()
    rendering.begin(waits=True)
    path = str(Path(REQUEST["folder"]) / "during.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    with bpy.data.libraries.load(path) as (saved, _):
        saved_scenes = list(saved.scenes)
    left = bpy.data.scenes.new("Brought back by an undo")
    left[scene_copy.OWNER] = "a render that is over"
    scene_copy.remove_leftover_scenes()
    scenes_then = sorted(scene.name for scene in bpy.data.scenes)
    bpy.ops.wm.open_mainfile(filepath=path)
    state = rendering.state
    rendering.discard()
    handlers = bpy.app.handlers
    return {
        "state": state,
        "saved": saved_scenes,
        "during": scenes_then,
        "after": [scene.name for scene in bpy.data.scenes],
        "handlers": [len(handlers.render_pre), _lasting in handlers.render_post],
    }


@bpy.app.handlers.persistent
def _lasting(*_: Any) -> None:
    pass


def _handler(scene: bpy.types.Scene, *_: Any) -> None:
    scene.frame_set(17)


def _rendering() -> RenderCapture:
    viewport = find_viewport()
    return RenderCapture(CAPTURER, viewport, camera_view(viewport, 64, 40), with_surfaces=True)


def _capture() -> None:
    viewport = find_viewport()
    render_capture(CAPTURER, viewport, camera_view(viewport, 64, 40), with_surfaces=True)


def _result() -> bpy.types.Image:
    return next(image for image in bpy.data.images if image.type == "RENDER_RESULT")


def _size_of_our_render() -> int:
    """Return how wide the render is that Blender keeps of a scene with the name of our copies."""
    scene = bpy.data.scenes.new(scene_copy.NAME)
    path = Path(REQUEST["folder"]) / "ours.png"
    scene.render.image_settings.file_format = "PNG"
    shown = _result().render_slots.active_index
    _result().render_slots.active_index = 1  # that of the last render, which ours took
    try:
        _result().save_render(str(path), scene=scene)
    except RuntimeError:
        return 0
    finally:
        _result().render_slots.active_index = shown
        bpy.data.scenes.remove(scene)
    return int.from_bytes(path.read_bytes()[16:20], "big")


CAPTURER = Capturer()
start_gpu()
report(first_render, engines, pictures, discarded, cancelled, abandoned, interrupted, failures)
