"""Multilayer files as Blender 4 and Blender 5 write them, made here byte by byte, and damaged ones."""

import json
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WIDTH, HEIGHT = 3, 2
LAYER = "A.layer"
NEAR, FAR = 0.1, 100.0
PROJECTION = np.array(
    [
        [1.7, 0, 0, 0],
        [0, 2.2, 0, 0],
        [0, 0, -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)],
        [0, 0, -1.0, 0],
    ]
)
HASHES = {"Cube": 0x12345678, 'A "quoted": name': 0x3F800000, "Unseen": 0x40000000}


@pytest.fixture(scope="module")
def passes(addon_module: Callable[[str], ModuleType]) -> ModuleType:
    return addon_module("passes")


@pytest.fixture(scope="module")
def exr(addon_module: Callable[[str], ModuleType]) -> ModuleType:
    return addon_module("exr")


def attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<I", len(value)) + value


def header(channels: dict[str, np.ndarray], part: str, texts: dict[str, str], compression: int = 0) -> bytes:
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iiii", 2 if array.dtype == np.float32 else 1, 0, 1, 1)
        for name, array in channels.items()
    )
    fields = [
        attribute("channels", "chlist", listed + b"\0"),
        attribute("compression", "compression", bytes([compression])),
        attribute("dataWindow", "box2i", struct.pack("<4i", 0, 0, WIDTH - 1, HEIGHT - 1)),
    ]
    fields += [attribute(name, "string", text.encode()) for name, text in texts.items()]
    if part:
        fields.append(attribute("name", "string", part.encode()))
    return b"".join(fields) + b"\0"


def chunks(channels: dict[str, np.ndarray], number: bytes, start: int) -> tuple[bytes, bytes]:
    """Return the table of offsets and the rows, which are written last row first."""
    rows, offsets = b"", {}
    for row in reversed(range(HEIGHT)):
        offsets[row] = start + len(rows)
        data = b"".join(array[row].tobytes() for array in channels.values())
        rows += number + struct.pack("<ii", row, len(data)) + data
    return struct.pack(f"<{HEIGHT}Q", *(offsets[row] for row in range(HEIGHT))), rows


def single_part(channels: dict[str, np.ndarray], texts: dict[str, str], compression: int = 0) -> bytes:
    head = struct.pack("<II", 20000630, 2) + header(channels, "", texts, compression)
    table, rows = chunks(channels, b"", len(head) + 8 * HEIGHT)
    return head + table + rows


def multipart(channels: dict[str, np.ndarray], texts: dict[str, str]) -> bytes:
    """A part for each pass, whose name the channels' names begin with."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in channels.items():
        parts.setdefault(name.rsplit(".", 1)[0], {})[name.rsplit(".", 1)[1]] = array
    head = struct.pack("<II", 20000630, 2 | 0x1000)
    head += b"".join(header(found, part, texts) for part, found in parts.items()) + b"\0"
    start, tables, rows = len(head) + 8 * HEIGHT * len(parts), b"", b""
    for index, found in enumerate(parts.values()):
        table, more = chunks(found, struct.pack("<i", index), start + len(rows))
        tables, rows = tables + table, rows + more
    return head + tables + rows


def as_float(hashed: int) -> float:
    return float(np.uint32(hashed).view(np.float32))


def rendered() -> dict[str, np.ndarray]:
    """Two objects, a pixel that EEVEE counts as background first, and sky of three sorts in the last row."""
    first, second = as_float(HASHES["Cube"]), as_float(HASHES['A "quoted": name'])
    return {
        f"{LAYER}.Combined.A": np.ones((HEIGHT, WIDTH), np.float16),
        f"{LAYER}.Combined.B": np.full((HEIGHT, WIDTH), 0.25, np.float32),
        f"{LAYER}.Combined.G": np.full((HEIGHT, WIDTH), 0.5, np.float32),
        f"{LAYER}.Combined.R": np.arange(6, dtype=np.float32).reshape(HEIGHT, WIDTH),
        f"{LAYER}.CryptoObject00.a": np.array([[0, 0, 0.25], [0, 0, 0]], np.float32),
        f"{LAYER}.CryptoObject00.b": np.array([[0, 0, first], [0, 0, 0]], np.float32),
        f"{LAYER}.CryptoObject00.g": np.array([[1, 1, 0.75], [1, 1, 1]], np.float32),
        f"{LAYER}.CryptoObject00.r": np.array([[first, second, 0], [0, 0, 0]], np.float32),
        f"{LAYER}.Depth.Z": np.array([[2, 3, 4], [1e10, 99.999, 60]], np.float32),
        f"{LAYER}.Normal.X": np.array([[0, 0.5, 0], [0, 0, 0]], np.float32),
        f"{LAYER}.Normal.Y": np.array([[-2, 0, 0], [0, 0, 1]], np.float32),
        f"{LAYER}.Normal.Z": np.array([[0, 0, 0], [0, 0, 0]], np.float32),
    }


def texts() -> dict[str, str]:
    manifest = "{" + ",".join(f'"{name}":"{value:08x}"' for name, value in HASHES.items()) + "}"
    return {
        "cryptomatte/1/name": f"{LAYER}.CryptoMaterial",
        "cryptomatte/1/manifest": json.dumps({"Steel": f"{HASHES['Cube']:08x}"}),
        "cryptomatte/2/name": f"{LAYER}.CryptoObject",
        "cryptomatte/2/manifest": manifest,
    }


@pytest.mark.parametrize("write", [single_part, multipart])
def test_channels_of_every_layout_are_read(exr, tmp_path, write):
    path = tmp_path / "a.exr"
    path.write_bytes(write(rendered(), texts()))
    found = exr.read_exr(path)
    assert set(found.channels) == set(rendered())
    for name, array in rendered().items():
        assert np.array_equal(found.channels[name], array), name
    assert found.texts["cryptomatte/2/name"] == f"{LAYER}.CryptoObject"


@pytest.mark.parametrize("write", [single_part, multipart])
def test_passes_are_those_of_a_camera(passes, tmp_path, write):
    """A camera that looks along the world's Y axis, which its −Z is."""
    view = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    path = tmp_path / "a.exr"
    path.write_bytes(write(rendered(), texts()))
    found = passes.read_passes(path, view, PROJECTION)
    assert found.combined[1, 2].tolist() == [5.0, 0.5, 0.25]
    assert found.depth.tolist() == [[2, 3, 4], [np.inf, np.inf, np.inf]]
    assert found.normal[0].tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert found.normal[1].tolist() == [[0, 0, 1]] * 3
    names = [["", *found.object_names][number] for number in found.object_id.ravel()]
    assert names == ["Cube", 'A "quoted": name', "Cube", "", "", ""]
    assert set(found.object_names) == {"Cube", 'A "quoted": name'}
    assert found.objects.shares[0, 2].tolist() == [0.75, 0.25]
    assert [found.objects.names.get(value) for value in found.objects.hashes[0, 2].tolist()] == [None, "Cube"]
    assert found.materials is None


def test_renderer_without_normals_and_names_leaves_them_out(passes, tmp_path):
    path = tmp_path / "a.exr"
    kept = {name: array for name, array in rendered().items() if "Combined" in name or "Depth" in name}
    path.write_bytes(single_part(kept, {}))
    found = passes.read_passes(path, np.eye(4), PROJECTION)
    assert (found.normal, found.object_id, found.object_names) == (None, None, ())
    assert np.isinf(found.depth[1, 1])
    assert found.depth[1, 2] == 60


@pytest.mark.parametrize("missing", ["Combined.G", "Depth.Z"])
def test_render_without_colour_or_depth_is_refused(passes, tmp_path, missing):
    path = tmp_path / "a.exr"
    kept = {name: array for name, array in rendered().items() if not name.endswith(missing)}
    path.write_bytes(single_part(kept, texts()))
    with pytest.raises(passes.InputError, match="colour or depth is missing"):
        passes.read_passes(path, np.eye(4), PROJECTION)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "damaged"),
        (b"\x89PNG" + bytes(99), "no OpenEXR"),
        (struct.pack("<II", 20000630, 2 | 0x200) + bytes(99), "no OpenEXR"),
        (single_part(rendered(), texts(), compression=3), "compressed"),
    ],
)
def test_other_files_are_refused_with_a_reason(exr, tmp_path, data, reason):
    path = tmp_path / "a.exr"
    path.write_bytes(data)
    with pytest.raises(exr.InputError, match=reason) as caught:
        exr.read_exr(path)
    assert caught.value.code == "bad_image"


@pytest.mark.parametrize("write", [single_part, multipart])
def test_file_cut_off_anywhere_is_refused(exr, tmp_path, write):
    whole, path = write(rendered(), texts()), tmp_path / "a.exr"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(exr.InputError, match="cannot be read"):
            exr.read_exr(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 2000), value=st.integers(0, 255))
def test_damaged_file_is_refused_or_read_but_nothing_else(exr, tmp_path, place, value):
    data, path = bytearray(multipart(rendered(), texts())), Path(tmp_path / "a.exr")
    data[place % len(data)] = value
    path.write_bytes(data)
    with suppress(exr.InputError):
        exr.read_exr(path)
