"""Unreal's axes and the wire's, both ways.

Unreal is left-handed, X forward, Y right, Z up, in centimetres; a camera looks along its X. The wire is
right-handed, in metres, and a camera looks along its −Z with Y up. The wire's world is Unreal's with Y turned
around: (x, −y, z) / 100.

Source of the rotation: FRotationMatrix, "Unreal Engine coordinate system" in Epic's documentation.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from .._bridge.errors import BridgeError
from .._bridge.host.settings import MAX_SIDE
from .._bridge.protocol import Camera

Vector = tuple[float, float, float]

CM = 0.01
"""Metres."""

FAR_CM = 65504.0
"""The largest number of a half float: depth from here on is sky."""


@dataclass(frozen=True)
class View:
    """Where something is seen from, in Unreal's terms.

    Args:
        location: Centimetres.
        rotation: Roll, pitch and yaw, degrees.
        width: Pixels.
        height: Pixels.
        field_of_view: Degrees from left to right; 0 for an orthographic view.
        ortho_width: Centimetres from left to right, of an orthographic view.
        near: Centimetres to the near clipping plane.
        exposure: EV100; what the level says if ``None``.
    """

    location: Vector
    rotation: Vector
    width: int
    height: int
    field_of_view: float = 90.0
    ortho_width: float = 0.0
    near: float = 10.0
    exposure: float | None = None

    @property
    def is_perspective(self) -> bool:
        """Whether things far away look smaller."""
        return self.ortho_width == 0.0

    @property
    def is_sound(self) -> bool:
        """Whether something can be seen from there."""
        numbers = (*self.location, *self.rotation, self.ortho_width, self.exposure or 0.0)
        has_size = 1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE and 0 < self.near < FAR_CM
        has_lens = 0 < self.field_of_view < 180 if self.is_perspective else self.ortho_width > 0
        return all(map(math.isfinite, numbers)) and has_size and has_lens

    def basis(self) -> tuple[Vector, Vector, Vector]:
        """Return the camera's forward, right and up in Unreal's world, unit length."""
        roll, pitch, yaw = map(math.radians, self.rotation)
        sr, cr, sp, cp, sy, cy = (
            *(math.sin(roll), math.cos(roll)),
            *(math.sin(pitch), math.cos(pitch)),
            *(math.sin(yaw), math.cos(yaw)),
        )
        forward = (cp * cy, cp * sy, sp)
        right = (sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, -sr * cp)
        up = (-(cr * sp * cy + sr * sy), cy * sr - cr * sp * sy, cr * cp)
        return forward, right, up

    def scales(self) -> tuple[float, float]:
        """Return what camera coordinates are multiplied by to span −1..1 over width and height."""
        if self.is_perspective:
            across = 1.0 / math.tan(math.radians(self.field_of_view) / 2)
        else:
            across = 2.0 / self.ortho_width
        return across, across * self.width / self.height

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))


def view_from_json(text: str) -> View:
    """Read what ``View.to_json`` wrote.

    Raises:
        BridgeError: ``bad_view``.
    """
    try:
        data = json.loads(text)
        x, y, z = map(float, data["location"])
        roll, pitch, yaw = map(float, data["rotation"])
        view = View(
            (x, y, z),
            (roll, pitch, yaw),
            int(data["width"]),
            int(data["height"]),
            float(data["field_of_view"]),
            float(data["ortho_width"]),
            float(data["near"]),
            None if data.get("exposure") is None else float(data["exposure"]),
        )
        if not view.is_sound:
            raise ValueError("it has no place, no size or no angle")
        return view
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise BridgeError(
            "where this picture was seen from cannot be read", code="bad_view", hint="Generate a new one."
        ) from error


def wire_camera(view: View) -> Camera:
    """Return a view as the wire's camera: metres, right-handed, looking along −Z."""
    forward, right, up = view.basis()
    rows = [_row(right, view.location), _row(up, view.location), _row(_negative(forward), view.location)]
    across, upwards = view.scales()
    near, far = view.near * CM, FAR_CM * CM
    if view.is_perspective:
        depth = (0.0, 0.0, -(far + near) / (far - near), -2 * far * near / (far - near), 0.0, 0.0, -1.0, 0.0)
    else:
        across, upwards = across / CM, upwards / CM
        depth = (0.0, 0.0, -2 / (far - near), -(far + near) / (far - near), 0.0, 0.0, 0.0, 1.0)
    return Camera(
        view=(*rows[0], *rows[1], *rows[2], 0.0, 0.0, 0.0, 1.0),
        projection=(across, 0.0, 0.0, 0.0, 0.0, upwards, 0.0, 0.0, *depth),
        near=near,
        far=far,
    )


def normal_rotation(view: View) -> tuple[float, ...]:
    """Return the row-major 3×3 matrix from Unreal's world to the wire's camera, for normals."""
    forward, right, up = view.basis()
    return (*right, *up, *_negative(forward))


def _row(axis: Vector, location: Vector) -> tuple[float, float, float, float]:
    """Return a row of the view matrix: an axis of the camera in the wire's world, its offset in metres."""
    offset = -sum(part * place for part, place in zip(axis, location, strict=True)) * CM
    return axis[0], -axis[1], axis[2], offset


def _negative(vector: Vector) -> Vector:
    return -vector[0], -vector[1], -vector[2]
