"""Pictures from files of the input, output and preview folders."""

from pathlib import Path
from typing import Annotated, Literal

import torch

from bridge.diffusion import Image, Mask, job_file, job_file_stamp
from bridge.graph import ChoicesFrom, EditorOption, node
from bridge.imaging import Picture, read_picture, read_pictures

DIFFERS = (
    "The mask of an opaque picture has the picture's size, not 64×64; grey of 16 bits keeps its precision; "
    "PNG, JPEG and WebP only, of 16 pixels a side or more."
)

OUTPUT_LIST = {"route": "/internal/files/output", "refresh_button": True, "control_after_refresh": "first"}
"""Where ComfyUI's editor asks for the saved pictures, the newest first."""


def picture_stamp(image: str) -> tuple[int, int] | None:
    """Return what changes when the file does; ``None`` while there is none."""
    return job_file_stamp(image)


def output_stamp(image: str) -> tuple[int, int] | None:
    """Return what changes when a file of the output folder does; ``None`` while there is none."""
    return job_file_stamp(image, "output")


@node("LoadImage", category="image", display_name="Load Image", fingerprint=picture_stamp, differs=DIFFERS)
def load_image(
    image: Annotated[str, ChoicesFrom("input"), EditorOption("image_upload")],
) -> tuple[Image, Mask]:
    """Load a PNG, JPEG or WebP, or all frames of an animation; the mask is white where it is transparent.

    ``name [output]`` and ``name [temp]`` look into those folders instead.
    """
    return _loaded(job_file(image))


@node(
    "LoadImageOutput",
    category="image",
    display_name="Load Image (from Outputs)",
    fingerprint=output_stamp,
    differs=DIFFERS,
)
def load_image_output(
    image: Annotated[
        str,
        ChoicesFrom("output"),
        EditorOption("image_upload"),
        EditorOption("image_folder", "output"),
        EditorOption("remote", OUTPUT_LIST),
    ],
) -> tuple[Image, Mask]:
    """Load a picture that a workflow has saved."""
    return _loaded(job_file(image, "output"))


@node(
    "LoadImageMask",
    category="mask",
    display_name="Load Image (as Mask)",
    fingerprint=picture_stamp,
    differs=DIFFERS,
)
def load_image_mask(
    image: Annotated[str, ChoicesFrom("input"), EditorOption("image_upload")],
    channel: Literal["alpha", "red", "green", "blue"],
) -> Mask:
    """Load one channel of a picture as a mask; of alpha, what is transparent is white."""
    picture = read_picture(job_file(image))
    if channel == "alpha":
        return _transparency(picture)[None]
    return torch.from_numpy(picture.image)[None, ..., ("red", "green", "blue").index(channel)]


def _loaded(path: Path) -> tuple[Image, Mask]:
    """Read a picture's frames; those that are not of the first one's size are left out."""
    frames = read_pictures(path)
    frames = [frame for frame in frames if frame.image.shape == frames[0].image.shape]
    images = torch.stack([torch.from_numpy(frame.image) for frame in frames])
    return images, torch.stack([_transparency(frame) for frame in frames])


def _transparency(picture: Picture) -> torch.Tensor:
    if picture.alpha is None:
        return torch.zeros(picture.image.shape[:2])
    return 1.0 - torch.from_numpy(picture.alpha)
