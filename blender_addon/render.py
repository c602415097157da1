# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture the final render, as its engine makes it, instead of what the viewport shows.

Rules:
1. What is rendered is a copy of the scene: of one view layer, at the captured size, without compositor and
   sequencer. It is gone afterwards, and so is its render, also when that failed or was cancelled.
2. Passes travel through a multilayer file in a private folder: nothing else gives them to scripts in every
   version and without a window.
3. While Blender renders, and in its render handlers, nothing is touched but a flag.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import bpy
import numpy as np

from ._bridge.errors import BridgeError
from .capture import Capture, Capturer, metres_per_unit
from .display_transform import displayed
from .geometry import clip_range, scaled
from .names import named_passes
from .passes import Passes, read_passes
from .quiet import (
    called_after_render,
    no_render_result_left,
    render_handlers_muted,
    render_slot_kept,
)
from .ranks import Identity
from .scene_copy import remove_leftover_scenes, scene_copy, set_up_passes
from .settings import temporarily
from .viewport import CaptureError, View, Viewport, camera_view

State = Literal["new", "rendering", "done", "cancelled"]

_BYTES_PER_PIXEL = 4 * 12
"""Of the file: four channels of colour, one of depth, three of normals, four of object ids."""

_PATIENCE_S = 0.2
"""Between two looks at whether an abandoned render has ended."""

_PINHOLES = frozenset({"PERSP", "ORTHO"})


def render_capture(
    capturer: Capturer,
    viewport: Viewport,
    view: View,
    with_surfaces: bool = False,
    named: frozenset[str] = frozenset(),
) -> Capture:
    """Render the scene's camera and wait for it.

    Args:
        capturer: Draws the normals and object ids that a renderer does not tell (Workbench).
        viewport: Names the scene and the view layer.
        view: What ``camera_view`` gives for the scene's camera and the size.
        with_surfaces: Whether to tell normals and object ids.
        named: What each pixel is to be told by name: ``object``, ``material``, or both.

    Raises:
        CaptureError: ``no_camera``, ``bad_camera``, ``render_running``, ``render_failed``, ``cancelled``,
            ``disk_full``; nothing was changed.
    """
    rendering = RenderCapture(capturer, viewport, view, with_surfaces, named)
    try:
        rendering.begin(waits=True)
        return rendering.collect()
    finally:
        rendering.discard()


class RenderCapture:
    """A final render that Blender's window goes on during, and Esc cancels.

    ``begin``, look at ``state`` from a timer until it is ``done``, ``collect``; or ``discard``, which must
    also be called before the add-on goes. The arguments are those of ``render_capture``.
    """

    def __init__(
        self,
        capturer: Capturer,
        viewport: Viewport,
        view: View,
        with_surfaces: bool = False,
        named: frozenset[str] = frozenset(),
    ) -> None:
        self._capturer, self._viewport, self._with_surfaces = capturer, viewport, with_surfaces
        self._named = named
        self._view = view
        self._engine = viewport.scene.render.engine
        self._end: State = "new"
        self._undo = ExitStack()
        self._scene_name = ""
        self._path = Path()
        self._is_discarded = self._is_abandoned = False

    @property
    def state(self) -> State:
        """How far it is; ``done`` and ``cancelled`` only when Blender has let go of the scene."""
        if self._end == "new":
            return "new"
        if self._is_discarded or self._scene_name not in bpy.data.scenes:  # undone, or in another file
            return "cancelled"
        return "rendering" if _is_rendering() else self._end

    def begin(self, waits: bool = False) -> None:
        """Start to render.

        Args:
            waits: Whether to return only when it has ended, as must be in a Blender without a window.

        Raises:
            CaptureError: See ``render_capture``.
        """
        assert self.state == "new", "each render has an object of its own"
        remove_leftover_scenes()
        _require_idle()
        self._view = _checked(self._viewport, self._view)
        enter = self._undo.enter_context
        try:
            self._path = enter(_private_folder(self._view)) / "passes.exr"
            enter(no_render_result_left())
            enter(render_slot_kept())
            enter(render_handlers_muted())
            scene = enter(scene_copy(self._viewport.scene))
            enter(called_after_render(self._completed, self._cancelled))
            size = self._view.width, self._view.height
            layer = self._viewport.view_layer.name
            set_up_passes(scene, layer, size, self._path, self._with_surfaces, "material" in self._named)
            self._scene_name, self._end = scene.name, "rendering"
            _render(scene.name, waits)
        except BaseException:
            self.discard()
            raise

    def collect(self) -> Capture:
        """Return what was rendered, and leave no trace of it.

        Raises:
            CaptureError: See ``render_capture``; nothing was changed, and a render under way goes on.
        """
        if self.state == "rendering":
            raise CaptureError("the render has not ended", code="render_running", hint="Wait until it has.")
        try:
            if self.state != "done":
                raise CaptureError("the render was cancelled", code="cancelled", hint="Start it again.")
            passes = _read(self._path, self._view, self._engine)
            color = _displayed(bpy.data.scenes[self._scene_name], passes, self._path.parent)
        finally:
            self.discard()
        return self._capture(passes, color)

    def discard(self) -> None:
        """Put everything back; harmless where there is nothing to put back.

        Nothing but Esc ends a render under way, so that of one all is put back as soon as it has ended.
        """
        if self._is_abandoned:
            return
        self._is_abandoned = self.state == "rendering" and _is_rendering()
        self._end, self._is_discarded = "cancelled", True
        if self._is_abandoned:
            bpy.app.timers.register(self._put_back, first_interval=_PATIENCE_S, persistent=True)
        else:
            self._undo.close()

    def _put_back(self) -> float | None:
        if _is_rendering():
            return _PATIENCE_S
        self._is_abandoned = False
        self._undo.close()
        return None

    def _completed(self, *_: Any) -> None:
        self._end = "done"

    def _cancelled(self, *_: Any) -> None:
        self._end = "cancelled"

    def _capture(self, passes: Passes, color: np.ndarray) -> Capture:
        normal, object_id = passes.normal, passes.object_id
        keys = tuple((name, None) for name in passes.object_names)  # a render does not tell the file
        if self._with_surfaces and (normal is None or object_id is None):
            normal, object_id, keys = self._capturer.surfaces(self._viewport, self._view)
        identity = self._identity(passes) if self._named else None
        scale = metres_per_unit(self._viewport.scene)
        view, projection = scaled(np.array(self._view.view), np.array(self._view.projection), scale)
        near, far = clip_range(projection)
        return Capture(
            color=color,
            depth=passes.depth * np.float32(scale),
            view=view,
            projection=projection,
            near=near,
            far=far,
            seen=self._view,
            normal=normal if self._with_surfaces else None,
            object_id=object_id if self._with_surfaces else None,
            object_keys=keys if self._with_surfaces else (),
            identity=identity,
        )

    def _identity(self, passes: Passes) -> Identity:
        """Return what the render tells by name; what it does not tell is drawn."""
        told = {"object": passes.objects, "material": passes.materials}
        if any(told[kind] is None for kind in self._named):
            return self._capturer.identity(self._viewport, self._view, self._named)
        return named_passes(self._viewport, *(told[kind] if kind in self._named else None for kind in told))


def _is_rendering() -> bool:
    return bpy.app.is_job_running("RENDER")


def _require_idle() -> None:
    if _is_rendering():
        raise CaptureError(
            "Blender is rendering already", code="render_running", hint="Wait for that render, or cancel it."
        )


def _checked(viewport: Viewport, view: View) -> View:
    """Return the view of the scene's camera if a render of it can be told by matrices."""
    found = camera_view(viewport, view.width, view.height)
    kind = viewport.scene.camera.data.type
    if kind not in _PINHOLES:
        raise CaptureError(
            f"a camera of type {kind} bends straight lines, so that depth and position cannot be told",
            code="bad_camera",
            hint="Set the camera's Type to Perspective or Orthographic, or capture the viewport.",
        )
    return found


@contextmanager
def _private_folder(view: View) -> Iterator[Path]:
    """Yield a folder that only this user can read, with room for the passes."""
    needed = view.width * view.height * _BYTES_PER_PIXEL
    try:
        folder = tempfile.TemporaryDirectory(prefix="framebridge-", ignore_cleanup_errors=True)
    except OSError as error:
        raise CaptureError(
            f"no temporary folder can be made: {error}",
            code="disk_full",
            hint="Free some space, or set another temporary folder for this user.",
        ) from error
    with folder as name:
        if (free := shutil.disk_usage(name).free) < needed * 1.1:
            raise CaptureError(
                f"the render's passes need {needed / 1e6:.0f} MB in {name}, which has {free / 1e6:.0f} MB",
                code="disk_full",
                hint="Free some space, or choose a smaller size.",
            )
        yield Path(name)


def _render(scene_name: str, waits: bool) -> None:
    try:
        with _window_in_context(), _nothing_opened():
            how = "EXEC_DEFAULT" if waits else "INVOKE_DEFAULT"
            outcome = bpy.ops.render.render(how, scene=scene_name, write_still=True)
    except RuntimeError as error:
        raise _failed(str(error)) from error
    if "CANCELLED" in outcome:
        raise _failed("Blender did not start the render")


@contextmanager
def _window_in_context() -> Iterator[None]:
    """Let the operator find a window, which timers have none of."""
    windows = bpy.context.window_manager.windows
    if bpy.context.window is not None or not windows:
        yield
    else:
        with bpy.context.temp_override(window=windows[0]):
            yield


@contextmanager
def _nothing_opened() -> Iterator[None]:
    """Keep Blender from showing the render in an editor or a window of its own."""
    preferences = bpy.context.preferences
    was_dirty = preferences.is_dirty
    try:
        with temporarily((preferences.view, "render_display_type", "NONE")):
            yield
    finally:
        if preferences.is_dirty != was_dirty:
            preferences.is_dirty = was_dirty


def _failed(reason: str) -> CaptureError:
    reason = " ".join(line.removeprefix("Error: ").strip() for line in reason.splitlines()).strip()
    if "OpenImageDenois" in reason:
        hint = "Turn Denoise off in the render settings: this Blender was built without it."
    elif "cannot save" in reason.lower() or "write" in reason.lower():
        hint = "Free some space for temporary files, or choose a smaller size."
    else:
        hint = "Press F12 to see whether Blender renders the scene by itself."
    return CaptureError(f"Blender could not render the scene: {reason}", code="render_failed", hint=hint)


def _read(path: Path, view: View, engine: str) -> Passes:
    try:
        passes = read_passes(path, np.array(view.view), np.array(view.projection))
    except (BridgeError, OSError) as error:
        raise CaptureError(
            f"the engine {engine} left no passes to read: {error}",
            code="render_failed",
            hint="Render with Cycles, EEVEE or Workbench, or capture the viewport.",
        ) from error
    if passes.depth.shape != (view.height, view.width):
        raise _failed(f"the passes are of another size, {passes.depth.shape[1]} × {passes.depth.shape[0]}")
    return passes


def _displayed(scene: bpy.types.Scene, passes: Passes, folder: Path) -> np.ndarray:
    try:
        return displayed(scene, passes.combined, folder)
    except (RuntimeError, OSError, ValueError) as error:
        raise _failed(f"cannot save its colours: {error}") from error
