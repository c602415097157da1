"""A picture of the 3D tool's as a source."""

from typing import Annotated

import torch

from bridge.diffusion import Image, frame_digest, job_frame
from bridge.graph import Range, Tooltip, node
from bridge.imaging import host_picture

Side = Annotated[int, Range(0, 8192, 8), Tooltip("Pixels; 0 follows from the other side or the picture.")]


@node("HostPicture", category="framebridge", display_name="Host picture", fingerprint=frame_digest)
def picture_of_host(
    name: Annotated[str, Tooltip("color: what the host shows; reference: what the artist chose.")] = "color",
    width: Side = 0,
    height: Side = 0,
) -> Image:
    """Take a picture that the 3D tool sends: what it shows, a result to go on with, or a chosen one."""
    return torch.from_numpy(host_picture(job_frame(), name, width, height))[None]
