"""Surface normals in view space: from depth where the host sent none, and as a control map."""

import cv2
import numpy as np

from bridge.imaging.arrays import Array, Depth, Image, Normals
from bridge.imaging.depth import nearness
from bridge.protocol import Camera

NORMAL_COLOURS = np.array(((-0.5, 0, 0, 0.5), (0, 0.5, 0, 0.5), (0, 0, 0.5, 0.5)), np.float32)
"""View-space X, Y, Z and 1 to red, green, blue."""

FAR_STEP = np.float32(1e30)
"""Stands for a step to nowhere."""


def normals_from_depth(depth: Depth, camera: Camera) -> Normals:
    """Work out which way each pixel's surface faces.

    In perspective 1/z is affine on screen over a plane: with a = X/z and b = Y/z, a plane n·p = d reads
    1/z = (n.x a + n.y b − n.z) / d. So the gradient of 1/z gives the normal, exactly for planes, and it
    is measured where the surface goes on, so that no normal straddles two.

    Args:
        depth: Checked.
        camera: Whose projection the depth was drawn with.

    Returns:
        Shape (H, W, 3), unit length, towards the viewer; the sky faces the viewer.
    """
    height, width = depth.shape
    projection = np.array(camera.projection, np.float64).reshape(4, 4)
    scale_x, scale_y = projection[0, 0], projection[1, 1]
    sky = np.isinf(depth)
    near = nearness(depth, camera.is_perspective)
    near[sky] = 0  # any finite value
    # Rows run downwards, Y runs up; NDC spans 2 over the picture.
    x = _own_slope(near, sky, 1) * np.float32(-scale_x * width / 2)
    y = _own_slope(near, sky, 0) * np.float32(scale_y * height / 2)
    if camera.is_perspective:
        a = ((np.arange(width) + 0.5) * 2 / width - 1 + projection[0, 2]) / scale_x
        b = (1 - (np.arange(height) + 0.5) * 2 / height + projection[1, 2]) / scale_y
        z = near + x * a.astype(np.float32) + y * b.astype(np.float32)[:, None]
    else:
        z = np.ones_like(near)
    return _unit(x, y, z, sky)


def unpack_normals(plane: Array) -> Normals:
    """Read a ``normal`` plane: view space, floats −1..1, or u8 where v / 127.5 − 1 is meant.

    Args:
        plane: Shape (H, W, 3) or more channels, of which the rest is ignored.
    """
    vectors = plane[..., :3].astype(np.float32)
    if plane.dtype == np.uint8:
        vectors = vectors * np.float32(1 / 127.5) - np.float32(1)
    with np.errstate(over="ignore", invalid="ignore"):
        length = (vectors * vectors).sum(axis=2)
    nowhere = ~((length >= 0.25) & np.isfinite(length))
    vectors[nowhere] = 0
    x, y, z = cv2.split(np.ascontiguousarray(vectors))
    return _unit(x, y, z, nowhere)


def normals_to_control(normals: Normals) -> Image:
    """Colour normals as normal ControlNets expect: red is left, green is up, blue is towards the viewer.

    Args:
        normals: Shape (H, W, 3).

    Returns:
        Shape (H, W, 3), 0..1.

    Source: ControlNet 1.1 (normalbae), which draws NYU-V2's protocol.
    """
    coloured: Image = cv2.transform(normals, NORMAL_COLOURS)
    return coloured


def _own_slope(field: Array, sky: Array, axis: int) -> Array:
    """Return each pixel's slope along an axis, measured on the side where its surface goes on.

    That is the side where the next two steps agree better; the smaller step counts for a little, for
    surfaces two pixels wide. A step into the sky says nothing.
    """
    if field.shape[axis] < 2:
        return np.zeros_like(field)
    field, sky = np.moveaxis(field, axis, 0), np.moveaxis(sky, axis, 0)
    steps = np.diff(field, axis=0)
    steps[sky[1:] != sky[:-1]] = FAR_STEP
    bends = np.abs(np.diff(steps, axis=0))
    doubt_ahead = np.abs(steps) * np.float32(0.5)
    doubt_behind = doubt_ahead.copy()
    doubt_ahead[:-1] += bends
    doubt_behind[1:] += bends
    slope = np.concatenate((steps[:1], steps))
    np.copyto(slope[1:-1], steps[1:], where=doubt_ahead[1:] < doubt_behind[:-1])
    slope[slope == FAR_STEP] = 0
    return np.moveaxis(slope, 0, axis)


def _unit(x: Array, y: Array, z: Array, nowhere: Array) -> Normals:
    """Scale vectors to length 1, and turn those that belong to no surface towards the viewer."""
    scale = x * x
    scale += y * y
    scale += z * z
    np.sqrt(scale, out=scale)
    np.maximum(scale, np.float32(1e-30), out=scale)
    np.reciprocal(scale, out=scale)
    scale[nowhere] = 0
    for part in (x, y, z):
        part *= scale
    z[nowhere] = 1
    vectors: Normals = cv2.merge((x, y, z))
    return vectors
