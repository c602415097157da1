"""Where a captured camera saw a surface, and how well: the numbers, and the same as a shader.

A point is painted by a view when it lies in the frame, is what the captured depth says is seen there, and
faces the camera. ``paint`` says so in Python, ``shader`` writes it as HLSL with the same constants; lengths are
centimetres.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .axes import FAR_CM, Vector, View

MAX_VIEWS = 4
"""Views that one material blends: each takes two textures, and a material has sixteen."""

RELATIVE_TOLERANCE = 2e-3
"""Of the depth: how far behind the captured surface a point may lie and still be on it; halves have 11 bits."""

STEEPEST = 0.2
"""Of the depth: how much it may change within a pixel of one surface."""

MAX_ANGLE = 80.0
"""Degrees between a surface and the camera beyond which nothing is painted."""

SOFT_ANGLE = 5.0
"""Degrees before that over which paint fades out."""

BORDER = 0.05
"""Of the frame: how far from its border a view begins to give way to others."""

EDGE_QUALITY = 0.2
"""How much a view counts at a silhouette, where its colours are least certain."""

LEAST_QUALITY = 1e-3
"""So that what only one view sees badly is still painted by it."""

NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))


@dataclass(frozen=True)
class Projector:
    """A view as its material knows it: a row for each coordinate, to be multiplied by the way from the camera.

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
        divisor = depth if self.is_perspective else 1.0
        x, y = _dot(way, self.across) / divisor, _dot(way, self.up) / divisor
        return 0.5 + 0.5 * x, 0.5 - 0.5 * y, depth

    def paint(
        self, point: Vector, normal: Vector, depth_at: Callable[[int, int], float]
    ) -> tuple[float, float]:
        """Return the weight of this view among those that see a point, and how much of it it covers, 0..1.

        Args:
            point: In Unreal's world.
            normal: Of the surface, unit length.
            depth_at: Returns the captured depth of a pixel, column and row; those outside are clamped.
        """
        way = _minus(point, self.location)
        if _dot(way, self.forward) <= 0.0:
            return 0.0, 0.0
        u, v, depth = self.project(point)
        if not (0.0 < u < 1.0 and 0.0 < v < 1.0):
            return 0.0, 0.0
        visible, is_edge = self._visible(u, v, depth, depth_at)
        facing = self._facing(way, normal)
        cover = visible * _smoothstep(*angle_range(), facing) * self.strength
        border = min(max(min(u, 1.0 - u, v, 1.0 - v) / BORDER, 0.0), 1.0)
        quality = max(facing, 0.0) ** 4 * border * (EDGE_QUALITY if is_edge else 1.0)
        return cover * max(quality, LEAST_QUALITY), cover

    def _visible(
        self, u: float, v: float, depth: float, depth_at: Callable[[int, int], float]
    ) -> tuple[float, bool]:
        """Return how surely a point is what is seen there, 0..1, and whether that is at a silhouette."""
        width, height = self.size
        column, row = int(u * width), int(v * height)
        seen = depth_at(column, row)
        right, left, below, above = (depth_at(column + dx, row + dy) for dx, dy in NEIGHBOURS)
        steps = [abs(other - seen) for other in (right, left, below, above)]
        slope = min(steps[0], steps[1]) + min(steps[2], steps[3])
        tolerance = RELATIVE_TOLERANCE * seen + min(slope, STEEPEST * seen)
        is_there = seen < FAR_CM
        visible = min(max(2.0 - (depth - seen) / tolerance, 0.0), 1.0) if is_there else 0.0
        return visible, max(steps) > STEEPEST * seen

    def _facing(self, way: Vector, normal: Vector) -> float:
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


def shader(views: int = MAX_VIEWS) -> str:
    """Return the body of a custom expression: colour and cover of a point, float4.

    Its inputs are ``Normal`` and, for each view, with its number: ``Way`` (from the camera to the point),
    ``Across``, ``Up``, ``Forward`` (float4: the rows of ``Projector``; then strength, nothing, and 1 in
    perspective), ``Size`` (width, height, and their reciprocals) and the textures ``Picture`` and ``Depth``.
    """
    limit, full = angle_range()
    parts = [
        "float3 color = float3(0.0, 0.0, 0.0);\nfloat total = 0.0;\nfloat bare = 1.0;\n",
        *(_VIEW.format(i=index, limit=limit, full=full, **_NUMBERS) for index in range(views)),
        "return float4(color / max(total, 1e-9), 1.0 - bare);",
    ]
    return "".join(parts)


def inputs(views: int = MAX_VIEWS) -> tuple[str, ...]:
    """Return the names of the shader's inputs, in the order of the expression."""
    kinds = ("Way", "Across", "Up", "Forward", "Size", "Picture", "Depth")
    return ("Normal", *(f"{kind}{index}" for index in range(views) for kind in kinds))


_NUMBERS = {
    "far": FAR_CM,
    "tolerance": RELATIVE_TOLERANCE,
    "steepest": STEEPEST,
    "border": BORDER,
    "edge": EDGE_QUALITY,
    "least": LEAST_QUALITY,
}

# Depth is sampled in the middles of its pixels, so that no filter mixes two surfaces.
_VIEW = """\
#define SEEN{i}(at) Texture2DSampleLevel(Depth{i}, Depth{i}Sampler, at, 0.0).r
{{
    float depth = dot(Way{i}, Forward{i}.xyz);
    float divisor = lerp(1.0, depth, Forward{i}.w);
    float2 place = float2(dot(Way{i}, Across{i}.xyz), dot(Way{i}, Up{i}.xyz)) / divisor;
    float2 uv = float2(0.5, 0.5) + float2(0.5, -0.5) * place;
    float2 inside = step(float2(0.0, 0.0), uv) * step(uv, float2(1.0, 1.0));
    float2 middle = (floor(uv * Size{i}.xy) + 0.5) * Size{i}.zw;
    float2 column = float2(Size{i}.z, 0.0);
    float2 row = float2(0.0, Size{i}.w);
    float seen = SEEN{i}(middle);
    float right = abs(SEEN{i}(middle + column) - seen);
    float left = abs(SEEN{i}(middle - column) - seen);
    float below = abs(SEEN{i}(middle + row) - seen);
    float above = abs(SEEN{i}(middle - row) - seen);
    float slope = min(right, left) + min(below, above);
    float tolerance = {tolerance:.6f} * seen + min(slope, {steepest:.6f} * seen);
    float visible = saturate(2.0 - (depth - seen) / max(tolerance, 1e-6)) * step(seen, {far:.1f} - 1.0);
    float edge = step({steepest:.6f} * seen, max(max(right, left), max(below, above)));
    float3 toward = lerp(-Forward{i}.xyz, -normalize(Way{i}), Forward{i}.w);
    float facing = dot(toward, Normal);
    float cover = visible * smoothstep({limit:.6f}, {full:.6f}, facing) * Across{i}.w;
    cover = cover * inside.x * inside.y * step(1e-6, depth);
    float2 rim = min(uv, float2(1.0, 1.0) - uv);
    float quality = pow(max(facing, 0.0), 4.0) * saturate(min(rim.x, rim.y) / {border:.6f});
    float weight = cover * max(quality * lerp(1.0, {edge:.6f}, edge), {least:.6f});
    color = color + weight * Texture2DSampleLevel(Picture{i}, Picture{i}Sampler, uv, 0.0).rgb;
    total = total + weight;
    bare = bare * (1.0 - cover);
}}
"""


def _smoothstep(low: float, high: float, value: float) -> float:
    part = min(max((value - low) / (high - low), 0.0), 1.0)
    return part * part * (3.0 - 2.0 * part)


def _dot(one: Vector, other: Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def _minus(one: Vector, other: Vector) -> Vector:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


def _times(vector: Vector, factor: float) -> Vector:
    return vector[0] * factor, vector[1] * factor, vector[2] * factor
