"""Read the channels of an uncompressed OpenEXR file, of one part (Blender 4) or several (Blender 5)."""

import struct
from pathlib import Path

import numpy as np

_DTYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_MULTIPART = 0x1000


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Return each channel, (H, W), rows downwards, by its full name: ``ViewLayer.Depth.Z``."""
    data = path.read_bytes()
    magic, version = struct.unpack_from("<II", data)
    assert magic == 20000630, "no OpenEXR file"
    is_multipart = bool(version & _MULTIPART)
    headers, position = _headers(data, 8, is_multipart)
    tables = []
    for header in headers:
        assert header["compression"] == b"\0", "only uncompressed files are read"
        count = header["height"]
        tables.append(struct.unpack_from(f"<{count}Q", data, position))
        position += 8 * count
    channels = {}
    for header, table in zip(headers, tables, strict=True):
        channels |= _read_part(data, header, table, 4 if is_multipart else 0)
    return channels


def _headers(data: bytes, position: int, is_multipart: bool) -> tuple[list[dict], int]:
    headers = []
    while True:
        if is_multipart and data[position] == 0:
            return headers, position + 1
        header, position = _header(data, position)
        headers.append(header)
        if not is_multipart:
            return headers, position


def _header(data: bytes, position: int) -> tuple[dict, int]:
    attributes = {}
    while data[position]:
        name, position = _text(data, position)
        _, position = _text(data, position)
        (size,) = struct.unpack_from("<i", data, position)
        attributes[name] = data[position + 4 : position + 4 + size]
        position += 4 + size
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    header = {
        "compression": attributes["compression"],
        "prefix": attributes.get("name", b"").decode(),
        "channels": _channels(attributes["channels"]),
        "width": right - left + 1,
        "height": bottom - top + 1,
        "top": top,
    }
    return header, position + 1


def _channels(data: bytes) -> list[tuple[str, np.dtype]]:
    channels, position = [], 0
    while data[position]:
        name, position = _text(data, position)
        (kind,) = struct.unpack_from("<i", data, position)
        channels.append((name, _DTYPES[kind]))
        position += 16
    return channels


def _read_part(data: bytes, header: dict, table: tuple[int, ...], skip: int) -> dict[str, np.ndarray]:
    width, height = header["width"], header["height"]
    found = {name: np.empty((height, width), dtype) for name, dtype in header["channels"]}
    for offset in table:
        row, _ = struct.unpack_from("<ii", data, offset + skip)
        position = offset + skip + 8
        for name, dtype in header["channels"]:
            found[name][row - header["top"]] = np.frombuffer(data, dtype, width, position)
            position += width * dtype.itemsize
    prefix = f"{header['prefix']}." if header["prefix"] else ""
    return {name if name.startswith(prefix) else prefix + name: array for name, array in found.items()}


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(b"\0", position)
    return data[position:end].decode(), end + 1
