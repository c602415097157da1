import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bridge.errors import InputError
from bridge.imaging import (
    decode_plane,
    frame_file,
    load_frame,
    pack_frame,
    save_frame,
    to_plane,
    unpack_frame,
)
from bridge.protocol import Camera, Frame, Plane

numbers = st.floats(-1e6, 1e6) | st.integers(-5, 5)
cameras = st.builds(
    Camera,
    st.lists(numbers, min_size=16, max_size=16).map(tuple),
    st.lists(numbers, min_size=16, max_size=16).map(tuple),
    numbers,
    numbers,
)
names = st.sampled_from(["color", "depth", "normal", "object_id", "mask", "canny", "motion", "my plane"])
dtypes = st.sampled_from([np.uint8, np.uint16, np.uint32, np.float16, np.float32])
raw = dtypes.flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=2, max_dims=3, max_side=5))
)


@st.composite
def planes(draw, name):
    if draw(st.booleans()):
        array = draw(raw)
        ends = draw(st.none() | st.tuples(st.floats(0.1, 1), st.floats(2, 100)))
        return to_plane(name, array, *(ends or ()))
    codec = draw(st.sampled_from(["jpeg", "png", "webp"]))
    return Plane(name, draw(st.tuples(*[st.integers(1, 9)] * 3)), "u8", draw(st.binary(min_size=1)), codec)


frames = st.sets(names, min_size=1).flatmap(
    lambda chosen: st.builds(
        Frame, st.fixed_dictionaries({name: planes(name) for name in chosen}), st.none() | cameras
    )
)


@given(frames)
def test_a_frame_read_back_is_the_frame_written(frame):
    back = unpack_frame(pack_frame(frame), "x")
    assert back.digest == frame.digest
    assert back.camera == frame.camera
    assert back.planes.keys() == frame.planes.keys()
    for name, plane in frame.planes.items():
        assert bytes(back.planes[name].data) == bytes(plane.data)


@given(frames)
def test_equal_frames_are_equal_files(frame):
    turned = Frame(dict(reversed(list(frame.planes.items()))), frame.camera, number=7)
    assert pack_frame(frame) == pack_frame(turned)


def test_numpy_reads_the_file(tmp_path, make_frame):
    frame = make_frame(mask=np.ones((32, 48), np.uint8))
    save_frame(frame, tmp_path / "frame.npz")
    with np.load(tmp_path / "frame.npz") as file:
        assert set(file.files) == {"color", "depth", "mask"}
        np.testing.assert_array_equal(file["depth"], decode_plane(frame.planes["depth"]))
    assert load_frame(tmp_path / "frame.npz").digest == frame.digest


def test_what_numpy_wrote_is_read(tmp_path):
    camera = {"view": [1.0] * 16, "projection": [2.0] * 16, "near": 0.1, "far": 9}
    depth = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.savez_compressed(
        tmp_path / "a.npz", color=np.zeros((2, 3, 3), np.uint8), depth=depth, camera=json.dumps(camera)
    )
    frame = load_frame(tmp_path / "a.npz")
    assert frame.camera == Camera((1.0,) * 16, (2.0,) * 16, 0.1, 9)
    assert frame.planes["depth"].dtype == "f32"
    np.testing.assert_array_equal(decode_plane(frame.planes["depth"]), depth)


def saved(**members):
    file = io.BytesIO()
    np.savez(file, **members)
    return file.getvalue()


def zipped(name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def header(shape, descr="|u1"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


ONE = np.zeros((2, 2, 3), np.uint8)
CAMERA = {"view": [0.0] * 16, "projection": [0.0] * 16, "near": 1, "far": 2}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04nothing",
        saved(color=ONE)[:-40],
        saved(color=ONE)[:100] + b"x" + saved(color=ONE)[101:],
        saved(color=np.array([{"a": 1}], dtype=object)),
        saved(color=np.zeros(3, np.uint8)),
        saved(color=np.zeros((2, 2), np.int64)),
        saved(camera="{}"),
        saved(color=ONE, camera="{"),
        saved(color=ONE, camera="[" * 100_000),
        saved(color=ONE, camera="{}"),
        saved(color=ONE, camera="[]"),
        saved(color=ONE, camera=json.dumps(CAMERA | {"view": [0.0] * 15})),
        saved(color=ONE, camera=json.dumps(CAMERA | {"near": float("nan")})),
        saved(color=ONE, camera=json.dumps(CAMERA | {"far": "2"})),
        saved(color=ONE, planes='{"color": {"codec": "png"}}'),
        saved(color=ONE, planes="[1]"),
        saved(color=ONE, planes='{"color": [1]}'),
        saved(color=ONE, planes='{"color": {"near": "a"}}'),
        saved(color=ONE[0, 0], planes='{"color": {"codec": "exe", "shape": [1, 1], "dtype": "u8"}}'),
        saved(color=ONE[0, 0], planes='{"color": {"codec": "png", "shape": [1, -1], "dtype": "u8"}}'),
        saved(color=ONE[0, 0], planes='{"color": {"codec": "png", "shape": [1, 1], "dtype": []}}'),
        zipped("color.npy", b"no array"),
        zipped("color.npy", header((10**6, 10**6))),
        zipped("color.npy", header((2, 2), "|O") + bytes(32)),
        zipped("color.txt", b"hello"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(InputError) as caught:
        unpack_frame(data, "a.npz")
    assert caught.value.code == "bad_frame"
    assert caught.value.message.startswith("frame 'a.npz' ")


@pytest.mark.parametrize("name", ["camera", "planes"])
def test_planes_cannot_take_the_names_that_the_file_needs(name):
    with pytest.raises(InputError) as caught:
        pack_frame(Frame({name: to_plane(name, ONE)}))
    assert caught.value.code == "bad_plane"


def test_pickles_are_never_run(tmp_path):
    class Canary:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    with pytest.raises(InputError):
        unpack_frame(saved(color=np.array([Canary()], dtype=object)), "x")
    assert not (tmp_path / "canary").exists()


def test_a_file_that_unpacks_to_too_much_is_refused_unread(monkeypatch):
    monkeypatch.setattr(frame_file, "MAX_FRAME_BYTES", 10_000)
    file = io.BytesIO()
    np.savez_compressed(file, color=np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(InputError, match="too much"):
        unpack_frame(file.getvalue(), "x")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_bounds_are_refused_unread(packing, monkeypatch):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("color.npy", bytes(1000))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *given: pytest.fail("it was unpacked"))
    with pytest.raises(InputError, match="packed in a way") as caught:
        unpack_frame(file.getvalue(), "x")
    assert caught.value.code == "bad_frame"


def test_no_more_is_unpacked_than_an_entry_says(monkeypatch):
    file = io.BytesIO()
    np.savez_compressed(file, color=np.zeros((1000, 1000, 3), np.uint8))
    said = (3_000_128).to_bytes(4, "little")
    data = file.getvalue()
    assert said in data[data.index(b"PK\1\2") :]
    unpacked = []
    read = zipfile.ZipExtFile._read1
    monkeypatch.setattr(
        zipfile.ZipExtFile, "_read1", lambda self, n: unpacked.append(read(self, n)) or unpacked[-1]
    )
    with pytest.raises(InputError) as caught:
        unpack_frame(data.replace(said, (200).to_bytes(4, "little")), "x")
    assert caught.value.code == "bad_frame"
    assert sum(map(len, unpacked)) <= 200


def test_a_file_of_too_many_arrays_is_refused(monkeypatch):
    monkeypatch.setattr(frame_file, "MAX_MEMBERS", 2)
    with pytest.raises(InputError, match="too much"):
        unpack_frame(saved(a=ONE, b=ONE, c=ONE), "x")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(InputError) as caught:
        load_frame(tmp_path / "none.npz")
    assert caught.value.code == "frame_missing"
