"""What the engine's vectors and turns do, as scripts."""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, atan2, cos, degrees, radians, sin, sqrt
from typing import Any

from .fake import FakeUnreal
from .raycast import turned

SINGULAR = 0.4999995


class Maths:
    """Behaviour of Vector, Rotator, Quat and Transform."""

    def __init__(self, unreal: FakeUnreal) -> None:
        self.unreal = unreal
        scripts = unreal.scripts
        for name, combine in {
            "add": lambda a, b: a + b,
            "subtract": lambda a, b: a - b,
            "multiply": lambda a, b: a * b,
        }.items():
            for spelling in (f"Vector.{name}_vector_vector", f"Vector.__{name[:3]}__"):
                scripts.script(spelling, self._each(combine))
        scripts.script("Vector.length", lambda vector: sqrt(sum(part * part for part in parts(vector))))
        scripts.script("Rotator.quaternion", self.quaternion)
        scripts.script("Quat.rotator", self.rotator)
        scripts.script("Rotator.get_forward_vector", lambda turn: self._axis(turn, 0))
        scripts.script("Rotator.get_right_vector", lambda turn: self._axis(turn, 1))
        scripts.script("Rotator.get_up_vector", lambda turn: self._axis(turn, 2))
        scripts.script("Transform.__init__", self._make_transform)
        scripts.script("Transform.transform_location", self._moved)
        for name in ("get_forward_vector", "get_right_vector", "get_up_vector"):
            axis = ("get_forward_vector", "get_right_vector", "get_up_vector").index(name)
            scripts.script(f"MathLibrary.{name}", lambda turn, axis=axis: self._axis(turn, axis))

    def vector(self, values: Sequence[float]) -> Any:
        """Return the engine's vector."""
        return self.unreal.Vector(*(float(part) for part in values))

    def quaternion(self, turn: Any) -> Any:
        """Return a rotator as a quaternion."""
        (sr, cr), (sp, cp), (sy, cy) = (
            (sin(radians(angle) / 2), cos(radians(angle) / 2)) for angle in angles(turn)
        )
        return self.unreal.Quat(
            cr * sp * sy - sr * cp * cy,
            -cr * sp * cy - sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        )

    def rotator(self, quat: Any) -> Any:
        """Return a quaternion as a rotator."""
        x, y, z, w = quat.x, quat.y, quat.z, quat.w
        test = z * x - w * y
        yaw = degrees(atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
        if abs(test) > SINGULAR:
            sign = 1 if test > 0 else -1
            return self.unreal.Rotator(sign * yaw - 2 * degrees(atan2(x, w)), sign * 90.0, yaw)
        roll = degrees(atan2(-2 * (w * x + y * z), 1 - 2 * (x * x + y * y)))
        return self.unreal.Rotator(roll, degrees(asin(2 * test)), yaw)

    def transform(self, location: Any, turn: Any, scale: Any) -> Any:
        """Return a transform."""
        return self.unreal.Transform(location, turn, scale)

    def _axis(self, turn: Any, axis: int) -> Any:
        return self.vector(turned(angles(turn))[:, axis].tolist())

    def _each(self, combine: Any) -> Any:
        def both(one: Any, other: Any) -> Any:
            others = [other] * 3 if isinstance(other, int | float) else parts(other)
            return self.vector([combine(a, b) for a, b in zip(parts(one), others, strict=True)])

        return both

    def _make_transform(self, made: Any, location: Any, rotation: Any, scale: Any) -> None:
        made._values |= {
            "translation": location.copy(),
            "rotation": self.quaternion(rotation),
            "scale3d": scale.copy(),
        }

    def _moved(self, transform: Any, location: Any) -> Any:
        axes = turned(angles(self.rotator(transform.rotation)))
        scaled = [a * b for a, b in zip(parts(location), parts(transform.scale3d), strict=True)]
        moved = (axes @ scaled) + parts(transform.translation)
        return self.vector(moved.tolist())


def parts(vector: Any) -> tuple[float, float, float]:
    """Return a vector's x, y, z."""
    return vector.x, vector.y, vector.z


def angles(turn: Any) -> tuple[float, float, float]:
    """Return a rotator's roll, pitch and yaw."""
    return turn.roll, turn.pitch, turn.yaw
