"""Look as viewports do: in perspective, without it, through cameras; and find the picture in the region."""

import math
from types import SimpleNamespace

import bpy
import numpy as np
import scenes
from framebridge.viewport import Viewport, camera_view, find_viewport, natural_size, picture_rectangle
from framebridge.viewport import region_view as look
from harness import report
from mathutils import Matrix, Quaternion

SIZES = ((512, 512), (640, 160), (160, 640))
TURN = Quaternion((1, 2, 0.3, 0.5)).normalized()


def perspective() -> dict:
    """Blender takes a matrix to look with apart; the start-up file has the projection of its last window."""
    bpy.ops.wm.read_factory_settings()
    viewport = find_viewport()
    region, region_3d = viewport.region, viewport.space.region_3d
    wanted = Matrix.Translation((3, -7, 2)) @ TURN.to_matrix().to_4x4()
    region_3d.view_matrix = wanted
    whole = look(viewport, region.width, region.height)
    drawn = SimpleNamespace(view_matrix=wanted, window_matrix=region_3d.window_matrix)
    return {
        "view": difference(whole.view, wanted),
        "projection": difference(whole.projection, region_3d.window_matrix),
        "region": [region.width, region.height],
        "rectangles": {
            f"{width}x{height}": picture_rectangle(region, drawn, look(viewport, width, height))
            for width, height in SIZES
        },
    }


def orthographic() -> dict:
    """Blender keeps the size of what lies at the centre of the view when perspective is switched off."""
    bpy.ops.wm.read_factory_settings()
    viewport = find_viewport()
    region_3d = viewport.space.region_3d
    region_3d.view_rotation = TURN
    region_3d.view_location = (3, -1, 2)
    points = []
    for kind in ("PERSP", "ORTHO"):
        region_3d.view_perspective = kind
        view = look(viewport, 640, 360)
        right = Matrix(np.linalg.inv(np.array(view.view))).to_3x3() @ Matrix.Identity(3).col[0]
        points.append([list(ndc(view, region_3d.view_location + right * x)) for x in (0.0, 1.5)])
    region_3d.view_perspective = "PERSP"
    return {"points": points, "centre": (view.view @ region_3d.view_location).z}


def cameras() -> dict:
    """The corners of each camera's frame, as Blender computes them, in the picture of that camera."""
    return {kind: corners(kind) for kind in scenes.CAMERAS}


def corners(kind: str) -> dict:
    scenes.clear()
    camera, scene = scenes.camera(kind), bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 1600, 640
    viewport = find_viewport()
    width, height = natural_size(viewport, "CAMERA", 800)
    view = camera_view(viewport, width, height)
    world = camera.matrix_world.normalized()
    frame = [ndc(view, world @ corner) for corner in camera.data.view_frame(scene=scene)]
    return {"size": [width, height], "frame": sorted([round(x, 4), round(y, 4)] for x, y in frame)}


def camera_viewport() -> dict:
    """A viewport that looks through the scene's camera, and through one of its own."""
    scenes.clear()
    active = scenes.camera("shifted_orthographic")
    own = scenes.camera("rolled_vertical_fit")
    bpy.context.scene.camera = active
    viewport = find_viewport()
    viewport.space.region_3d.view_perspective = "CAMERA"
    through_active = look(viewport, 400, 300)
    viewport.space.use_local_camera, viewport.space.camera = True, own
    through_own = look(viewport, 400, 300)
    viewport.space.use_local_camera = False
    expected = [camera_view(viewport, 400, 300, camera) for camera in (active, own)]
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 1000, 500
    return {
        "active": same(through_active, expected[0]),
        "own": same(through_own, expected[1]),
        "differ": not same(*expected),
        "size": natural_size(viewport, "VIEWPORT", 512),
    }


def rectangles() -> dict:
    """Where a camera's picture lies in a region that is zoomed and moved, and in one that looks elsewhere."""
    scenes.clear()
    scenes.camera("shifted")
    viewport = find_viewport()
    view = camera_view(viewport, 400, 200)
    region = SimpleNamespace(width=1000, height=800)
    zoom = Matrix(((0.5, 0, 0, 0.25), (0, 0.5 * 1000 / 800 / 2, 0, -0.1), (0, 0, 1, 0), (0, 0, 0, 1)))
    zoomed = SimpleNamespace(view_matrix=view.view, window_matrix=zoom @ view.projection)
    turned = SimpleNamespace(
        view_matrix=Matrix.Rotation(0.001, 4, "Z") @ view.view, window_matrix=view.projection
    )
    return {
        "zoomed": picture_rectangle(region, zoomed, view),
        "turned": picture_rectangle(region, turned, view),
    }


def sizes() -> dict:
    scenes.clear()
    viewport = find_viewport()
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y, render.pixel_aspect_x = 1440, 1080, 4 / 3
    wide = with_region(viewport, 1000, 300)
    return {
        "viewport": natural_size(wide, "VIEWPORT", 768),
        "render": natural_size(wide, "RENDER", 768),
        "camera": natural_size(wide, "CAMERA", 1000),
        "narrow": natural_size(with_region(viewport, 2, 3000), "VIEWPORT", 512),
        "tiny": natural_size(wide, "RENDER", 1),
        "huge": natural_size(wide, "RENDER", 100_000),
    }


def with_region(viewport: Viewport, width: int, height: int) -> Viewport:
    region = SimpleNamespace(width=width, height=height, data=viewport.space.region_3d)
    return Viewport(viewport.space, region, viewport.scene, viewport.view_layer)


def ndc(view, point) -> tuple[float, float]:
    x, y, _, w = view.projection @ view.view @ point.to_4d()
    return x / w, y / w


def same(view, other) -> bool:
    return math.isclose(difference(view.view, other.view) + difference(view.projection, other.projection), 0)


def difference(matrix: Matrix, other: Matrix) -> float:
    return float(np.abs(np.array(matrix) - np.array(other)).max())


report(perspective, orthographic, cameras, camera_viewport, rectangles, sizes)
