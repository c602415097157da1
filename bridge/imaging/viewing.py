"""Pictures for ComfyUI's clients: smaller copies, one channel, another alpha. Pillow only.

Run as a program, ``python -m bridge.imaging.viewing``, it works for a process that must not decode pictures
itself: one request in JSON a line on standard input; for each, one line of JSON and then the bytes that it
announces on standard output. It ends when its input does.
"""

import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image as PillowImage

from bridge.errors import BridgeError, InputError, problem_of
from bridge.imaging.picture import FORMATS, open_picture
from bridge.imaging.png_text import insert_texts, read_texts

DEFAULT_QUALITY = 90

PNG_LEVEL = 4
"""As ComfyUI compresses; higher levels take twice as long for a hundredth."""

Viewed = tuple[str, bytes]
"""Media type and bytes of an encoded picture."""


def view(path: Path, preview: str, channel: str) -> Viewed:
    """Return a picture as ``/view`` shows it when it is not to be shown as it is.

    Args:
        path: A PNG, JPEG or WebP.
        preview: ``webp;90`` or ``jpeg;80``: format and quality of a copy; empty for PNG.
        channel: ``rgb`` without alpha, ``a`` alpha alone, ``rgba`` all.

    Raises:
        InputError: As ``open_picture``.
    """
    picture = _open(path)
    if preview:
        return _preview(picture, preview, channel)
    if channel == "a":
        alpha = picture.convert("RGBA").getchannel("A")
        picture = PillowImage.new("RGBA", picture.size)
        picture.putalpha(alpha)
    else:
        picture = picture.convert("RGB")
    return _encoded(picture, "PNG", compress_level=PNG_LEVEL)


def with_alpha(original: Path, mask: Path) -> Viewed:
    """Return a picture with the alpha of another, as PNG; its texts, such as the workflow, stay in it.

    Args:
        original: A PNG, JPEG or WebP.
        mask: Likewise, of the same size.

    Raises:
        InputError: As ``open_picture``; ``mask_mismatch`` where the sizes differ.
    """
    picture, painted = _open(original), _open(mask)
    if picture.size != painted.size:
        raise InputError(
            f"the mask is {painted.width}×{painted.height}, the picture {picture.width}×{picture.height}",
            code="mask_mismatch",
            hint="Draw the mask over the picture itself.",
        )
    joined = picture.convert("RGBA")
    joined.putalpha(painted.convert("RGBA").getchannel("A"))
    texts = read_texts(original) if picture.format == "PNG" else {}
    media_type, data = _encoded(joined, "PNG", compress_level=PNG_LEVEL)
    return media_type, insert_texts(data, texts)


def _open(path: Path) -> PillowImage.Image:
    return open_picture(path.read_bytes(), FORMATS, f"picture {path.name!r}")


def _preview(picture: PillowImage.Image, preview: str, channel: str) -> Viewed:
    kind, _, quality = preview.partition(";")
    is_jpeg = kind == "jpeg" and "a" not in channel
    picture = picture.convert("RGB" if is_jpeg or channel == "rgb" else "RGBA")
    level = min(int(quality), 100) if quality.isdecimal() else DEFAULT_QUALITY
    return _encoded(picture, "JPEG" if is_jpeg else "WEBP", quality=level)


def _encoded(picture: PillowImage.Image, kind: str, **options: int) -> Viewed:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"image/{kind.lower()}", buffer.getvalue()


# ---- the program -----------------------------------------------------------------------------------

_WORK: Mapping[str, Callable[..., Viewed]] = {
    "view": lambda path, preview, channel: view(Path(path), preview, channel),
    "with_alpha": lambda original, mask: with_alpha(Path(original), Path(mask)),
}


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until there are no more; each is ``{"do": "view", "with": {…}}``."""
    for line in source:
        head, data = _answer(json.loads(line))
        sink.write(json.dumps(head).encode() + b"\n" + data)
        sink.flush()


def _answer(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], bytes]:
    try:
        media_type, data = _WORK[request["do"]](**request["with"])
    except BridgeError as error:
        return {"bytes": 0, "problem": error.problem.to_json()}, b""
    except Exception as error:  # the boundary of one request; the next picture may be sound
        return {"bytes": 0, "problem": problem_of(error).to_json()}, b""
    return {"bytes": len(data), "type": media_type}, data


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
