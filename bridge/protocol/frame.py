"""What a 3D tool sees, as bytes: planes, camera, frame. No numpy: a plane is a buffer with a shape.

Conventions, fixed for ever in version 1: right-handed world, the camera looks along −Z with Y up,
metres, row-major 4×4 matrices, pixel origin top left with rows downwards. Colour is u8 sRGB,
display-referred, straight alpha. Depth is planar (along the view axis); ``inf`` is sky.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from .names import Names
from .planes import MAX_PLANES, TURNED_BY, Description, unpacked_bytes
from .schema import Length, Place, read_fields

Buffer = bytes | bytearray | memoryview

Matrix = Annotated[tuple[float, ...], Length(16, 16)]
"""A row-major 4×4 matrix."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One named picture plane.

    Args:
        name: ``color``, ``depth``, ``canny``, ``normal``, ``object_id``, ``mask``, ``image`` …
        shape: (H, W) or (H, W, C).
        dtype: A key of ``ITEM_BYTES``.
        data: The bytes, packed as ``codec`` says; C-contiguous.
        codec: One of ``CODECS``.
        near: For ``depth`` as u16: metres of the value 65535. Value v > 0 stands for the distance z with
            1/z = 1/far + (v − 1) / 65534 · (1/near − 1/far); value 0 is sky.
        far: For ``depth`` as u16: metres of the value 1.
        scale: For ``depth`` as exr: metres of one unit of the file.
        sky: For ``depth`` as exr: numbers of the file from here on, and those that are none, are sky.
        rotation: For ``normal`` as exr: the row-major 3×3 matrix from the file's axes to the camera's.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Buffer = field(repr=False)
    codec: str = "raw"
    near: float | None = None
    far: float | None = None
    scale: float | None = None
    sky: float | None = None
    rotation: tuple[float, ...] | None = None

    @property
    def is_reference(self) -> bool:
        """Whether it is a picture that the artist chose, of a size of its own, and no view of the scene."""
        return self.name.startswith("reference")

    @property
    def raw_bytes(self) -> int:
        """Size of the plane when unpacked."""
        return unpacked_bytes(self.shape, self.dtype)

    def describe(self) -> dict[str, Any]:
        """Return everything but the bytes, as JSON data."""
        entry: dict[str, Any] = {
            "name": self.name,
            "location": "inline",
            "dtype": self.dtype,
            "shape": list(self.shape),
            "codec": self.codec,
            "bytes": memoryview(self.data).nbytes,
        }
        if self.near is not None and self.far is not None:
            entry |= {"near": self.near, "far": self.far}
        turned_by = {name: getattr(self, name) for name in TURNED_BY}
        return entry | {name: _listed(value) for name, value in turned_by.items() if value is not None}

    to_json = describe

    @classmethod
    def read(cls, value: Any, place: Place) -> "Plane":
        """Read what ``describe`` wrote, and take the plane's bytes from the body of the message.

        Raises:
            RemoteProtocolError: See ``Description.read`` and ``Body.take``.
        """
        entry = Description.read(value, place)
        data = place.body.take(entry.bytes, place)
        turned_by = (getattr(entry, name) for name in TURNED_BY)
        return cls(entry.name, entry.shape, entry.dtype, data, entry.codec, entry.near, entry.far, *turned_by)


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a frame was seen from.

    Args:
        view: World to camera, row-major, 16 numbers.
        projection: Camera to clip space (OpenGL's −1..1 depth), row-major, 16 numbers.
        near: Metres to the near clipping plane.
        far: Metres to the far clipping plane.
    """

    view: Matrix
    projection: Matrix
    near: float
    far: float

    @property
    def is_perspective(self) -> bool:
        """Whether things far away look smaller."""
        return self.projection[15] == 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the camera as JSON data."""
        return {
            "view": list(self.view),
            "projection": list(self.projection),
            "near": self.near,
            "far": self.far,
        }

    @classmethod
    def read(cls, value: Any, place: Place) -> "Camera":
        """Read what ``to_json`` wrote.

        Raises:
            RemoteProtocolError: ``bad_message``.
        """
        camera = cls(**read_fields(cls, value, place))
        if not camera.near < camera.far:
            raise place.fault(f"near {camera.near:g} is not below far {camera.far:g}")
        return camera


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured viewport: planes of one size, and the camera that saw them.

    Args:
        planes: By name; at least one.
        camera: ``None`` where the host has none to tell.
        number: Counts up within a stream.
        names: What the numbers in its planes stand for; ``None`` where the host does not say.
    """

    planes: Mapping[str, Plane]
    camera: Camera | None = None
    number: int = 0
    names: Names | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first plane, in pixels."""
        height, width = next(iter(self.planes.values())).shape[:2]
        return width, height

    @property
    def digest(self) -> str:
        """SHA-256 of what the frame shows (planes, camera and names, not its number), in hexadecimal."""
        camera = self.camera.to_json() if self.camera else None
        header = [camera, *(self.planes[name].describe() for name in sorted(self.planes))]
        if self.names:
            header.append(self.names.to_json())
        content = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for name in sorted(self.planes):
            content.update(self.planes[name].data)
        return content.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the frame as JSON data, its planes described."""
        entry: dict[str, Any] = {
            "number": self.number,
            "camera": self.camera.to_json() if self.camera else None,
            "planes": [plane.describe() for plane in self.planes.values()],
        }
        return entry | {"names": self.names.to_json()} if self.names else entry

    @classmethod
    def read(cls, value: Any, place: Place) -> "Frame":
        """Read what ``to_json`` wrote, with the planes' bytes.

        Raises:
            RemoteProtocolError: ``bad_message``, or ``size_mismatch`` if the planes differ in size.
        """
        entry = _Entry(**read_fields(_Entry, value, place))
        planes = {plane.name: plane for plane in entry.planes}
        if len(planes) != len(entry.planes):
            raise place.fault("two planes have one name")
        first = entry.planes[0]
        for plane in entry.planes:
            if plane.shape[:2] != first.shape[:2] and not plane.is_reference:
                fault = f'"{plane.name}" is {_size(plane)}, "{first.name}" is {_size(first)}'
                raise place.fault(fault, code="size_mismatch")
        return cls(planes, entry.camera, entry.number, entry.names)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A frame as it lies in JSON."""

    planes: Annotated[tuple[Plane, ...], Length(1, MAX_PLANES)]
    camera: Camera | None = None
    number: int = 0
    names: Names | None = None


def _listed(value: float | tuple[float, ...]) -> float | list[float]:
    return list(value) if isinstance(value, tuple) else value


def _size(plane: Plane) -> str:
    height, width = plane.shape[:2]
    return f"{width}×{height}"
