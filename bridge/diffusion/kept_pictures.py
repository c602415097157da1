"""Pictures that a client and a workflow hand each other in memory, by id."""

import asyncio
import hashlib
from typing import Any, Literal
from uuid import uuid4

import torch

from bridge.diffusion.types import Image, Mask
from bridge.engine import GIVEN, KEPT, current_job
from bridge.errors import InputError
from bridge.imaging import Picture, decode_picture, packed, to_bytes, to_plane
from bridge.protocol import Plane

FileFormat = Literal["PNG", "JPEG"]


def given_picture(picture_id: str) -> Picture:
    """Return a picture that came with the job.

    Raises:
        InputError: ``no_picture``; or what is wrong with it.
    """
    plane = _plane(picture_id)
    if plane is None:
        raise InputError(
            f'no picture "{picture_id[:100]}" came with the workflow',
            code="no_picture",
            hint="Send it before the workflow: PUT /api/etn/image/ID.",
        )
    return decode_picture(plane.data, f'picture "{picture_id[:100]}"')


def given_digest(picture_id: str) -> str | None:
    """Return what changes when the picture does; ``None`` while there is none."""
    plane = _plane(picture_id)
    return hashlib.sha256(plane.data).hexdigest() if plane else None


async def hand_over(images: Image, file_format: FileFormat) -> list[dict[str, Any]]:
    """Have pictures kept for the client to fetch, and return what to show of them.

    Args:
        images: Shape (B, H, W, 3 or 4), range 0..1.
        file_format: What to make of them; a JPEG has no alpha.
    """
    shown = []
    for image in images:
        plane = await asyncio.to_thread(_encoded, image, file_format)
        picture_id = uuid4().hex
        named = Plane(KEPT + picture_id, plane.shape, plane.dtype, plane.data, plane.codec)
        current_job().send((named,))
        shown.append({"source": "http", "id": picture_id, **_kind(file_format)})
    return shown


async def send(images: Image, file_format: FileFormat) -> list[dict[str, Any]]:
    """Send pictures to the client at once, and return what to show of them; as ``hand_over`` otherwise."""
    for image in images:
        current_job().send((await asyncio.to_thread(_encoded, image, file_format),))
    return [{"source": "websocket", **_kind(file_format)} for _ in images]


def picture_tensors(picture: Picture) -> tuple[Image, Mask]:
    """Return a picture and its alpha; of an opaque one, the first channel."""
    image = torch.from_numpy(picture.image)[None]
    alpha = image[..., 0] if picture.alpha is None else torch.from_numpy(picture.alpha)[None]
    return image, alpha


def _plane(picture_id: str) -> Plane | None:
    frame = current_job().frame
    return frame.planes.get(GIVEN + picture_id) if frame else None


def _kind(file_format: FileFormat) -> dict[str, str]:
    return {"content-type": f"image/{file_format.lower()}", "type": "output"}


def _encoded(image: Image, file_format: FileFormat) -> Plane:
    return packed(to_plane("image", to_bytes(image.numpy())), file_format.lower())
