"""A picture of the 3D tool's as a source."""

from typing import Annotated

import torch

from bridge.diffusion import Image
from bridge.engine import current_job
from bridge.errors import InputError
from bridge.graph import Range, Tooltip, node
from bridge.imaging import host_picture

Side = Annotated[int, Range(0, 8192, 8), Tooltip("Pixels; 0 follows from the other side or the picture.")]


def frame_digest() -> str:
    """Return what changes when the view does."""
    frame = current_job().frame
    return frame.digest if frame else ""


@node("HostPicture", category="framebridge", display_name="Host picture", fingerprint=frame_digest)
def picture_of_host(
    name: Annotated[str, Tooltip("color: what the host shows; reference: what the artist chose.")] = "color",
    width: Side = 0,
    height: Side = 0,
) -> Image:
    """Take a picture that the 3D tool sends: what it shows, a result to go on with, or a chosen one."""
    frame = current_job().frame
    if frame is None:
        raise InputError(
            "the workflow takes a picture of the host, and none came with it",
            code="no_frame",
            hint="Run it from Blender or Unreal, or give a captured frame: --frame FILE.npz.",
        )
    return torch.from_numpy(host_picture(frame, name, width, height))[None]
