"""A captured frame, unpacked and checked: what its planes say, as arrays of one size."""

import math
from dataclasses import dataclass

import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import Array, Depth, ImageBytes, Mask, Normals, ObjectIds
from bridge.imaging.colour import over, to_floats
from bridge.imaging.depth import check_depth, restore_depth
from bridge.imaging.normals import unpack_normals
from bridge.imaging.planes import decode_plane
from bridge.protocol import Camera, Frame, Plane

ASSUMED_VIEW_ANGLE = math.radians(40)
"""From top to bottom, for a host that tells no camera; about a 50 mm lens on 36 mm film, 3:2."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What a 3D tool saw. All arrays have one height and width.

    Args:
        color: Transparent parts lie over grey.
        depth: Checked.
        depth_step: Smallest difference of 1/z that the depth can tell; 0 where it came as floats.
        camera: Assumed where the host told none.
        normals: ``None`` where the host sent none; likewise the rest.
        object_ids: Equal where the object is the same.
        canny: Lines.
        mask: What the host wants changed.
    """

    color: ImageBytes
    depth: Depth
    depth_step: float
    camera: Camera
    normals: Normals | None = None
    object_ids: ObjectIds | None = None
    canny: Mask | None = None
    mask: Mask | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.color.shape[1], self.color.shape[0]


def open_frame(frame: Frame) -> Capture:
    """Unpack the planes of a frame.

    Raises:
        InputError: ``missing_plane`` without colour or depth; ``size_mismatch``, ``bad_plane``,
            ``bad_image``, ``bad_depth`` or ``bad_camera`` where one cannot be used.
    """
    _check_sizes(frame)
    color = _plane(frame, "color")
    if color.dtype != np.uint8 or color.ndim != 3 or color.shape[2] not in (3, 4):
        raise _misshapen("color", color, "(H, W, 3) or (H, W, 4), u8")
    depth, depth_step = _depth(frame)
    normals = _optional(frame, "normal", 3)
    canny, mask = _optional(frame, "canny", 2), _optional(frame, "mask", 2)
    return Capture(
        color=over(color),
        depth=depth,
        depth_step=depth_step,
        camera=_camera(frame),
        normals=None if normals is None else unpack_normals(normals),
        object_ids=_optional(frame, "object_id", 2),
        canny=None if canny is None else to_floats(canny),
        mask=None if mask is None else np.clip(np.nan_to_num(to_floats(mask)), 0, 1),
    )


def _check_sizes(frame: Frame) -> None:
    for plane in frame.planes.values():
        if (plane.shape[1], plane.shape[0]) != frame.size and not plane.is_reference:
            first = next(iter(frame.planes))
            raise InputError(
                f"{plane.name} is {plane.shape[1]}×{plane.shape[0]}, "
                f"but {first} is {frame.size[0]}×{frame.size[1]}",
                code="size_mismatch",
                hint="All planes of a frame have one size.",
            )


def _plane(frame: Frame, name: str) -> Array:
    if name not in frame.planes:
        raise InputError(
            f"the captured frame has no {name}",
            code="missing_plane",
            hint=f"It holds {', '.join(sorted(frame.planes)) or 'nothing'}; color and depth are needed.",
        )
    return decode_plane(frame.planes[name])


def _optional(frame: Frame, name: str, dimensions: int) -> Array | None:
    if name not in frame.planes:
        return None
    array = decode_plane(frame.planes[name])
    if array.ndim != dimensions or (dimensions == 3 and array.shape[2] < 3):
        raise _misshapen(name, array, "(H, W, 3)" if dimensions == 3 else "(H, W)")
    return array


def _depth(frame: Frame) -> tuple[Depth, float]:
    array = _plane(frame, "depth")
    if array.ndim != 2:
        raise _misshapen("depth", array, "(H, W)")
    if array.dtype == np.uint16:
        near, far = _depth_ends(frame.planes["depth"])
        depth, step = restore_depth(array, near, far), (1 / near - 1 / far) / 65534
    else:
        depth, step = array.astype(np.float32, copy=False), 0.0
    check_depth(depth)
    return depth, step


def _depth_ends(plane: Plane) -> tuple[float, float]:
    if plane.near is None or plane.far is None:
        raise InputError("depth as u16 needs near and far, in metres", code="bad_depth")
    return plane.near, plane.far


def _camera(frame: Frame) -> Camera:
    if frame.camera is None:
        return _assumed_camera(frame.size)
    if not all(abs(frame.camera.projection[index]) > 1e-9 for index in (0, 5)):
        raise InputError(
            "the camera's projection flattens the picture", code="bad_camera", hint="Its scale is 0."
        )
    return frame.camera


def _assumed_camera(size: tuple[int, int]) -> Camera:
    scale = 1 / math.tan(ASSUMED_VIEW_ANGLE / 2)
    near, far = 0.1, 1000.0
    view = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    shape = (scale * size[1] / size[0], 0.0, 0.0, 0.0, 0.0, scale, 0.0, 0.0)
    depth = (0.0, 0.0, -(far + near) / (far - near), -2 * far * near / (far - near), 0.0, 0.0, -1.0, 0.0)
    return Camera(view, shape + depth, near, far)


def _misshapen(name: str, array: Array, wanted: str) -> InputError:
    return InputError(
        f"{name} has shape {array.shape} and type {array.dtype}, not {wanted}", code="bad_plane"
    )
