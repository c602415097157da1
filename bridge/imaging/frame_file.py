"""A captured frame as one ``.npz`` file that numpy opens: an array per plane, the camera as JSON.

``color``, ``depth``, optional ``normal``, ``object_id``, ``mask``, ``canny`` …; ``camera`` is a text.
``planes`` is a text too: what an array does not say about its plane (a codec, near and far), by name;
and ``names``: what the numbers of objects and materials stand for.
A frame read back has the digest of the one written.
"""

import io
import json
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bridge.errors import InputError, RemoteProtocolError
from bridge.imaging.arrays import DTYPES, Array
from bridge.imaging.planes import to_plane
from bridge.protocol import CODECS, MAX_SIDE, TURNED_BY, Camera, Frame, Names, Plane, place_in

MAX_FRAME_BYTES = 1024**3
"""Of all arrays of a file, unpacked."""

MAX_MEMBERS = 64

LEVEL = 1
"""zlib's level: a 512² render with depth takes 17 ms and 280 kB of 2 MB."""

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Which numpy writes; of the others, zipfile unpacks all that there is, whatever size an entry says."""

_TEXTS = ("camera", "planes", "names")
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, KeyError, IndexError, OverflowError, MemoryError, tokenize.TokenError),
)
"""What zipfile and numpy raise over files that are damaged, encrypted, or none of theirs."""


def pack_frame(frame: Frame) -> bytes:
    """Return the frame as the bytes of an ``.npz`` file; its number is not kept.

    Raises:
        InputError: ``bad_plane`` for a plane whose name the file needs itself.
    """
    if taken := frame.planes.keys() & set(_TEXTS):
        raise InputError(f"a plane cannot be called {min(taken)!r} in a file", code="bad_plane")
    members: dict[str, Array] = {name: _array_of(plane) for name, plane in sorted(frame.planes.items())}
    for key, told in (("camera", frame.camera), ("names", frame.names)):
        if told:
            members[key] = np.array(json.dumps(told.to_json()))
    notes = {name: note for name, plane in sorted(frame.planes.items()) if (note := _note_on(plane))}
    if notes:
        members["planes"] = np.array(json.dumps(notes))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, array in members.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # a fixed date, so that equal frames are equal files
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=array.nbytes >= 2**31) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return packed.getvalue()


def unpack_frame(data: bytes, name: str) -> Frame:
    """Read what ``pack_frame``, or ``numpy.savez`` with the same names, wrote.

    Args:
        data: The file's bytes.
        name: Names the file in messages.

    Raises:
        InputError: ``bad_frame`` where the file is damaged, too large, or holds something else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = dict(_members(archive, name))
    except _BROKEN as error:
        raise _bad(name, "is no frame") from error
    texts = {key: _json(members.pop(key), name, key) for key in _TEXTS if key in members}
    if not members:
        raise _bad(name, "holds no planes")
    notes = texts.get("planes", {})
    if not isinstance(notes, dict) or not all(isinstance(note, dict) for note in notes.values()):
        raise _bad(name, "holds notes on its planes that cannot be read")
    planes = {key: _plane_of(key, array, notes.get(key, {}), name) for key, array in members.items()}
    camera = _camera(texts["camera"], name) if "camera" in texts else None
    names = _names(texts["names"], name) if "names" in texts else None
    return Frame(planes, camera, names=names)


def save_frame(frame: Frame, path: Path) -> None:
    """Write a frame to a file."""
    path.write_bytes(pack_frame(frame))


def load_frame(path: Path) -> Frame:
    """Read a frame from a file.

    Raises:
        InputError: As ``unpack_frame``; ``frame_missing`` where there is no such file.
    """
    try:
        return unpack_frame(path.read_bytes(), path.name)
    except OSError as error:
        raise InputError(
            f"frame {path.name!r} cannot be read: {error.strerror}",
            code="frame_missing",
            hint="Give an .npz that a host or save_frame wrote; pictures go to --picture.",
        ) from error


def _array_of(plane: Plane) -> Array:
    if plane.codec != "raw":
        return np.frombuffer(plane.data, np.uint8)
    return np.frombuffer(plane.data, DTYPES[plane.dtype]).reshape(plane.shape)


def _note_on(plane: Plane) -> dict[str, Any]:
    note: dict[str, Any] = {}
    if plane.codec != "raw":
        note |= {"codec": plane.codec, "shape": list(plane.shape), "dtype": plane.dtype}
    if plane.near is not None or plane.far is not None:
        note |= {"near": plane.near, "far": plane.far}
    turned_by = {name: getattr(plane, name) for name in TURNED_BY}
    return note | {name: value for name, value in turned_by.items() if value is not None}


def _plane_of(key: str, array: Array, note: Any, name: str) -> Plane:
    """Turn a member into a plane; a note says that it is packed, or where its depth begins and ends."""
    near, far, scale, sky = (note.get(number) for number in ("near", "far", "scale", "sky"))
    if not all(number is None or _is_length(number) for number in (near, far, scale, sky)):
        raise _bad(name, f"holds {key!r} with near {near!r}, far {far!r}, scale {scale!r}, sky {sky!r}")
    if "codec" not in note:
        try:
            return to_plane(key, array, near, far)
        except InputError as error:
            raise _bad(name, f"holds what is no plane: {error.message}") from error
    shape, dtype, codec = note.get("shape"), note.get("dtype"), note["codec"]
    rotation = note.get("rotation")
    is_sound = (
        array.ndim == 1
        and array.dtype == np.uint8
        and isinstance(shape, list)
        and len(shape) in (2, 3)
        and all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in shape)
        and dtype in list(DTYPES)
        and codec in list(CODECS)
        and (rotation is None or _is_rotation(rotation))
    )
    if not is_sound:
        raise _bad(name, f"holds {key!r} packed as {codec!r}, which cannot be read")
    turned_by = scale, sky, None if rotation is None else tuple(map(float, rotation))
    return Plane(key, tuple(shape), dtype, array.tobytes(), codec, near, far, *turned_by)


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e38


def _is_rotation(value: Any) -> bool:
    is_list = isinstance(value, list) and len(value) == 9
    return is_list and all(isinstance(part, int | float) and -1.001 <= part <= 1.001 for part in value)


def _members(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, Array]]:
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_MEMBERS or size > MAX_FRAME_BYTES:
        raise _bad(name, f"holds {len(entries)} arrays of {size / 1e6:.0f} MB, which is too much")
    for entry in entries:
        if entry.compress_type not in _PACKINGS:
            raise _bad(name, f"holds {entry.filename!r} packed in a way that numpy does not write")
        with archive.open(entry) as file:
            data = file.read(entry.file_size + 1)
        yield entry.filename.removesuffix(".npy"), _read_array(data)


def _read_array(data: bytes) -> Array:
    """Read one ``.npy``; never allocates more than the bytes there are."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = read_header(file)
    body = memoryview(data)[file.tell() :]
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError("an array is not as large as it says")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if is_fortran else "C")


def _json(array: Array, name: str, key: str) -> Any:
    try:
        return json.loads(str(array[()]))
    except (ValueError, RecursionError) as error:
        raise _bad(name, f"holds a {key} that is no JSON") from error


def _camera(data: Any, name: str) -> Camera:
    try:
        camera = Camera(tuple(data["view"]), tuple(data["projection"]), data["near"], data["far"])
        numbers = (*camera.view, *camera.projection, camera.near, camera.far)
        if (len(camera.view), len(camera.projection)) == (16, 16) and all(map(math.isfinite, numbers)):
            return camera
    except (TypeError, KeyError, OverflowError) as error:
        raise _bad(name, f"holds a camera without {error}") from error
    raise _bad(name, "holds a camera without two 4×4 matrices of numbers")


def _names(data: Any, name: str) -> Names:
    try:
        return Names.read(data, place_in("names"))
    except RemoteProtocolError as error:
        raise _bad(name, f"holds names that cannot be read: {error.message}") from error


def _bad(name: str, what: str) -> InputError:
    return InputError(
        f"frame {name!r} {what}",
        code="bad_frame",
        hint="A frame is an .npz with color (u8), depth (f32, metres) and camera (JSON); "
        "a picture goes to --picture color=FILE.",
    )
