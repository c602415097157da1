"""What a view spans: how wide it is at a distance, how far the level reaches in it, how a plane faces it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .axes import FAR_CM, Vector, View

Bounds = tuple[Vector, Vector]
"""The middle of a box and half its sides."""

LEAST_REACH = 1000.0
"""Centimetres; so that a plate in an empty level is not in one's face."""

BEYOND = 1.05
"""How much further than what the view sees the plate is."""


def frame_at(view: View, distance: float) -> tuple[Vector, float, float]:
    """Return the middle of the frame at a distance, half its width and half its height."""
    forward = view.basis()[0]
    across, upwards = view.scales()
    factor = distance if view.is_perspective else 1.0
    middle = tuple(place + part * distance for place, part in zip(view.location, forward, strict=True))
    return (middle[0], middle[1], middle[2]), factor / across, factor / upwards


def reach(view: View, found: Iterable[Bounds]) -> float:
    """Return how far along the view the level reaches, without skies, which no depth can tell."""
    forward = view.basis()[0]
    furthest = LEAST_REACH
    for middle, half in found:
        if max(half) < FAR_CM / 2:
            furthest = max(furthest, depth_of(view, middle) + _extent(forward, half))
    return min(furthest * BEYOND, FAR_CM)


def may_see(view: View, bounds: Bounds) -> bool:
    """Tell whether any of a box may be in the frame."""
    middle, half = bounds
    forward, right, up = view.basis()
    deepest = depth_of(view, middle) + _extent(forward, half)
    if deepest <= 0.0:
        return False
    way = tuple(part - place for part, place in zip(middle, view.location, strict=True))
    _, half_width, half_height = frame_at(view, deepest)
    sides = ((right, half_width), (up, half_height))
    return all(abs(_dot(axis, way)) - _extent(axis, half) <= limit for axis, limit in sides)


def depth_of(view: View, point: Vector) -> float:
    """Return the distance of a point along the view."""
    return sum(
        axis * (part - place) for axis, part, place in zip(view.basis()[0], point, view.location, strict=True)
    )


def plane_rotation(view: View) -> Vector:
    """Return roll, pitch and yaw of a plane whose Z looks at the camera and whose X points up."""
    forward, right, up = view.basis()
    level = math.hypot(up[0], up[1])
    pitch = math.degrees(math.atan2(up[2], level))
    if level < 1e-6:
        return 0.0, pitch, math.degrees(math.atan2(-right[0], right[1]))
    roll = math.degrees(math.atan2(-right[2], -forward[2]))
    return roll, pitch, math.degrees(math.atan2(up[1], up[0]))


def _extent(axis: Vector, half: Vector) -> float:
    return sum(abs(part) * side for part, side in zip(axis, half, strict=True))


def _dot(one: Vector, other: tuple[float, ...]) -> float:
    return sum(first * second for first, second in zip(one, other, strict=True))
