# SPDX-License-Identifier: GPL-3.0-or-later
"""What a depth buffer and a camera's matrices mean: pure numpy, no Blender.

Matrices are (4, 4), act on column vectors, and belong to a right-handed camera that looks along −Z.
Clip space is OpenGL's: −1..1 in depth.
"""

from __future__ import annotations

import numpy as np

Matrix = np.ndarray
"""float64, shape (4, 4)."""


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
    depth = buffer.astype(np.float64) * 2.0 - 1.0
    scale, offset = projection[2, 2], projection[2, 3]
    distance = offset / (depth + scale) if is_perspective(projection) else (offset - depth) / scale
    return np.where(buffer < 1.0, distance, np.inf).astype(np.float32)


def clip_range(projection: Matrix) -> tuple[float, float]:
    """Return the distances of the near and the far clipping plane."""
    scale, offset = projection[2, 2], projection[2, 3]
    if is_perspective(projection):
        return float(offset / (scale - 1.0)), float(offset / (scale + 1.0))
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
