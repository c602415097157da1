"""Lines where the geometry breaks: silhouettes, creases, and borders between objects.

A canny of the colour picture also draws shadows, textures and shading, and misses what has the colour
of its background. Depth, normals and object ids know.
"""

from dataclasses import dataclass

import numpy as np

from bridge.imaging.arrays import Array, Depth, Mask, Normals, ObjectIds
from bridge.imaging.depth import nearness
from bridge.protocol import Camera

KEY = np.array((0.62, 0.71, 0.33), np.float32)
"""A direction parallel to nothing in particular: decides on which side of a crease its line lies."""


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """How much of a break is an edge.

    Args:
        depth: Least jump in depth that the surfaces' own slopes do not explain, as a share of the
            nearer distance, or of the view's height in an orthographic view.
        angle: Least angle between the normals on both sides, degrees.
        resolution: Smallest difference of 1/z that the depth map can tell; four of it are noise.
    """

    depth: float = 0.02
    angle: float = 35.0
    resolution: float = 0.0


DEFAULT_LIMITS = EdgeLimits()


def geometric_edges(
    depth: Depth,
    camera: Camera,
    normals: Normals | None = None,
    object_ids: ObjectIds | None = None,
    limits: EdgeLimits = DEFAULT_LIMITS,
) -> Mask:
    """Draw lines, one pixel wide like canny's, where depth, normals or object ids break.

    The depth test asks whether either side, carried on at its own slope, meets the other. Over a plane
    1/z is affine on screen, so a floor seen at a grazing angle has no edges, however fast it recedes.
    A line lies on the pixels of the nearer surface; on a crease, on the same side all along it.

    Args:
        depth: Checked.
        camera: Whose projection the depth was drawn with.
        normals: Same size; without them creases are not drawn.
        object_ids: Same size; without them objects that touch are told apart by their shape only.
        limits: What counts as a break.

    Returns:
        Shape (H, W), 0 or 1.
    """
    near = nearness(depth, camera.is_perspective)
    sky = np.isinf(depth)
    lines = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        near_a, near_b = _pairs(near, axis)
        sky_a, sky_b = _pairs(sky, axis)
        jump = _unexplained_jump(near, sky, axis)
        least = limits.depth * (np.maximum(near_a, near_b) if camera.is_perspective else _view_height(camera))
        broken = (jump > np.maximum(least, 4 * limits.resolution)) | (sky_a != sky_b)
        first_wins = near_a > near_b
        for differs, first_leads in _soft_breaks(normals, object_ids, sky_a | sky_b, limits, axis):
            first_wins = np.where(broken, first_wins, first_leads)
            broken |= differs
        line_a, line_b = _pairs(lines, axis)
        line_a |= broken & first_wins
        line_b |= broken & ~first_wins
    return lines.astype(np.float32)


def _pairs(field: Array, axis: int) -> tuple[Array, Array]:
    """Return views of each pixel that has a next one along the axis, and of that next one."""
    if axis == 0:
        return field[:-1], field[1:]
    return field[:, :-1], field[:, 1:]


def _unexplained_jump(near: Array, sky: Array, axis: int) -> Array:
    """Return by how much the two pixels of each pair miss each other's surface, carried on at its slope."""
    steps = np.diff(np.where(sky, np.float32(0), near), axis=axis)
    jumps = np.abs(steps)
    if steps.shape[axis] < 2:
        return jumps
    inner_a, inner_b = _pairs(steps, axis)
    turns = np.abs(inner_b - inner_a)  # how much the slope changes from one pair to the next
    for pairs in _pairs(jumps, axis):
        np.minimum(pairs, turns, out=pairs)
    return jumps


def _soft_breaks(
    normals: Normals | None, object_ids: ObjectIds | None, has_sky: Array, limits: EdgeLimits, axis: int
) -> list[tuple[Array, Array]]:
    """Return where objects and then normals differ across pairs, and on which pixel to draw the line."""
    found = []
    if object_ids is not None:
        a, b = _pairs(object_ids, axis)
        found.append(((a != b) & ~has_sky, a > b))
    if normals is not None:
        a, b = _pairs(normals, axis)
        key_a, key_b = _pairs(normals @ KEY, axis)
        cosine = np.einsum("ijk,ijk->ij", a, b)
        found.append(((cosine < np.cos(np.radians(limits.angle))) & ~has_sky, key_a > key_b))
    return found


def _view_height(camera: Camera) -> float:
    """Return the metres that an orthographic picture spans from top to bottom."""
    return 2 / abs(camera.projection[5])
