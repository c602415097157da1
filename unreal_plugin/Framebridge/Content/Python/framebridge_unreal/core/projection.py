"""Where a captured view saw a surface, and how well: the numbers, and ``paint``, which the shader repeats.

A point is painted by a view when it lies in the frame, is what the captured depth says is seen there, and
faces the camera. ``core.shader`` writes the same as HLSL, with the same constants. Lengths are centimetres.

Depth at a silhouette belongs to one of two surfaces, and so does the colour: a pixel there knows the
neighbour that differs most, and a point takes the colour of the one that it lies on, so that neither surface
bleeds into the other and neither keeps an unpainted rim.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .axes import FAR_CM, Vector, View

MAX_VIEWS = 4
"""Views that one material blends: each takes two textures, and a material has sixteen, some the engine's."""

RELATIVE_TOLERANCE = 2e-3
"""Of the depth: how far behind the captured surface a point may lie; half floats have 11 bits."""

MAX_ANGLE = 80.0
"""Degrees between the surface's normal and the camera beyond which nothing is painted."""

STEEPEST = math.sqrt(2.0) / math.cos(math.radians(MAX_ANGLE))
"""Widths of a pixel: the most that depth changes from one to the next on what is painted."""

SOFT_ANGLE = 5.0
"""Degrees before that over which paint fades out."""

BORDER = 0.05
"""Of the frame: how far from its border a view begins to give way to others."""

EDGE_QUALITY = 0.2
"""How much a view counts at a silhouette, where its colours are least certain."""

LEAST_QUALITY = 1e-3
"""So that what only one view sees badly is still painted by it."""

LEAST_DEPTH = 1e-3
"""Centimetres in front of the camera from which on something can be seen."""

NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))

DepthAt = Callable[[int, int], float]
"""Returns the captured depth of a pixel, column and row; places outside are those at the border."""


@dataclass(frozen=True)
class Painted:
    """What one view paints on one point.

    Args:
        weight: Of this view among those that see the point.
        cover: How much of what was there it hides, 0..1.
        uv: Where in its picture the colour is, from the top left, 0..1.
    """

    weight: float
    cover: float
    uv: tuple[float, float]


NOTHING = Painted(0.0, 0.0, (0.0, 0.0))


@dataclass(frozen=True)
class Projector:
    """A view as its material knows it: axes to be multiplied by the way from the camera to the point.

    Args:
        location: Of the camera.
        across: Its right, scaled so that −1..1 spans the frame; in perspective, after division by the depth.
        up: Likewise, upwards.
        forward: Unit length.
        is_perspective: Whether to divide.
        size: Width and height of the captured depth, pixels.
        strength: 0..1.
    """

    location: Vector
    across: Vector
    up: Vector
    forward: Vector
    is_perspective: bool
    size: tuple[int, int]
    strength: float = 1.0

    def project(self, point: Vector) -> tuple[float, float, float]:
        """Return where a point is seen: across and down the frame, 0..1, and its depth."""
        way = _minus(point, self.location)
        depth = _dot(way, self.forward)
        divisor = max(depth, LEAST_DEPTH) if self.is_perspective else 1.0
        x, y = _dot(way, self.across) / divisor, _dot(way, self.up) / divisor
        return 0.5 + 0.5 * x, 0.5 - 0.5 * y, depth

    def paint(self, point: Vector, normal: Vector, depth_at: DepthAt) -> Painted:
        """Return what this view paints.

        Args:
            point: In Unreal's world.
            normal: Of the surface, unit length.
            depth_at: What was captured.
        """
        u, v, depth = self.project(point)
        if depth <= LEAST_DEPTH or not (0.0 < u < 1.0 and 0.0 < v < 1.0):
            return NOTHING
        visible, is_edge, uv = self._look_up(u, v, depth, depth_at)
        facing = self._facing(_minus(point, self.location), normal)
        cover = visible * _smoothstep(*angle_range(), facing) * self.strength
        border = min(max(min(u, 1.0 - u, v, 1.0 - v) / BORDER, 0.0), 1.0)
        quality = max(facing, 0.0) ** 4 * border * (EDGE_QUALITY if is_edge else 1.0)
        return Painted(cover * max(quality, LEAST_QUALITY), cover, uv)

    def _look_up(
        self, u: float, v: float, depth: float, depth_at: DepthAt
    ) -> tuple[float, bool, tuple[float, float]]:
        """Return how surely a point is seen, whether that is at a silhouette, and its colour's place."""
        width, height = self.size
        column, row = int(u * width), int(v * height)
        first = depth_at(column, row)
        sides = [depth_at(column + dx, row + dy) for dx, dy in NEIGHBOURS]
        level = self._level(first)
        steps = [abs(self._level(side) - level) for side in sides]
        slope = min(steps[0], steps[1]) + min(steps[2], steps[3])
        furthest = steps.index(max(steps))
        floor = RELATIVE_TOLERANCE * max(level, self._level(sides[furthest]))
        is_edge = steps[furthest] > 2.0 * slope + 4.0 * floor
        second = sides[furthest] if is_edge else first
        is_second = abs(depth - second) < abs(depth - first)
        seen = second if is_second else first
        if seen >= FAR_CM:
            return 0.0, is_edge, (u, v)
        per_pixel = slope * seen * seen if self.is_perspective else slope
        tolerance = RELATIVE_TOLERANCE * seen + min(per_pixel, STEEPEST * self._pixel(seen))
        if is_edge:
            dx, dy = NEIGHBOURS[furthest] if is_second else (0, 0)
            u, v = (column + 0.5 + dx) / width, (row + 0.5 + dy) / height
        return min(max(2.0 - (depth - seen) / max(tolerance, 1e-6), 0.0), 1.0), is_edge, (u, v)

    def _level(self, depth: float) -> float:
        """Return what is linear in the picture over a plane."""
        return 1.0 / max(depth, LEAST_DEPTH) if self.is_perspective else depth

    def _pixel(self, depth: float) -> float:
        """Return the width of a pixel there."""
        width = 2.0 / (math.sqrt(_dot(self.across, self.across)) * self.size[0])
        return width * depth if self.is_perspective else width

    def _facing(self, way: Vector, normal: Vector) -> float:
        """Return the cosine between the surface's normal and the way to the camera."""
        if self.is_perspective:
            return -_dot(way, normal) / math.sqrt(_dot(way, way))
        return -_dot(self.forward, normal)


def projector(view: View, strength: float = 1.0) -> Projector:
    """Return a view as its material knows it."""
    forward, right, up = view.basis()
    across, upwards = view.scales()
    return Projector(
        view.location,
        _times(right, across),
        _times(up, upwards),
        forward,
        view.is_perspective,
        (view.width, view.height),
        strength,
    )


def angle_range() -> tuple[float, float]:
    """Return the cosines at which paint ends, and at which it is whole."""
    return math.cos(math.radians(MAX_ANGLE)), math.cos(math.radians(MAX_ANGLE - SOFT_ANGLE))


def _smoothstep(low: float, high: float, value: float) -> float:
    part = min(max((value - low) / (high - low), 0.0), 1.0)
    return part * part * (3.0 - 2.0 * part)


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _minus(one: Vector, other: Vector) -> Vector:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def _times(vector: Vector, factor: float) -> Vector:
    return vector[0] * factor, vector[1] * factor, vector[2] * factor
