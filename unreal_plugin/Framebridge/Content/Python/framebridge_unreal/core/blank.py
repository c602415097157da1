"""Pictures of nothing, as files: what a material shows before it has anything to show."""

from __future__ import annotations

import struct

from .._bridge.host.png import png_of

_SIDE = 8
"""Pixels: textures have at least a block of compression."""


def blank_png() -> bytes:
    """Return a black picture."""
    return png_of(_SIDE, _SIDE, (b"\0" + bytes(3 * _SIDE)) * _SIDE)


def blank_exr() -> bytes:
    """Return an OpenEXR of zeros: half floats, uncompressed scanlines.

    Source: "OpenEXR File Layout", Academy Software Foundation.
    """
    box = struct.pack("<4i", 0, 0, _SIDE - 1, _SIDE - 1)
    channels = b"".join(name + b"\0" + struct.pack("<iB3xii", 1, 0, 1, 1) for name in (b"B", b"G", b"R"))
    header = b"".join(
        (
            _attribute(b"channels", b"chlist", channels + b"\0"),
            _attribute(b"compression", b"compression", b"\0"),
            _attribute(b"dataWindow", b"box2i", box),
            _attribute(b"displayWindow", b"box2i", box),
            _attribute(b"lineOrder", b"lineOrder", b"\0"),
            _attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1.0)),
            _attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0.0, 0.0)),
            _attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1.0)),
        )
    )
    start = b"v/1\x01" + struct.pack("<I", 2) + header + b"\0"
    row = bytes(3 * 2 * _SIDE)
    chunks = [struct.pack("<iI", y, len(row)) + row for y in range(_SIDE)]
    first = len(start) + 8 * _SIDE
    offsets = b"".join(struct.pack("<Q", first + y * len(chunks[0])) for y in range(_SIDE))
    return start + offsets + b"".join(chunks)


def _attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
    return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value
