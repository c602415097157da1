"""Pictures from and to programs beside the server. Names and inputs are those of comfyui-tooling-nodes."""

import base64
import binascii
import re
from typing import Annotated, Any

import torch

from bridge.diffusion import Image, Mask, repeat_to, scale_mask
from bridge.diffusion.kept_pictures import (
    FileFormat,
    given_digest,
    given_picture,
    hand_over,
    picture_tensors,
    send,
)
from bridge.engine import current_job
from bridge.errors import InputError
from bridge.graph import ALWAYS, FileText, Multiline, node
from bridge.imaging import decode_picture

TOOLS = "external_tooling"

_LANGUAGE = re.compile(r"lang:(\w\w)\s*")


def given_stamp(id: str) -> Any:
    """Return what changes when the picture behind an id does."""
    return given_digest(id)


@node(
    "ETN_LoadImageCache",
    category=TOOLS,
    display_name="Load Image from Cache",
    outputs=("image", "mask"),
    fingerprint=given_stamp,
    differs="A job keeps the pictures it names from when it was queued, so none can be pushed out meanwhile.",
)
def load_image_cache(id: str) -> tuple[Image, Mask]:
    """Take a picture that was sent by PUT /api/etn/image/ID; the mask is its alpha, or its first channel."""
    return picture_tensors(given_picture(id))


@node(
    "ETN_SaveImageCache",
    category=TOOLS,
    display_name="Save Image to Cache",
    is_output=True,
    fingerprint=lambda: ALWAYS,
    differs="Runs every time, so that the picture is there even if all else is unchanged.",
)
async def save_image_cache(images: Image, format: FileFormat = "PNG") -> None:
    """Keep pictures in memory, for GET /api/etn/image/ID."""
    current_job().show({"images": await hand_over(images, format)})


@node(
    "ETN_SendImageWebSocket",
    category=TOOLS,
    display_name="Send Image (WebSocket)",
    is_output=True,
    fingerprint=lambda: ALWAYS,
)
async def send_image_web_socket(images: Image, format: FileFormat = "PNG") -> None:
    """Send pictures to whoever asked, without writing a file."""
    current_job().show({"images": await send(images, format)})


@node(
    "ETN_LoadImageBase64",
    category=TOOLS,
    display_name="Load Image (Base64)",
    outputs=("image", "mask"),
    differs="The mask of an opaque picture is white; the pack gives none.",
)
def load_image_base64(image: Annotated[str, FileText()]) -> tuple[Image, Mask]:
    """Read a picture out of the workflow itself; the mask is white where it is opaque."""
    picture = decode_picture(_decoded(image), "the picture")
    pixels, alpha = picture_tensors(picture)
    return pixels, torch.ones_like(alpha) if picture.alpha is None else alpha


@node("ETN_LoadMaskBase64", category=TOOLS, display_name="Load Mask (Base64)", outputs=("mask",))
def load_mask_base64(mask: Annotated[str, FileText()]) -> Mask:
    """Read a mask out of the workflow itself: the first channel of a picture."""
    return picture_tensors(decode_picture(_decoded(mask), "the mask"))[0][..., 0]


@node("ETN_ApplyMaskToImage", category=TOOLS, display_name="Apply Mask to Image", outputs=("masked",))
def apply_mask_to_image(image: Image, mask: Mask) -> Image:
    """Make a mask the alpha of pictures."""
    height, width = image.shape[1:3]
    alpha = repeat_to(scale_mask(mask, width, height), len(image))
    return torch.cat((image[..., :3], alpha[..., None]), dim=-1)


@node(
    "ETN_Translate",
    category=TOOLS,
    display_name="Translate Text",
    outputs=("translation",),
    differs="No translator is built in: English passes, marks of other languages (lang:de) are refused.",
)
def translate(text: Annotated[str, Multiline()]) -> str:
    """Take the marks of languages out of a text (lang:en); English is all that can be read."""
    foreign = next((code for code in _LANGUAGE.findall(text) if code != "en"), "")
    if foreign:
        raise InputError(
            f'the text is marked as "lang:{foreign}", and no translator is built in',
            code="no_translator",
            input_name="text",
            hint="Write the prompt in English.",
        )
    return _LANGUAGE.sub("", text)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            "the text is no base64", code="bad_image", hint="Encode the bytes of a PNG, JPEG or WebP file."
        ) from error
