"""The 3D tool's view as a source, and the 3D tool as a destination."""

from typing import Annotated

import torch

from bridge.diffusion import Image, Mask, frame_digest, job_frame, laid_over
from bridge.engine import current_job
from bridge.graph import ALWAYS, Range, Tooltip, node
from bridge.imaging import (
    ControlOptions,
    LineSource,
    captured_color,
    make_controls,
    make_edges,
    open_frame,
    to_bytes,
    to_plane,
)

Side = Annotated[int, Range(0, 8192, 8), Tooltip("Pixels; 0 follows from the other side or the capture.")]
Threshold = Annotated[float, Range(0.0, 1000.0, 1.0), Tooltip("Of the canny: lower draws more lines.")]
Distance = Annotated[float, Range(0.0, 1e6, 0.01)]


@node(
    "ViewportFrame",
    category="framebridge",
    display_name="Viewport",
    outputs=("color", "depth", "canny", "normal", "mask"),
    fingerprint=frame_digest,
)
def viewport_frame(
    width: Side = 0,
    height: Side = 0,
    canny_source: Annotated[
        LineSource, Tooltip("Lines of what the viewport shows, or of the shapes alone.")
    ] = "colour",
    canny_low: Threshold = 40.0,
    canny_high: Threshold = 100.0,
    depth_near: Annotated[Distance, Tooltip("Metres that become white; 0 is automatic.")] = 0.0,
    depth_far: Annotated[Distance, Tooltip("Metres that become black; 0 is automatic.")] = 0.0,
) -> tuple[Image, Image, Image, Image, Mask]:
    """See what the 3D tool sees: its picture, and depth, lines and normals as ControlNets expect them.

    Reports ``depth_range``, metres, so that a host can keep it over a shot. The mask is the host's, or
    else everything that is not sky.
    """
    controls = make_controls(
        open_frame(job_frame()),
        ControlOptions(width, height, canny_source, canny_low, canny_high, depth_near, depth_far),
    )
    current_job().show({"depth_range": [controls.depth_range.near, controls.depth_range.far]})
    planes = (controls.color, controls.depth, controls.canny, controls.normal, controls.mask)
    color, depth, lines, normal, mask = (torch.from_numpy(plane)[None] for plane in planes)
    return color, depth, lines, normal, mask


@node(
    "ViewportEdges", category="framebridge", display_name="Viewport geometry edges", fingerprint=frame_digest
)
def viewport_edges(width: Side = 0, height: Side = 0) -> Image:
    """Draw white lines on black where what the 3D tool sees breaks: in depth, in normals, between objects.

    Unlike the canny of a picture they know nothing of shadows and textures.
    """
    return torch.from_numpy(make_edges(open_frame(job_frame()), width, height))[None]


@node("ViewportComposite", category="framebridge", display_name="Lay over viewport", fingerprint=frame_digest)
def viewport_composite(image: Image, mask: Mask) -> Image:
    """Lay pictures over what the 3D tool shows; where the mask is black its pixels stay exactly as captured.

    The result has the captured size.
    """
    return laid_over(captured_color(job_frame()), image, mask)


@node(
    "SendToHost",
    category="framebridge",
    display_name="Send to host",
    is_output=True,
    fingerprint=lambda: ALWAYS,
)
def send_to_host(images: Image) -> None:
    """Hand pictures back to whoever asked: Blender, Unreal, a script."""
    current_job().send(tuple(to_plane("image", to_bytes(image)) for image in images.numpy()))
