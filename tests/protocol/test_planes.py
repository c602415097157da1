import pytest

from bridge.protocol.planes import find_form_fault, unpacked_bytes


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
