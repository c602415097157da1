"""OpenEXR files of scanlines, as engines and renderers write them; Pillow and OpenCV's wheels read none.

Source: "OpenEXR File Layout" and "Technical Introduction to OpenEXR", openexr.com.
"""

import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import Array
from bridge.imaging.picture import check_decodable
from bridge.protocol import Buffer

MAGIC = b"v/1\x01"
MAX_CHANNELS = 64
MAX_PARTS = 64

MAX_BYTES = 512 * 1024**2
"""Of all channels of a file, unpacked."""

_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000
_DTYPES: dict[int, np.dtype[np.generic]] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}
_NAMES = ("NONE", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
_ROWS = {"NONE": 1, "RLE": 1, "ZIPS": 1, "ZIP": 16}
"""The compressions that are read, and the rows of a chunk."""

_BROKEN = (struct.error, IndexError, KeyError, ValueError, OverflowError, zlib.error)


Choose = Callable[[Mapping[str, tuple[int, int]]], Collection[str]]
"""Takes width and height by full name; returns the names of the channels that are wanted."""


def read_exr(data: Buffer, what: str, choose: Choose = lambda sizes: sizes) -> Mapping[str, Array]:
    """Return channels of a file; nothing is unpacked of parts that hold none that is wanted.

    Args:
        data: The file's bytes.
        what: Names it in messages: ``plane 'depth'``.
        choose: Says which channels are wanted; all without it. What it raises is passed on.

    Returns:
        By full name (``R``, ``ViewLayer.Depth.Z``): shape (H, W), uint32, float16 or float32, rows downwards.

    Raises:
        InputError: ``bad_image`` if it is damaged or of a kind that is not read, ``image_too_large`` or
            ``image_too_small``.
    """
    view = memoryview(data).cast("B")
    try:
        return _read(view, what, choose)
    except InputError:
        raise
    except _BROKEN as error:
        raise _bad(what, "is damaged or ends early", "Write it again.") from error


@dataclass(frozen=True)
class _Part:
    """A picture of the file.

    Args:
        name: Of the part; empty where there is only one.
        channels: Name and type, in the order of the bytes of a row.
        compression: One of ``_ROWS``.
        width: Pixels.
        height: Pixels.
        top: Number of the first row.
    """

    name: str
    channels: tuple[tuple[str, np.dtype[np.generic]], ...]
    compression: str
    width: int
    height: int
    top: int

    def full_name(self, name: str) -> str:
        prefix = f"{self.name}." if self.name else ""
        return name if name.startswith(prefix) else prefix + name

    @property
    def row_bytes(self) -> int:
        return self.width * sum(dtype.itemsize for _, dtype in self.channels)

    @property
    def chunk_rows(self) -> int:
        return _ROWS[self.compression]

    @property
    def chunks(self) -> int:
        return -(-self.height // self.chunk_rows)


def _read(data: memoryview, what: str, choose: Choose) -> Mapping[str, Array]:
    if bytes(data[:4]) != MAGIC:
        raise _bad(what, "is no OpenEXR file")
    (version,) = struct.unpack_from("<I", data, 4)
    if version & (_TILED | _DEEP):
        raise _bad(what, "is OpenEXR of tiles or deep pixels", "Write it as scanlines.")
    is_multipart = bool(version & _MULTIPART)
    parts, place = _headers(data, 8, is_multipart, what)
    sizes = {part.full_name(name): (part.width, part.height) for part in parts for name, _ in part.channels}
    wanted = set(choose(sizes))
    if sum(part.height * part.row_bytes for part in parts) > MAX_BYTES:
        raise InputError(f"{what} holds more than {MAX_BYTES >> 20} MiB", code="image_too_large")
    channels: dict[str, Array] = {}
    budget = len(data)  # chunks that lie over one another would be unpacked again and again
    for part in parts:
        offsets = struct.unpack_from(f"<{part.chunks}Q", data, place)
        place += 8 * part.chunks
        if not wanted.isdisjoint(part.full_name(name) for name, _ in part.channels):
            found, budget = _channels_of(data, part, offsets, 4 if is_multipart else 0, budget)
            channels |= {name: array for name, array in found.items() if name in wanted}
    return channels


def _headers(data: memoryview, place: int, is_multipart: bool, what: str) -> tuple[list[_Part], int]:
    parts: list[_Part] = []
    while len(parts) < MAX_PARTS:
        attributes, place = _attributes(data, place)
        parts.append(_part(attributes, what))
        if not is_multipart:
            return parts, place
        if data[place] == 0:
            return parts, place + 1
    raise _bad(what, f"has more than {MAX_PARTS} parts")


def _attributes(data: memoryview, place: int) -> tuple[dict[str, bytes], int]:
    attributes: dict[str, bytes] = {}
    while data[place]:
        name, place = _text(data, place)
        _, place = _text(data, place)
        (size,) = struct.unpack_from("<i", data, place)
        if size < 0 or place + 4 + size > len(data):
            raise ValueError("an attribute is larger than the file")
        attributes[name] = bytes(data[place + 4 : place + 4 + size])
        place += 4 + size
    return attributes, place + 1


def _part(attributes: Mapping[str, bytes], what: str) -> _Part:
    code = attributes["compression"][0]
    compression = _NAMES[code] if code < len(_NAMES) else f"number {code}"
    if compression not in _ROWS:
        raise _bad(
            what,
            f"is compressed as {compression}, which is not read",
            "Set the compression of the OpenEXR output to ZIP.",
        )
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    check_decodable((width, height), what)
    kind = attributes.get("type", b"scanlineimage")
    if kind != b"scanlineimage":
        raise _bad(what, "is OpenEXR of tiles or deep pixels", "Write it as scanlines.")
    channels = tuple(_channel_list(memoryview(attributes["channels"]), what))
    return _Part(attributes.get("name", b"").decode(), channels, compression, width, height, top)


def _channel_list(data: memoryview, what: str) -> Iterator[tuple[str, np.dtype[np.generic]]]:
    place = count = 0
    while data[place]:
        name, place = _text(data, place)
        kind, _, across, down = struct.unpack_from("<iIii", data, place)
        if (across, down) != (1, 1):
            raise _bad(what, f"has {name[:40]!r} at fewer pixels", "Write all channels at full size.")
        place, count = place + 16, count + 1
        if count > MAX_CHANNELS:
            raise _bad(what, f"has more than {MAX_CHANNELS} channels")
        yield name, _DTYPES[kind]


def _channels_of(
    data: memoryview, part: _Part, offsets: tuple[int, ...], skip: int, budget: int
) -> tuple[dict[str, Array], int]:
    """Return the channels of a part, and what is left of the bytes that may be read.

    A chunk holds rows, a row holds its channels one after the other.
    """
    rows = np.empty((part.height, part.row_bytes), np.uint8)
    seen = np.zeros(part.height, bool)
    for offset in offsets:
        number, size = struct.unpack_from("<ii", data, offset + skip)
        first = number - part.top
        count = min(part.chunk_rows, part.height - first)
        start = offset + skip + 8
        if first < 0 or first % part.chunk_rows or count <= 0 or not 0 <= size <= len(data) - start:
            raise ValueError("a chunk lies outside")
        budget -= size
        if size > count * part.row_bytes or budget < 0:
            raise ValueError("a chunk is larger than its rows, or lies over another")
        packed = data[start : start + size]
        unpacked = _unpacked(packed, count * part.row_bytes, part.compression)
        rows[first : first + count] = unpacked.reshape(count, part.row_bytes)
        seen[first : first + count] = True
    if not seen.all():
        raise ValueError("rows are missing")
    found: dict[str, Array] = {}
    start = 0
    for name, dtype in part.channels:
        end = start + part.width * dtype.itemsize
        found[part.full_name(name)] = np.ascontiguousarray(rows[:, start:end]).view(dtype)
        start = end
    return found, budget


def _unpacked(packed: memoryview, size: int, compression: str) -> Array:
    """Return a chunk's bytes; one that compression would not make smaller is stored as it is."""
    if len(packed) == size:
        return np.frombuffer(packed, np.uint8)
    if compression == "NONE":
        raise ValueError("a chunk is of another size")
    if compression == "RLE":
        mixed = np.frombuffer(_run_lengths(packed, size), np.uint8)
    else:
        mixed = np.frombuffer(zlib.decompressobj().decompress(packed, size + 1), np.uint8)
    if len(mixed) != size:
        raise ValueError("a chunk is of another size")
    # Every byte but the first is the difference to the one before, plus 128; first and second halves
    # of the result are its even and its odd bytes.
    steps = mixed.copy()
    steps[1:] -= np.uint8(128)
    halves = np.cumsum(steps, dtype=np.uint8)
    unpacked = np.empty(size, np.uint8)
    middle = (size + 1) // 2
    unpacked[0::2], unpacked[1::2] = halves[:middle], halves[middle:]
    return unpacked


def _run_lengths(packed: memoryview, size: int) -> bytes:
    unpacked, place = bytearray(), 0
    while place < len(packed) and len(unpacked) <= size:
        count = packed[place]
        if count >= 128:
            count = 256 - count
            unpacked += packed[place + 1 : place + 1 + count]
            place += 1 + count
        else:
            unpacked += bytes(packed[place + 1 : place + 2]) * (count + 1)
            place += 2
    return bytes(unpacked)


def _text(data: memoryview, place: int) -> tuple[str, int]:
    limit = bytes(data[place : place + 256])
    end = limit.index(b"\0")
    return limit[:end].decode(), place + end + 1


def _bad(what: str, fault: str, hint: str = "") -> InputError:
    return InputError(f"{what} {fault}", code="bad_image", hint=hint)
