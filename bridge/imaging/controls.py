"""The control images that a captured viewport gives, all of the size that is to be painted."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from bridge.imaging.arrays import Array, Image, Mask
from bridge.imaging.canny import canny_of_render
from bridge.imaging.capture import Capture
from bridge.imaging.colour import to_floats
from bridge.imaging.depth import DepthRange, depth_to_control, find_range
from bridge.imaging.edges import EdgeLimits, geometric_edges
from bridge.imaging.normals import normals_from_depth, normals_to_control
from bridge.imaging.resize import latent_size, resize, resize_lines

LineSource = Literal["colour", "geometry"]
"""Where lines come from: a canny of the picture, or breaks in depth, normals and object ids."""


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """How to look at a capture.

    Args:
        width: Pixels; see ``latent_size``.
        height: Pixels; see ``latent_size``.
        lines: Where the host sent no ``canny``, what makes it.
        canny_low: See ``canny_of_render``.
        canny_high: See ``canny_of_render``.
        depth_near: Metres that become white; 0 finds them from the picture.
        depth_far: Metres that become black; 0 likewise.
    """

    width: int = 0
    height: int = 0
    lines: LineSource = "colour"
    canny_low: float = 40.0
    canny_high: float = 100.0
    depth_near: float = 0.0
    depth_far: float = 0.0


@dataclass(frozen=True, slots=True)
class Controls:
    """Pictures of one size.

    Args:
        color: What the viewport shows.
        depth: Inverse depth, bright is near.
        canny: White lines on black.
        normal: As normal ControlNets expect.
        mask: The host's; else everything that is not sky.
        depth_range: What became white and black in ``depth``.
    """

    color: Image
    depth: Image
    canny: Image
    normal: Image
    mask: Mask
    depth_range: DepthRange


def make_controls(capture: Capture, options: ControlOptions) -> Controls:
    """Make every control image of a capture; at 512² in a few milliseconds.

    Where depth and normals break is judged at the captured size, and drawn at the wanted one.

    Raises:
        InputError: ``bad_depth`` or ``out_of_range`` for options that contradict each other.
    """
    size = latent_size(capture.size, options.width, options.height)
    color = _fit(capture.color, size)
    depth, depth_range = depth_to_control(
        capture.depth, _depth_range(capture, options), capture.camera.is_perspective
    )
    normals = _normals(capture)
    mask = np.isfinite(capture.depth).astype(np.float32) if capture.mask is None else capture.mask
    return Controls(
        color=to_floats(color),
        depth=_three(_fit(depth, size)),
        canny=_three(_lines(capture, normals, color, size, options)),
        normal=_fit(normals_to_control(normals), size),
        mask=np.array(_fit(mask, size), np.float32),  # a plane's own bytes are read-only
        depth_range=depth_range,
    )


def make_edges(capture: Capture, width: int = 0, height: int = 0) -> Image:
    """Draw where a capture's depth, normals or object ids break: white lines on black.

    They are found at the captured size, and drawn at the wanted one.

    Args:
        capture: What the viewport shows.
        width: Pixels; see ``latent_size``.
        height: Pixels; see ``latent_size``.

    Returns:
        Shape (height, width, 3), the size of what ``make_controls`` gives.
    """
    return _three(_edges(capture, _normals(capture), latent_size(capture.size, width, height)))


def _normals(capture: Capture) -> Array:
    if capture.normals is not None:
        return capture.normals
    return normals_from_depth(capture.depth, capture.camera)


def _depth_range(capture: Capture, options: ControlOptions) -> DepthRange | None:
    if not options.depth_near and not options.depth_far:
        return None
    if options.depth_near and options.depth_far:
        return DepthRange(options.depth_near, options.depth_far)
    found = find_range(capture.depth, capture.camera.is_perspective)
    return DepthRange(options.depth_near or found.near, options.depth_far or found.far)


def _lines(
    capture: Capture, normals: Array, color: Array, size: tuple[int, int], options: ControlOptions
) -> Mask:
    if capture.canny is not None:
        return resize_lines((capture.canny > 0.5).astype(np.float32), *size)
    if options.lines == "colour":
        return canny_of_render(color, options.canny_low, options.canny_high)
    return _edges(capture, normals, size)


def _edges(capture: Capture, normals: Array, size: tuple[int, int]) -> Mask:
    # Normals worked out from depth of 16 bits are too coarse to tell creases from noise.
    has_creases = capture.normals is not None or not capture.depth_step
    lines = geometric_edges(
        capture.depth,
        capture.camera,
        normals if has_creases else None,
        capture.object_ids,
        EdgeLimits(resolution=capture.depth_step),
    )
    return resize_lines(lines, *size)


def _fit(image: Array, size: tuple[int, int]) -> Array:
    is_smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    return resize(image, *size, "area" if is_smaller else "bilinear")


def _three(grey: Mask) -> Image:
    image: Image = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return image
