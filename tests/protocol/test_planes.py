import pytest

from bridge.errors import RemoteProtocolError
from bridge.protocol.planes import Description, find_form_fault, unpacked_bytes
from bridge.protocol.schema import Body, Place

PLACE = Place("plane", Body(memoryview(b"")))


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "codec"),
    [
        ("color", "u8", (2, 2, 3), "jpeg"),
        ("color", "u8", (2, 2, 4), "webp"),
        ("depth", "f32", (2, 2), "raw"),
        ("depth", "u16", (2, 2), "png"),
        ("canny", "u8", (2, 2), "png"),
        ("normal", "f16", (2, 2, 3), "raw"),
        ("object_id", "u32", (2, 2), "raw"),
        ("mask", "f32", (2, 2), "raw"),
        ("motion", "f32", (2, 2, 2), "raw"),
        ("anything", "u32", (2, 2, 4), "raw"),
        ("anything", "u8", (2, 2), "jpeg"),
    ],
)
def test_allowed_form(name: str, dtype: str, shape: tuple[int, ...], codec: str) -> None:
    assert find_form_fault(name, dtype, shape, codec) == ""


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "codec", "said"),
    [
        ("color", "f32", (2, 2, 3), "raw", "color is u8, not f32"),
        ("color", "u8", (2, 2), "raw", "color has shape (H, W, 3) or (H, W, 4), not (2, 2)"),
        ("canny", "u8", (2, 2), "jpeg", "jpeg is lossy, and canny must arrive as it was"),
        ("normal", "u8", (2, 2, 3), "webp", "webp is lossy, and normal must arrive as it was"),
        ("anything", "u32", (2, 2), "png", "png cannot hold u32"),
        ("anything", "u16", (2, 2), "webp", "webp cannot hold u16"),
    ],
)
def test_fault_is_named(name: str, dtype: str, shape: tuple[int, ...], codec: str, said: str) -> None:
    assert find_form_fault(name, dtype, shape, codec) == said


def test_unpacked_bytes() -> None:
    assert unpacked_bytes((3, 5, 2), "f16") == 60


@pytest.mark.parametrize(
    ("name", "codec", "field"),
    [
        ("depth", "raw", {"scale": 0.01}),
        ("normal", "exr", {"scale": 0.01}),
        ("depth", "exr", {"rotation": [1.0] * 9}),
        ("depth", "exr", {"scale": 0.0}),
        ("depth", "exr", {"sky": -1.0}),
        ("normal", "exr", {"rotation": [1.0] * 8}),
    ],
)
def test_what_turns_an_engines_numbers_is_for_its_plane_only(name, codec, field) -> None:
    shape = [2, 2, 3] if name == "normal" else [2, 2]
    size = 16 if name == "depth" else 48
    entry = {
        "name": name,
        "location": "inline",
        "dtype": "f32",
        "shape": shape,
        "codec": codec,
        "bytes": size,
    }
    with pytest.raises(RemoteProtocolError) as caught:
        Description.read(entry | field, PLACE)
    assert caught.value.code == "bad_message"
    assert Description.read(entry, PLACE).codec == codec
