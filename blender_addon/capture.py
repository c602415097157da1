# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture what a view of the scene shows: colour, true depth, normals, object ids, names, camera.

Rules:
1. Everything happens on Blender's main thread, and never inside a render handler.
2. Nothing of the user's file is written. Drawing needs some settings of one viewport (shading, overlays,
   gizmos) to be others for a moment; they are put back before the call returns, also when it fails.
3. Depth is drawn with Workbench's solid shading: that of a material preview cannot be read (it is 0
   everywhere), and overlays would write into it.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from .boot import start_gpu
from .geometry import clip_range, in_front, is_told, linear_depth, scaled
from .names import Naming
from .ranks import Identity, Samples, listed, sampled
from .settings import temporarily
from .surfaces import (
    FORMAT,
    NUMBER_FORMAT,
    Key,
    Meshes,
    draw_numbers,
    draw_surfaces,
    number_shader,
    surface_shader,
)
from .viewport import CaptureError, View, Viewport

SAMPLES = 3
"""Along a side of a pixel, of what it shows by name: masks have borders of ten levels."""

_DRAWN_BY_VIEWPORT = frozenset({"BLENDER_WORKBENCH", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT"})


@dataclass(frozen=True)
class Capture:
    """One captured view; arrays have rows downwards, lengths are metres, matrices are row-major.

    Args:
        color: uint8 (H, W, 3), sRGB as on the screen.
        depth: float32 (H, W), along the view axis; ``inf`` is sky.
        view: World to camera, float64 (4, 4).
        projection: Camera to clip space, float64 (4, 4).
        near: Distance of the near clipping plane.
        far: Distance of the far one.
        seen: The same view in the scene's units, as it was asked for.
        normal: float32 (H, W, 3), unit length in camera space: X right, Y up, Z towards the camera, as the
            sky's is.
        object_id: uint16 (H, W); 0 where there is no object.
        object_keys: The object with id n is ``object_keys[n - 1]``.
        identity: What each pixel shows by name, if anybody asked for it.
    """

    color: np.ndarray
    depth: np.ndarray
    view: np.ndarray
    projection: np.ndarray
    near: float
    far: float
    seen: View
    normal: np.ndarray | None = None
    object_id: np.ndarray | None = None
    object_keys: tuple[Key, ...] = ()
    identity: Identity | None = None

    @property
    def object_names(self) -> tuple[str, ...]:
        """The object with id n is called ``object_names[n - 1]``."""
        return tuple(name for name, _ in self.object_keys)

    @property
    def is_all_sky(self) -> bool:
        """Whether nothing of the scene is to be seen, so that there is no depth to make a control map of."""
        return not np.isfinite(self.depth).any()


class Capturer:
    """Captures views, and keeps its GPU memory for the next one of the same size."""

    def __init__(self) -> None:
        self._size = 0, 0
        self._canvases: dict[tuple[str, int], gpu.types.GPUOffScreen] = {}
        self._shaders: dict[str, gpu.types.GPUShader] = {}

    def capture(
        self,
        viewport: Viewport,
        view: View,
        with_surfaces: bool = False,
        named: frozenset[str] = frozenset(),
    ) -> Capture:
        """Draw the view and read it back.

        Args:
            viewport: Whose shading the colours have (a Blender without a window has only ``SOLID``).
            view: Where to look from, and the size.
            with_surfaces: Whether to tell normals and object ids, which takes time in a large scene.
            named: What each pixel is to be told by name: ``object``, ``material``, or both.

        Raises:
            CaptureError: ``gpu_unavailable``, ``bad_clip_range`` or ``capture_failed``; nothing was changed.
        """
        start_gpu()
        viewport.view_layer.update()
        seen = view
        view_matrix, projection = in_front(np.array(view.view), np.array(view.projection))
        view = View(Matrix(view_matrix), Matrix(projection), view.width, view.height)
        scale = metres_per_unit(viewport.scene)
        color, depth = self._color_and_depth(viewport, view)
        meshes = self._meshes(splits=bool(named))
        normal, object_id, keys = None, None, ()
        if with_surfaces:
            normal, object_id, keys = self.surfaces(viewport, view, meshes)
        identity = self.identity(viewport, view, named, meshes) if named else None
        view_matrix, in_metres = scaled(view_matrix, projection, scale)
        depth = linear_depth(depth, in_metres)
        _require_told(depth, in_metres)
        return Capture(
            color=color,
            depth=depth,
            view=view_matrix,
            projection=in_metres,
            near=clip_range(in_metres)[0],
            far=clip_range(in_metres)[1],
            seen=seen,
            normal=normal,
            object_id=object_id,
            object_keys=keys,
            identity=identity,
        )

    def surfaces(
        self, viewport: Viewport, view: View, meshes: Meshes | None = None
    ) -> tuple[np.ndarray, np.ndarray, tuple[Key, ...]]:
        """Draw normals and object ids alone; returns them and the keys, as ``Capture`` has them.

        Raises:
            CaptureError: ``gpu_unavailable``; nothing was changed.
        """
        start_gpu()
        canvas = self._canvas(view, FORMAT)
        with canvas.bind():
            here = gpu.state.active_framebuffer_get()
            keys = draw_surfaces(viewport, view, here, self._shader(FORMAT), meshes or self._meshes())
        pixels = _read_color(canvas, "FLOAT", np.float32)
        return _without_alpha(pixels), pixels[..., 3].astype(np.uint16), keys

    def identity(
        self, viewport: Viewport, view: View, named: frozenset[str], meshes: Meshes | None = None
    ) -> Identity:
        """Draw what each pixel shows by name, several samples a pixel.

        Raises:
            CaptureError: ``gpu_unavailable``; nothing was changed.
        """
        start_gpu()
        canvas = self._canvas(view, NUMBER_FORMAT, SAMPLES)
        naming = Naming()
        with canvas.bind():
            here = gpu.state.active_framebuffer_get()
            shader = self._shader(NUMBER_FORMAT)
            meshes = meshes or self._meshes(splits=True)
            pairs = draw_numbers(viewport, view, here, shader, meshes, naming)
        numbers = _read_color(canvas, "UBYTE", np.uint8).view(np.uint32)[..., 0]
        return _identity(sampled(numbers, SAMPLES), pairs, naming, named)

    def free(self) -> None:
        """Give the GPU memory back, as must be done before Blender quits; the next capture takes new."""
        self._shaders.clear()
        while self._canvases:
            self._canvases.popitem()[1].free()

    def _color_and_depth(self, viewport: Viewport, view: View) -> tuple[np.ndarray, np.ndarray]:
        shading = viewport.space.shading
        canvas = self._canvas(view, "RGBA8")
        kind = _color_shading(viewport)
        with temporarily(*_clean(viewport), (shading, "type", kind)):
            _draw(canvas, viewport, view)
            color = _without_alpha(_read_color(canvas, "UBYTE", np.uint8))
            if kind == "SOLID" and not shading.show_xray:
                return color, _read_depth(canvas)
        with temporarily(*_clean(viewport), (shading, "type", "SOLID"), (shading, "show_xray", False)):
            _draw(canvas, viewport, view)
            return color, _read_depth(canvas)

    def _meshes(self, splits: bool = False) -> Meshes:
        return Meshes(self._shader(FORMAT), splits)

    def _shader(self, form: str) -> gpu.types.GPUShader:
        """Return the shader that draws into a framebuffer of a format."""
        if form not in self._shaders:
            self._shaders[form] = surface_shader() if form == FORMAT else number_shader()
        return self._shaders[form]

    def _canvas(self, view: View, form: str, samples: int = 1) -> gpu.types.GPUOffScreen:
        """Return what to draw a view on, of several samples along a side of a pixel."""
        size = view.width, view.height
        if size != self._size:
            self.free()
            self._size = size
        key = form, samples
        if key not in self._canvases:
            size = view.width * samples, view.height * samples
            try:
                self._canvases[key] = gpu.types.GPUOffScreen(*size, format=form)
            except RuntimeError as error:
                raise CaptureError(
                    f"the GPU cannot draw a picture of {size[0]} × {size[1]} pixels: {error}",
                    code="gpu_unavailable",
                    hint="Choose a smaller size, and do not capture while a render is under way.",
                ) from error
        return self._canvases[key]


def _identity(
    samples: Samples, pairs: list[tuple[int, int]], naming: Naming, named: frozenset[str]
) -> Identity:
    """Say what samples show, of which number n stands for the n-th pair of an object and a material."""
    is_drawn = np.zeros(len(pairs) + 1, bool)
    is_drawn[samples.first] = is_drawn[samples.mixed] = True
    objects, materials = np.array([(0, 0), *pairs], np.int64).T
    places = []
    for numbers, count in ((objects, len(naming.objects)), (materials, len(naming.materials))):
        is_seen = np.zeros(count + 1, bool)
        is_seen[numbers[is_drawn]] = True
        places.append(listed(is_seen[1:]))
    return Identity(
        naming.names(*places),
        samples.ranked(places[0][objects]) if "object" in named else None,
        samples.ranked(places[1][materials]) if "material" in named else None,
    )


def metres_per_unit(scene: bpy.types.Scene) -> float:
    """Return how long a unit of a scene is."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else units.scale_length


def _draw(canvas: gpu.types.GPUOffScreen, viewport: Viewport, view: View) -> None:
    shown = viewport.scene, viewport.view_layer, viewport.space, viewport.region
    try:
        canvas.draw_view3d(*shown, view.view, view.projection, do_color_management=True)
    except RuntimeError as error:
        raise CaptureError(
            f"Blender could not draw the viewport: {error}",
            hint="Try again with the viewport's shading set to Solid.",
        ) from error


def _require_told(depth: np.ndarray, projection: np.ndarray) -> None:
    if not is_told(depth, projection):
        near, _ = clip_range(projection)
        raise CaptureError(
            f"depth cannot be told: the clipping range begins too near ({near:.1g} m) for what it shows",
            code="bad_clip_range",
            hint="Raise Clip Start of the camera, or in the View tab of the viewport; 0.01 m suits most.",
        )


def _read_color(canvas: gpu.types.GPUOffScreen, kind: str, dtype: type) -> np.ndarray:
    """Return what was drawn, (H, W, 4), rows downwards."""
    width, height = canvas.width, canvas.height
    # Until Blender 5.2 a Buffer of several dimensions has wrong strides; a flat one is right in all.
    pixels = gpu.types.Buffer(kind, width * height * 4)
    with canvas.bind():
        gpu.state.active_framebuffer_get().read_color(0, 0, width, height, 4, 0, kind, data=pixels)
    return np.frombuffer(pixels, dtype).reshape(height, width, 4)[::-1]


def _without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Return the first three of four channels, as an array of their own."""
    color = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    for channel in range(3):  # one by one takes 0.5 ms at 512², all at once 1.5
        color[..., channel] = pixels[..., channel]
    return color


def _read_depth(canvas: gpu.types.GPUOffScreen) -> np.ndarray:
    """Return the depth buffer, float32 (H, W), 0..1, rows downwards."""
    width, height = canvas.width, canvas.height
    pixels = gpu.types.Buffer("FLOAT", width * height)
    with canvas.bind():
        gpu.state.active_framebuffer_get().read_depth(0, 0, width, height, data=pixels)
    return np.frombuffer(pixels, np.float32).reshape(height, width)[::-1]


def _color_shading(viewport: Viewport) -> str:
    """Return the viewport's own shading if it can be drawn at once, else the nearest that can."""
    kind = viewport.space.shading.type
    if bpy.app.background or kind == "WIREFRAME":
        return "SOLID"
    if kind == "RENDERED" and viewport.scene.render.engine not in _DRAWN_BY_VIEWPORT:
        return "MATERIAL"
    return kind


def _clean(viewport: Viewport) -> list[tuple[object, str, object]]:
    space = viewport.space
    return [(space.overlay, "show_overlays", False), (space, "show_gizmo", False)]
