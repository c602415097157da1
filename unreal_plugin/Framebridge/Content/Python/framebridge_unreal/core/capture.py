"""A capture as it travels: the engine's own files, which the daemon reads.

The editor's Python has no numpy and the wire takes metres and a right-handed camera, so depth and normals go
as OpenEXR with what it takes to turn them: a scale, where the sky begins, a rotation.
"""

from __future__ import annotations

import struct

from .._bridge.errors import BridgeError
from .._bridge.host.png import SIGNATURE
from .._bridge.protocol import Camera, Frame, Plane
from .axes import CM, FAR_CM, normal_rotation, wire_camera
from .editor import NORMAL, OBJECT_ID, Files


def frame_of(files: Files, number: int = 0) -> Frame:
    """Turn a capture into a frame; what was captured without light takes the place of the lit picture.

    Raises:
        BridgeError: ``capture_failed`` if the picture is no PNG.
    """
    view = files.view
    planes = [
        color_plane("color", files.base_color or files.color),
        depth_plane(files.depth, view.width, view.height),
    ]
    if files.normal is not None:
        shape = view.height, view.width, 3
        planes.append(Plane(NORMAL, shape, "f32", files.normal, "exr", rotation=normal_rotation(view)))
    if files.object_id is not None:
        planes.append(Plane(OBJECT_ID, (view.height, view.width), "u16", files.object_id, "exr"))
    return Frame({plane.name: plane for plane in planes}, wire_camera(view), number, files.names)


def rendered_frame(color: bytes, depth: bytes, camera: Camera | None = None) -> Frame:
    """Turn a frame of a sequence into a frame that travels.

    Args:
        color: PNG.
        depth: OpenEXR, centimetres.
        camera: ``None`` where it is not known.

    Raises:
        BridgeError: ``capture_failed`` if the picture is no PNG.
    """
    plane = color_plane("color", color)
    height, width = plane.shape[:2]
    return Frame({"color": plane, "depth": depth_plane(depth, width, height)}, camera)


def color_plane(name: str, png: bytes) -> Plane:
    """Return a PNG as a plane of three channels: what an engine writes as alpha means nothing.

    Raises:
        BridgeError: ``capture_failed`` if it is no PNG.
    """
    width, height = png_size(png)
    return Plane(name, (height, width, 3), "u8", png, "png")


def depth_plane(exr: bytes, width: int, height: int) -> Plane:
    """Return centimetres along the view axis, as OpenEXR, as a depth plane in metres."""
    return Plane("depth", (height, width), "f32", exr, "exr", scale=CM, sky=FAR_CM)


def png_size(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG.

    Raises:
        BridgeError: ``capture_failed`` if it is none.
    """
    if not png.startswith(SIGNATURE) or len(png) < 24:
        raise BridgeError(
            "the engine's picture is no PNG file",
            code="capture_failed",
            hint="See the Output Log; updating the graphics driver may help.",
        )
    width, height = struct.unpack_from(">II", png, 16)
    return width, height
