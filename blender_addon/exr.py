# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an uncompressed OpenEXR file of scanlines, of one part (Blender 4) or several (Blender 5): no Blender.

Layout: "OpenEXR File Layout", openexr.com.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._bridge.errors import InputError

_MAGIC = 20000630
_TILED, _MULTIPART = 0x200, 0x1000
_DTYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_UNCOMPRESSED = b"\0"


@dataclass(frozen=True)
class Exr:
    """What a file holds.

    Args:
        channels: Each (H, W), rows downwards, by full name: ``ViewLayer.Depth.Z``.
        texts: The attributes that are texts, of all parts together.
    """

    channels: dict[str, np.ndarray]
    texts: dict[str, str]


@dataclass(frozen=True)
class _Part:
    attributes: dict[str, tuple[str, bytes]]
    channels: tuple[tuple[str, np.dtype], ...]
    width: int
    height: int
    top: int

    @property
    def row_bytes(self) -> int:
        return self.width * sum(dtype.itemsize for _, dtype in self.channels)


def read_exr(path: Path) -> Exr:
    """Return the channels and texts of a file.

    Raises:
        InputError: ``bad_image`` if it is damaged, or not of the kind that is read here.
        OSError: If it cannot be read at all.
    """
    data = path.read_bytes()
    try:
        return _parsed(data)
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise _unreadable("it is damaged or incomplete") from error


def _parsed(data: bytes) -> Exr:
    magic, version = struct.unpack_from("<II", data)
    if magic != _MAGIC or version & _TILED:
        raise _unreadable("it is no OpenEXR file of scanlines")
    is_multipart = bool(version & _MULTIPART)
    parts, position = _parts(data, 8, is_multipart)
    channels: dict[str, np.ndarray] = {}
    for part in parts:
        table = struct.unpack_from(f"<{part.height}Q", data, position)
        position += 8 * part.height
        channels |= _channels_of(data, part, table, 4 if is_multipart else 0)
    texts = {
        name: value.decode()
        for part in parts
        for name, (kind, value) in part.attributes.items()
        if kind == "string"
    }
    return Exr(channels, texts)


def _parts(data: bytes, position: int, is_multipart: bool) -> tuple[list[_Part], int]:
    parts = []
    while True:
        part, position = _part(data, position)
        parts.append(part)
        if not is_multipart:
            return parts, position
        if data[position] == 0:
            return parts, position + 1


def _part(data: bytes, position: int) -> tuple[_Part, int]:
    attributes: dict[str, tuple[str, bytes]] = {}
    while data[position]:
        name, position = _text(data, position)
        kind, position = _text(data, position)
        (size,) = struct.unpack_from("<I", data, position)
        attributes[name] = kind, data[position + 4 : position + 4 + size]
        position += 4 + size
    if attributes["compression"][1] != _UNCOMPRESSED:
        raise _unreadable("it is compressed")
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"][1])
    channels = _channel_list(attributes["channels"][1])
    return _Part(attributes, channels, right - left + 1, bottom - top + 1, top), position + 1


def _channel_list(data: bytes) -> tuple[tuple[str, np.dtype], ...]:
    channels, position = [], 0
    while data[position]:
        name, position = _text(data, position)
        (kind,) = struct.unpack_from("<i", data, position)
        channels.append((name, _DTYPES[kind]))
        position += 16
    return tuple(channels)


def _channels_of(data: bytes, part: _Part, table: tuple[int, ...], skip: int) -> dict[str, np.ndarray]:
    """Return the channels of a part; each row lies in a chunk of its own, channel after channel."""
    if part.height * part.row_bytes > len(data):
        raise ValueError("the file is smaller than its picture")
    rows = np.empty((part.height, part.row_bytes), np.uint8)
    for offset in table:
        (row,) = struct.unpack_from("<i", data, offset + skip)
        rows[row - part.top] = np.frombuffer(data, np.uint8, part.row_bytes, offset + skip + 8)
    prefix = part.attributes["name"][1].decode() + "." if "name" in part.attributes else ""
    found, start = {}, 0
    for name, dtype in part.channels:
        end = start + part.width * dtype.itemsize
        full = name if name.startswith(prefix) else prefix + name
        found[full] = np.ascontiguousarray(rows[:, start:end]).view(dtype)
        start = end
    return found


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(b"\0", position)
    return data[position:end].decode(), end + 1


def _unreadable(reason: str) -> InputError:
    return InputError(f"the file cannot be read: {reason}", code="bad_image")
