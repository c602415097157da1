"""What Movie Render Queue has written of a sequence: which files belong to which frame, and which are whole.

Rules:
1. A frame is ``frame.<number>.<pass>.png`` and ``frame.<number>.<pass>.exr``. The pass of the depth has
   "depth" in its name; an OpenEXR file that names no pass holds them all.
2. A file that is still being written, or was when the editor died, is none.
3. ``views.json`` beside them says where frames were seen from, where that was known.

Source of the ends of an OpenEXR file: "OpenEXR File Layout", Academy Software Foundation.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .._bridge.errors import BridgeError
from .._bridge.host.png import SIGNATURE, write_file
from .axes import View, view_from_json
from .editor import Rendered

FILE_NAME = "frame.{frame_number}.{render_pass}"
"""In the tokens of Movie Render Queue."""

DIGITS = 4
"""Of a frame's number at least; the minus sign of a negative one comes on top."""

DEPTH = "depth"

VIEWS_FILE = "views.json"

_FILE = re.compile(r"frame\.(?P<number>-?\d+)(?:\.(?P<of>.*))?\.(?P<kind>png|exr)")
_IEND = b"\0\0\0\0IEND\xaeB`\x82"
_EXR = b"v/1\x01"
_HEAD_BYTES = 1 << 18
"""Enough for a header with the engine's metadata."""

_ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Rows of a chunk, by compression."""

_NOT_OF_ROWS = 0x200 | 0x800 | 0x1000
"""Flags of tiled, deep and multi-part files."""


def rendered_in(folder: Path) -> list[Rendered]:
    """Return the frames of a folder of which both files are whole, in order."""
    color, depth, views = dict(_colors(folder)), dict(_depths(folder)), views_in(folder)
    return [
        Rendered(number, color[number], depth[number], views.get(number))
        for number in sorted(color.keys() & depth.keys())
        if is_whole_png(color[number]) and is_whole_exr(depth[number])
    ]


def written(folder: Path, frames: range) -> int:
    """Return how many of these frames have files, whole or not."""
    return len({number for number, _ in _depths(folder)}.intersection(frames))


def delete_leftovers(folder: Path) -> None:
    """Delete what Movie Render Queue writes besides: each pass comes in each format."""
    wanted = {file for found in (_colors(folder), _depths(folder)) for _, file in found}
    for _, _, _, file in _files(folder):
        if file not in wanted:
            try:
                file.unlink(missing_ok=True)
            except OSError:  # in use: it is in nobody's way
                continue


def views_in(folder: Path) -> dict[int, View]:
    """Return where the frames of a folder were seen from; those that are lost are left out."""
    try:
        texts = json.loads((folder / VIEWS_FILE).read_text("utf-8"))
        return {int(number): view_from_json(text) for number, text in texts.items()}
    except (OSError, ValueError, AttributeError, RecursionError, BridgeError):
        return {}


def keep_views(folder: Path, frames: range, views: Mapping[int, View]) -> None:
    """Write where frames are seen from, in place of what was known of these frames.

    Raises:
        OSError: If the folder cannot be written.
    """
    others = {number: view for number, view in views_in(folder).items() if number not in frames}
    texts = {str(number): view.to_json() for number, view in sorted({**others, **views}.items())}
    write_file(folder / VIEWS_FILE, json.dumps(texts, indent=1).encode("utf-8"))


def is_whole_png(file: Path) -> bool:
    """Tell whether a PNG file has its beginning and its end."""
    try:
        with file.open("rb") as stream:
            if stream.read(len(SIGNATURE)) != SIGNATURE:
                return False
            stream.seek(-len(_IEND), 2)
            return stream.read() == _IEND
    except OSError:
        return False


def is_whole_exr(file: Path) -> bool:
    """Tell whether an OpenEXR file of rows has all of them: a writer fills in where they are at the end."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
            if not head.startswith(_EXR):
                return False
            if struct.unpack_from("<I", head, 4)[0] & _NOT_OF_ROWS:
                return True  # the daemon takes none of these, and says so
            place, rows, compression = _table(head)
            chunks = -(-rows // _ROWS[compression])
            if place + 8 * chunks > file.stat().st_size:
                return False
            stream.seek(place)
            offsets: tuple[int, ...] = struct.unpack(f"<{chunks}Q", stream.read(8 * chunks))
            stream.seek(max(offsets) + 4)
            end = max(offsets) + 8 + int.from_bytes(stream.read(4), "little")
            return min(offsets) > 0 and end <= stream.seek(0, 2)
    except (OSError, struct.error, IndexError, KeyError, ValueError, OverflowError):
        return False


def _table(head: bytes) -> tuple[int, int, int]:
    """Return where the table of chunks begins, how many rows there are, and the number of the compression."""
    place, rows, compression = 8, 0, -1
    while head[place : place + 1] not in (b"\0", b""):
        name_end = head.index(b"\0", place)
        kind_end = head.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<I", head, kind_end + 1)
        name, value = head[place:name_end], kind_end + 5
        if name == b"dataWindow":
            _, top, _, bottom = struct.unpack_from("<4i", head, value)
            rows = bottom - top + 1
        elif name == b"compression":
            compression = head[value]
        place = value + size
    if place >= len(head) or rows < 1:
        raise ValueError("its header is cut short")
    return place + 1, rows, compression


def _colors(folder: Path) -> Iterator[tuple[int, Path]]:
    return ((number, file) for number, of, kind, file in _files(folder) if kind == "png" and DEPTH not in of)


def _depths(folder: Path) -> Iterator[tuple[int, Path]]:
    """Find the depth of each frame; a file of all passes has it, too."""
    exr = ((number, of, file) for number, of, kind, file in _files(folder) if kind == "exr")
    return ((number, file) for number, of, file in exr if DEPTH in of or not of.strip("."))


def _files(folder: Path) -> Iterable[tuple[int, str, str, Path]]:
    """Return number, pass, kind and path of all frames' files."""
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    found = ((_FILE.fullmatch(file.name), file) for file in files)
    return [
        (int(match["number"]), (match["of"] or "").lower(), match["kind"], file)
        for match, file in found
        if match
    ]
