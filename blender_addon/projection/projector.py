# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a captured camera saw a surface, and how well: pure numpy, no Blender.

A point is painted by a view when it lies in the frame, is what the depth says is seen there, and faces the
camera. ``nodes.py`` does the same in a shader, with the same constants.

Depth at a silhouette belongs to one of two surfaces, and so does the colour. Each pixel there knows a second
*layer*: the neighbour on the other side. A point takes the colour of the layer it lies on, so that neither
surface bleeds into the other, and neither keeps an unpainted rim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import is_perspective

SKY = 1e30
"""Metres; stands for ``inf``, which shaders do not agree on."""

RELATIVE_TOLERANCE = 2e-3
"""Of the depth: how far behind the captured surface a point may lie and still be on it."""

LEAST_TOLERANCE = 1e-6
"""Metres; that of the sky, so that it can be divided by."""

STEEPEST = 0.2
"""Of the depth: how much it may change within a pixel of one surface."""

SOFT_ANGLE = 3.0
"""Degrees before the largest angle over which paint fades out."""

BORDER = 0.05
"""Of the frame: how far from its border a view begins to give way to others."""

EDGE_QUALITY = 0.2
"""How much a view counts at a silhouette, where its colours are least certain."""

LEAST_QUALITY = 1e-3
"""So that what only one view sees badly is still painted by it."""

NO_OFFSET = 4.0
"""Code of a layer's offset: ``(dx + 1) + 3 (dy + 1)``."""

_NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))


@dataclass(frozen=True)
class Projector:
    """A picture, and the camera that it is projected from; arrays have rows upwards, as Blender's images.

    Args:
        picture: float32 (H, W, 3), 0..1, display-referred; its size may differ from that of ``layers``.
        layers: What ``depth_layers`` made of the depth.
        projection: Camera to clip space, in metres.
        max_angle: Degrees between the surface's normal and the camera beyond which nothing is painted.
        strength: 0..1.
    """

    picture: np.ndarray
    layers: np.ndarray
    projection: np.ndarray
    max_angle: float
    strength: float

    def paint(
        self, points: np.ndarray, normals: np.ndarray, faces: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what this view paints on points, float32: color (N, 3), weight (N,), cover (N,).

        Args:
            points: (N, 3) in this view's camera space, metres.
            normals: (N, 3) unit length, of the smooth surface.
            faces: (N, 3) unit length, of the flat faces.
        """
        uv, depth = self._project(points)
        toward = self._toward_camera(points)
        turned = _dot(faces, toward)
        limit, full = angle_range(self.max_angle)
        inside = ((uv > 0.0) & (uv < 1.0)).all(axis=1) & (depth > 0.0) & (turned > limit)
        seen = np.flatnonzero(inside)
        color = np.zeros((len(points), 3), np.float32)
        weight, cover = np.zeros((2, len(points)), np.float32)
        if len(seen):
            uv, cosine = uv[seen], _dot(normals[seen], toward[seen])
            color[seen], visible, is_edge = self._look_up(uv, depth[seen])
            cover[seen] = visible * _smoothstep(limit, full, turned[seen]) * self.strength
            border = np.clip(np.minimum(uv, 1.0 - uv).min(axis=1) / BORDER, 0.0, 1.0)
            quality = np.maximum(cosine, 0.0) ** 4 * border * np.where(is_edge, EDGE_QUALITY, 1.0)
            weight[seen] = cover[seen] * np.maximum(quality, LEAST_QUALITY)
        return color, weight, cover

    def _look_up(self, uv: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return colour, how visible it is, 0..1, and whether that is at a silhouette."""
        height, width = self.layers.shape[:2]
        size = np.array((width, height), np.float32)
        cell = np.minimum((uv * size).astype(np.int32), (width - 1, height - 1))
        first, second, code, tolerance = self.layers[cell[:, 1], cell[:, 0]].T
        is_edge = code != NO_OFFSET
        is_second = np.abs(depth - second) < np.abs(depth - first)
        behind = depth - np.where(is_second, second, first)
        step = np.stack((code % 3.0 - 1.0, code // 3.0 - 1.0), axis=1) * is_second[:, None]
        at = np.where(is_edge[:, None], (cell + 0.5 + step) / size, uv)
        return _bilinear(self.picture, at), np.clip(2.0 - behind / tolerance, 0.0, 1.0), is_edge

    def _project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return place in the frame, (N, 2), 0..1, upwards, and distance along the view axis, (N,)."""
        rows = self.projection[[0, 1, 3]].astype(np.float32)
        clip = points @ rows[:, :3].T + rows[:, 3]
        w = np.where(np.abs(clip[:, 2:]) > 1e-12, clip[:, 2:], 1e-12)
        return clip[:, :2] / w * 0.5 + 0.5, -points[:, 2]

    def _toward_camera(self, points: np.ndarray) -> np.ndarray:
        if not is_perspective(self.projection):
            return np.broadcast_to(np.array((0.0, 0.0, 1.0), np.float32), points.shape)
        return -unit(points)


def angle_range(max_angle: float) -> tuple[float, float]:
    """Return the cosines at which paint ends, and at which it is whole."""
    return float(np.cos(np.radians(max_angle))), float(np.cos(np.radians(max(max_angle - SOFT_ANGLE, 0.0))))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors, (N, 3), with their lengths made 1."""
    return vectors / np.maximum(np.sqrt(_dot(vectors, vectors)), np.float32(1e-12))[:, None]


def depth_layers(depth: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Tell the one or two surfaces that each pixel of a depth map shows.

    Args:
        depth: float32 (H, W), metres along the view axis, ``inf`` is sky.
        projection: Camera to clip space, in metres.

    Returns:
        float32 (H, W, 4): depth; that of the other layer (the same where there is none); the offset to the
        neighbour that shows it, as code of (dx, dy) in rows as given; tolerance, metres.
    """
    depth = np.where(np.isfinite(depth), depth, SKY).astype(np.float64)
    # Over a plane this is linear in the picture: a step that no slope continues is another surface.
    level = 1.0 / depth if is_perspective(projection) else np.minimum(depth, 1e6)
    slope = _least_slope(level)
    tolerance = _tolerance(depth, slope, is_perspective(projection))
    layers = np.stack((depth, depth, np.full_like(depth, NO_OFFSET), tolerance), axis=-1)
    furthest = np.zeros_like(depth)
    for dx, dy in _NEIGHBOURS:
        there, slope_there = _shifted(level, dx, dy), _shifted(slope, dx, dy)
        step = np.abs(there - level)
        allowed = 2.0 * (abs(dx) + abs(dy)) * np.maximum(slope, slope_there)
        floor = RELATIVE_TOLERANCE * np.maximum(np.abs(level), np.abs(there))
        # A neighbour in line is surer than a diagonal one, a large step surer than a small one.
        rank = step * (1.0 if dx == 0 or dy == 0 else 1e-3)
        is_better = (step > allowed + 4.0 * floor) & (rank > furthest)
        furthest[is_better] = rank[is_better]
        layers[is_better, 1] = _shifted(depth, dx, dy)[is_better]
        layers[is_better, 2] = (dx + 1) + 3 * (dy + 1)
        layers[is_better, 3] = np.maximum(tolerance, _shifted(tolerance, dx, dy))[is_better]
    return layers.astype(np.float32)


def _tolerance(depth: np.ndarray, slope: np.ndarray, is_in_perspective: bool) -> np.ndarray:
    """Return how far a surface may lie from its depth in the middle of the pixel, metres."""
    is_sky = depth >= SKY
    depth = np.where(is_sky, 0.0, depth)
    per_pixel = slope * depth**2 if is_in_perspective else slope
    tolerance = RELATIVE_TOLERANCE * depth + np.minimum(per_pixel, STEEPEST * depth)
    return np.where(is_sky, LEAST_TOLERANCE, tolerance)


def _least_slope(level: np.ndarray) -> np.ndarray:
    """Return how much a pixel's surface changes from one pixel to the next.

    Along each axis that is the smaller step of the two: the larger may lead to another surface.
    """
    steps = []
    for offsets in (((1, 0), (-1, 0)), ((0, 1), (0, -1))):
        one, other = (np.abs(_shifted(level, *offset) - level) for offset in offsets)
        one[_at_border(level.shape, *offsets[0])] = np.inf
        other[_at_border(level.shape, *offsets[1])] = np.inf
        steps.append(np.minimum(one, other))
    slope = steps[0] + steps[1]
    return np.where(np.isfinite(slope), slope, 0.0)


def _shifted(values: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """Return at each pixel the value of the neighbour at (dx, dy); at the border, its own."""
    rows = np.clip(np.arange(values.shape[0]) + dy, 0, values.shape[0] - 1)
    columns = np.clip(np.arange(values.shape[1]) + dx, 0, values.shape[1] - 1)
    return values[rows[:, None], columns]


def _at_border(shape: tuple[int, ...], dx: int, dy: int) -> tuple[slice | int, slice | int]:
    if dx:
        return slice(None), -1 if dx > 0 else 0
    return (-1 if dy > 0 else 0), slice(None)


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", one, other)


def _bilinear(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    last = np.array((width - 1, height - 1), np.int32)
    place = np.clip(uv * np.array((width, height), np.float32) - np.float32(0.5), 0, last.astype(np.float32))
    low = place.astype(np.int32)
    fraction = place - low.astype(np.float32)
    high = np.minimum(low + 1, last)
    fx, fy = fraction[:, :1], fraction[:, 1:]
    bottom = picture[low[:, 1], low[:, 0]] * (1 - fx) + picture[low[:, 1], high[:, 0]] * fx
    top = picture[high[:, 1], low[:, 0]] * (1 - fx) + picture[high[:, 1], high[:, 0]] * fx
    return bottom * (1 - fy) + top * fy


def _smoothstep(low: float, high: float, values: np.ndarray) -> np.ndarray:
    part = np.clip((values - low) / max(high - low, 1e-6), 0.0, 1.0)
    return part * part * (3.0 - 2.0 * part)
