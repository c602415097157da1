# SPDX-License-Identifier: GPL-3.0-or-later
"""What a depth buffer and a camera's matrices mean: pure numpy, no Blender.

Matrices are (4, 4), act on column vectors, and belong to a right-handed camera that looks along −Z.
Clip space is OpenGL's: −1..1 in depth.
"""

from __future__ import annotations

import numpy as np

Matrix = np.ndarray
"""float64, shape (4, 4)."""

MAX_ID = 65535
"""The last number of an object in a picture; where there are more they begin again at 1."""

_STEPS = 2.0**24
"""The depths from the near to the far plane that a buffer tells apart, be it of float32 or of 24 bits."""

_COARSE = 0.01
"""Of the distance: a step of the depth buffer beyond which depth is worth nothing."""

_TURNED = 2e-5
"""Radians; cameras turned less than this look the same way: a tenth of a pixel at the longest lens."""


def is_perspective(projection: Matrix) -> bool:
    """Whether things far away look smaller."""
    return bool(projection[3, 3] == 0.0)


def linear_depth(buffer: np.ndarray, projection: Matrix) -> np.ndarray:
    """Turn a depth buffer into distances along the view axis.

    Args:
        buffer: float32 (H, W), 0 at the near and 1 at the far clipping plane.
        projection: The projection that the buffer was drawn with.

    Returns:
        float32 (H, W) in the units of ``projection``; ``inf`` where nothing was drawn.
    """
    scale, offset = projection[2, 2], projection[2, 3]
    distance = np.subtract(np.float32(1.0), buffer)  # exact where it matters, so that float32 does
    is_sky = distance <= 0.0
    if is_perspective(projection):
        distance += np.float32(-0.5 * (1.0 + scale))
        with np.errstate(divide="ignore"):  # of the sky, where the far plane is infinitely far
            np.divide(np.float32(-0.5 * offset), distance, out=distance)
    else:
        distance *= np.float32(2.0 / scale)
        distance += np.float32((offset - 1.0) / scale)
    np.copyto(distance, np.float32(np.inf), where=is_sky)
    return distance


def is_told(depth: np.ndarray, projection: Matrix) -> bool:
    """Whether a depth buffer had steps fine enough for what it shows.

    Args:
        depth: float32 (H, W), what ``linear_depth`` made of it.
        projection: The projection that the buffer was drawn with.
    """
    if not is_perspective(projection):
        return True
    nearest = float(depth.min())
    if np.isinf(nearest):
        return bool(projection[2, 2] < -1.0)
    return nearest < _COARSE * _STEPS * clip_range(projection)[0]


def clip_range(projection: Matrix) -> tuple[float, float]:
    """Return the distances of the near and the far clipping plane.

    Where a perspective's far plane is so far that Blender's float32 matrix does not tell it, the second is
    as far as the depth buffer reaches.
    """
    scale, offset = projection[2, 2], projection[2, 3]
    if is_perspective(projection):
        near = float(offset / (scale - 1.0))
        return near, near * _STEPS if scale >= -1.0 else float(offset / (scale + 1.0))
    return float((offset + 1.0) / scale), float((offset - 1.0) / scale)


def in_front(view: Matrix, projection: Matrix) -> tuple[Matrix, Matrix]:
    """Step back until all of the scene lies before the camera; the picture stays the same.

    Blender's orthographic viewports clip symmetrically around a camera in the middle of the scene, so
    that half of all distances would be negative. A perspective view is returned as it is.
    """
    near, far = clip_range(projection)
    if is_perspective(projection) or near > 0.0:
        return view, projection
    step = np.eye(4)
    step[2, 3] = -near + 1e-3 * (far - near)
    return np.linalg.inv(step) @ view, projection @ step


def scaled(view: Matrix, projection: Matrix, scale: float) -> tuple[Matrix, Matrix]:
    """Express a camera in units of which ``scale`` make one of the present units."""
    moved = view.copy()
    moved[:3, 3] *= scale
    shrink = np.diag([1.0 / scale, 1.0 / scale, 1.0 / scale, 1.0])
    seen = projection @ shrink
    return moved, seen * scale if is_perspective(projection) else seen


def cropped(projection: Matrix, shape: float, whole: float) -> Matrix:
    """Keep the largest centred rectangle of a picture.

    Args:
        projection: Of the whole picture.
        shape: Width by height of the rectangle.
        whole: The same of the whole picture.
    """
    stretch = np.diag([max(1.0, whole / shape), max(1.0, shape / whole), 1.0, 1.0])
    return stretch @ projection


def widened(
    projection: Matrix, size: tuple[int, int], wide: tuple[int, int], place: tuple[int, int]
) -> Matrix:
    """Show more around a picture, which stays as large as it was.

    Args:
        projection: Of the picture.
        size: Its width and height, pixels.
        wide: Those of the larger picture.
        place: Where in it the picture begins: left and top.
    """
    moved = np.diag([size[0] / wide[0], size[1] / wide[1], 1.0, 1.0])
    moved[0, 3] = (size[0] + 2 * place[0]) / wide[0] - 1.0
    moved[1, 3] = 1.0 - (size[1] + 2 * place[1]) / wide[1]
    return moved @ projection


def placement(
    camera: tuple[Matrix, Matrix], other: tuple[Matrix, Matrix]
) -> tuple[float, float, float, float] | None:
    """Return where the picture of one camera lies in that of another that looks from the same place.

    Args:
        camera: World to camera, and camera to clip space, whose pictures are rectangles.
        other: The same of the other one.

    Returns:
        Left, bottom, right and top, where the other's picture reaches from −1 to 1; nothing if no rectangle
        of it shows the same.
    """
    (view, projection), (other_view, other_projection) = camera, other
    between = other_view @ np.linalg.inv(view)
    moved = between[:3, 3].copy()
    if is_perspective(projection) != is_perspective(other_projection):
        return None
    if np.abs(between[:3, :3] - np.eye(3)).max() > _TURNED:
        return None
    if is_perspective(projection):
        if np.linalg.norm(moved) > 1e-3 * clip_range(projection)[0] + 1e-6 * np.linalg.norm(view[:3, 3]):
            return None
        moved[:] = 0.0
    edges = []
    for axis in (0, 1):
        scale, other_scale = projection[axis, axis], other_projection[axis, axis]
        middle = _middle(projection, axis)
        offset = other_scale * moved[axis] + _middle(other_projection, axis)
        edges.append([(edge - middle) * other_scale / scale + offset for edge in (-1.0, 1.0)])
    (left, right), (bottom, top) = edges
    return float(left), float(bottom), float(right), float(top)


def _middle(projection: Matrix, axis: int) -> float:
    """Return where a picture shows what lies on the view axis."""
    return -projection[axis, 2] if is_perspective(projection) else projection[axis, 3]
