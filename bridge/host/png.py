"""Pictures as PNG files with what they were made from: no host's own writer can add texts.

Source: the PNG specification, third edition.
"""

from __future__ import annotations

import errno
import os
import secrets
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"

LEVEL = 4
"""Of compression: 512² takes 20 ms and is a tenth larger than at 9."""


def png_of(width: int, height: int, filtered: bytes, texts: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG file of 8-bit RGB, or RGBA, in sRGB.

    Args:
        width: Pixels.
        height: Pixels.
        filtered: Rows downwards, each after the number of its filter.
        texts: Keyword → text, kept as iTXt.
    """
    channels = (len(filtered) // height - 1) // width
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"sRGB", b"\0")]
    for keyword, text in (texts or {}).items():
        chunks.append((b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8")))
    chunks += [(b"IDAT", zlib.compress(filtered, LEVEL)), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def read_texts(file: Path) -> dict[str, str]:
    """Return the plain texts of a PNG (iTXt and tEXt); nothing where it is damaged or none."""
    try:
        data = file.read_bytes()
    except OSError:
        return {}
    texts: dict[str, str] = {}
    place = len(SIGNATURE)
    while data.startswith(SIGNATURE) and place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        if data[place : place + 12 + length] != _chunk(kind, body):
            return {}
        if kind == b"IEND":
            return texts
        if kind == b"iTXt":
            keyword, _, rest = body.partition(b"\0")
            texts[keyword.decode("latin-1")] = rest[4:].decode("utf-8", "replace")
        if kind == b"tEXt":
            keyword, _, rest = body.partition(b"\0")
            texts[keyword.decode("latin-1")] = rest.decode("latin-1")
        place += 12 + length
    return {}


def write_file(file: Path, data: bytes, replaces: bool = True) -> None:
    """Write a file whole or not at all, with the permissions that the user's new files have.

    Args:
        file: Its folder is made if need be.
        data: What is in it.
        replaces: Whether it may take the place of another.

    Raises:
        FileExistsError: If there is one that may not be replaced, or what is there is no plain file.
        OSError: If its folder cannot be made or written to, or the disk is full.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not file.is_file():
        raise FileExistsError(errno.EEXIST, "it is no plain file", str(file))
    temporary = file.with_name(f".{file.name[:100]}.{secrets.token_hex(6)}")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        if replaces:
            os.replace(temporary, file)
        else:
            _publish(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, file: Path) -> None:
    """Give a file its name unless that is taken, at once where the file system has hard links."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        raise
    except OSError:
        if file.exists():
            raise FileExistsError(errno.EEXIST, "it is there already", str(file)) from None
        os.replace(temporary, file)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
