"""What the scripted level looks like: rays against planes, spheres and boxes, by Unreal's own conventions.

X forward, Y right, Z up, left-handed, centimetres; a positive yaw turns X towards Y, a positive pitch X
towards Z, a positive roll Y towards −Z. Written from these words alone: the plugin is held against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SKY_CM = 65504.0
SUN = np.array([-0.4, -0.3, 0.866])
PLANE, SPHERE, BOX = "plane", "sphere", "box"
HALF = 50.0
"""Of the engine's basic shapes, centimetres: their side and diameter are a metre."""

CHECKS = 8
"""Squares along the side of something checkered."""


@dataclass(frozen=True)
class Shape:
    """Something to be seen; the numbers are as Unreal's."""

    kind: str
    location: tuple[float, float, float]
    rotation: tuple[float, float, float]
    scale: tuple[float, float, float]
    color: tuple[float, float, float]
    is_checkered: bool = False
    stencil: int = 0
    """Custom stencil value; 0 for what is not drawn into custom depth."""


@dataclass(frozen=True)
class Lens:
    """Where it is seen from; the rotation is roll, pitch, yaw in degrees."""

    location: tuple[float, float, float]
    rotation: tuple[float, float, float]
    width: int
    height: int
    field_of_view: float = 90.0
    ortho_width: float = 0.0


@dataclass(frozen=True)
class Layers:
    """A drawn view, rows from the top: depth in centimetres along the axis of view, normals in the world."""

    color: Floats
    depth: Floats
    normal: Floats
    base_color: Floats
    stencil: Floats
    stencil_in_front: Floats
    """The stencil where nothing hides it; ``stencil`` shines through what is in front, as in the engine."""


def turned(rotation: Sequence[float]) -> Floats:
    """Return the matrix whose columns are forward, right and up."""
    roll, pitch, yaw = np.radians(rotation)
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(pitch), 0, -np.sin(pitch)], [0, 1, 0], [np.sin(pitch), 0, np.cos(pitch)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(roll), np.sin(roll)], [0, -np.sin(roll), np.cos(roll)]])
    return about_z @ about_y @ about_x  # type: ignore[no-any-return]


def pixel_of(lens: Lens, point: Sequence[float]) -> tuple[float, float, float]:
    """Return where a point of the world is in the picture, pixels from the top left, and its depth."""
    ahead, right, up = turned(lens.rotation).T @ (np.asarray(point) - lens.location)
    wide = np.tan(np.radians(lens.field_of_view) / 2)
    reach = lens.ortho_width / 2 if lens.ortho_width else ahead * wide
    x = (right / reach + 1) * lens.width / 2
    y = (1 - up / reach * lens.width / lens.height) * lens.height / 2
    return float(x), float(y), float(ahead)


def draw(lens: Lens, shapes: Sequence[Shape]) -> Layers:
    """Draw what there is."""
    origins, directions = _rays(lens)
    depth, normal, base, _ = _nearest(origins, directions, shapes)
    marked = [shape for shape in shapes if shape.stencil]
    marked_depth, _, _, stencil = _nearest(origins, directions, marked)
    is_sky = depth >= SKY_CM
    light = 0.35 + 0.65 * np.clip(normal @ SUN, 0, 1)
    height = np.clip(directions[..., 2] / np.linalg.norm(directions, axis=-1), 0, 1)[..., None]
    sky = np.array([0.55, 0.65, 0.8]) * (1 - height) + np.array([0.15, 0.3, 0.7]) * height
    color = np.where(is_sky[..., None], sky, base * light[..., None])
    in_front = np.where(marked_depth <= depth + 0.01, stencil, 0)
    return Layers(color, depth, normal, base, stencil, in_front)


def _rays(lens: Lens) -> tuple[Floats, Floats]:
    axes = turned(lens.rotation)
    x = (np.arange(lens.width) + 0.5) * 2 / lens.width - 1
    y = (1 - (np.arange(lens.height) + 0.5) * 2 / lens.height) * lens.height / lens.width
    across, upwards = np.meshgrid(x, y)
    place = np.asarray(lens.location, dtype=float)
    flat = np.broadcast_to(axes[:, 0], (*across.shape, 3))
    aside = across[..., None] * axes[:, 1] + upwards[..., None] * axes[:, 2]
    if lens.ortho_width:
        return place + aside * lens.ortho_width / 2, flat
    reach = np.tan(np.radians(lens.field_of_view) / 2)
    return np.broadcast_to(place, flat.shape), flat + aside * reach


def _nearest(
    origins: Floats, directions: Floats, shapes: Sequence[Shape]
) -> tuple[Floats, Floats, Floats, Floats]:
    size = origins.shape[:2]
    depth, normal = np.full(size, SKY_CM), np.zeros((*size, 3))
    base, stencil = np.zeros((*size, 3)), np.zeros(size)
    for shape in shapes:
        axes, scale = turned(shape.rotation), np.asarray(shape.scale, dtype=float)
        start = ((origins - np.asarray(shape.location)) @ axes) / scale
        along = (directions @ axes) / scale
        distance, facing = _HITS[shape.kind](start, along)
        is_hit = (distance > 0.1) & (distance < depth)
        local = start + along * np.where(is_hit, distance, 0)[..., None]
        outward = (facing / scale) @ axes.T
        outward = outward / np.maximum(np.linalg.norm(outward, axis=-1, keepdims=True), 1e-9)
        depth = np.where(is_hit, distance, depth)
        normal = np.where(is_hit[..., None], outward, normal)
        base = np.where(is_hit[..., None], _paint(shape, local), base)
        stencil = np.where(is_hit, shape.stencil, stencil)
    return depth, normal, base, stencil


def _paint(shape: Shape, local: Floats) -> Floats:
    color = np.asarray(shape.color)
    if not shape.is_checkered:
        return np.broadcast_to(color, local.shape)
    squares = np.floor((local[..., :2] + HALF) / (2 * HALF) * CHECKS).sum(axis=-1) % 2
    return color * np.where(squares, 1.0, 0.3)[..., None]


def _plane(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -start[..., 2] / along[..., 2]
        hit = start + along * distance[..., None]
        inside = (np.abs(hit[..., :2]) <= HALF).all(axis=-1) & np.isfinite(distance)
    up = np.zeros_like(start)
    up[..., 2] = 1.0
    return np.where(inside, distance, np.inf), up


def _sphere(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    a = (along * along).sum(axis=-1)
    b = (start * along).sum(axis=-1)
    c = (start * start).sum(axis=-1) - HALF**2
    inside = b * b - a * c
    distance = np.where(inside >= 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)
    hit = start + along * np.where(np.isfinite(distance), distance, 0)[..., None]
    return distance, hit


def _box(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-HALF - start) / along, (HALF - start) / along
    near, far = np.fmin(first, second), np.fmax(first, second)
    axis = near.argmax(axis=-1)
    enter, leave = near.max(axis=-1), far.min(axis=-1)
    facing = np.zeros_like(start)
    sign = -np.sign(np.take_along_axis(along, axis[..., None], axis=-1))
    np.put_along_axis(facing, axis[..., None], sign, axis=-1)
    return np.where(enter <= leave, enter, np.inf), facing


_HITS = {PLANE: _plane, SPHERE: _sphere, BOX: _box}
