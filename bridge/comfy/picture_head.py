"""What a file is and how large its picture, judged by its first bytes; nothing is decoded.

Sources: PNG specification §11.2.2; JPEG, ITU-T T.81 annex B; WebP, RFC 9649 §2.
"""

import struct
from collections.abc import Iterator

from bridge.errors import InputError

HEAD_BYTES = 64
"""Enough to tell what a file is."""

MAX_SEGMENTS, MAX_FILL = 1000, 64
"""Of a JPEG, before its pixels, and bytes between two; no program writes as many."""

MIN_SIDE, MAX_SIDE, MAX_PIXELS = 1, 16_384, 8192 * 4096
"""Of a picture that is taken; as in ``bridge.imaging``, which judges again before it decodes."""


def picture_type(head: bytes) -> str:
    """Return the media type of a PNG, JPEG or WebP by its first bytes; empty for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return ""


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG or WebP as its header tells; ``None`` where it tells none."""
    try:
        match picture_type(data):
            case "image/png":
                return struct.unpack(">II", data[16:24])
            case "image/jpeg":
                return _jpeg_size(data)
            case "image/webp":
                return _webp_size(data)
    except (struct.error, IndexError, KeyError):
        pass
    return None


def judged(what: str, data: bytes) -> tuple[str, tuple[int, int]]:
    """Return media type, width and height of a picture that can be taken.

    Args:
        what: The picture, for messages.
        data: The file.

    Raises:
        InputError: ``bad_image`` or ``image_too_large``.
    """
    media_type, size = picture_type(data), picture_size(data)
    if not media_type:
        raise InputError(
            f"{what} is no PNG, JPEG or WebP", code="bad_image", hint="Send the bytes of a picture file."
        )
    if size is None or min(size) < MIN_SIDE:
        raise InputError(f"{what} is damaged", code="bad_image", hint="Save the picture again.")
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise too_large(f"{what} is {size[0]}×{size[1]}; {MAX_PIXELS / 1e6:.0f} Mpx are taken")
    return media_type, size


def too_large(message: str) -> InputError:
    """Return the fault of a picture that nobody could open here, or keep."""
    return InputError(message, code="image_too_large", hint="Scale it down, or send a JPEG.")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    for marker, place in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack(">HH", data[place + 3 : place + 7])
            return width, height
    return None


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield markers with the places of their segments, up to the pixels, and no further than is usual."""
    place = 2
    for _ in range(MAX_SEGMENTS):
        fill = data[place : place + MAX_FILL]
        place += len(fill) - len(fill.lstrip(b"\xff"))
        marker = data[place]
        place += 1
        if marker == 0xDA or data[place - 2] != 0xFF:  # the pixels; no marker at all
            return
        (length,) = struct.unpack(">H", data[place : place + 2])
        if length < 2:  # it counts itself
            return
        yield marker, place
        place += length
        if data[place] != 0xFF:
            return


def _webp_size(data: bytes) -> tuple[int, int]:
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        return wide + 1, high + 1
    if kind == b"VP8L":
        bits = struct.unpack("<I", body[1:5])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", {b"VP8 ": body[6:10]}[kind])
    return width & 0x3FFF, height & 0x3FFF
