"""The texts inside a WebP or JPEG: how it carries the workflow that made it.

ComfyUI's convention: each text field of EXIF is ``name:text``, with the names that texts of a PNG have.
"""

import io
import struct
import warnings
from typing import Any

from PIL import Image as PillowImage

from bridge.errors import InputError
from bridge.imaging.png_text import workflow_of

_FORMATS = ("WEBP", "JPEG")

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    PillowImage.DecompressionBombError,
    PillowImage.DecompressionBombWarning,
)
"""What Pillow raises over damaged files, and over those that are too large."""


def has_exif(data: bytes) -> bool:
    """Whether the bytes of a file are a WebP or JPEG, by how they begin."""
    return data.startswith(b"\xff\xd8\xff") or (data[:4], data[8:12]) == (b"RIFF", b"WEBP")


def read_exif_workflow(data: bytes, name: str) -> dict[str, Any]:
    """Read how a WebP or JPEG was made, as ``read_workflow`` does of a PNG.

    Args:
        data: The file.
        name: And what it is called.

    Raises:
        InputError: ``no_workflow``; ``bad_image`` where it is damaged, or larger than any picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
            fields = PillowImage.open(io.BytesIO(data), formats=_FORMATS).getexif().values()
    except _BROKEN as error:
        raise InputError(f"picture {name!r} is damaged", code="bad_image") from error
    named = (field.partition(":") for field in fields if isinstance(field, str))
    return workflow_of({key.lower(): text.rstrip("\0") for key, _, text in named}, name)
