"""Kind and size of a picture by its header, held against Pillow's."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bridge.comfy import picture_head
from bridge.comfy.picture_head import picture_size, picture_type
from bridge.imaging.picture import MAX_PIXELS, MIN_SIDE
from bridge.imaging.resize import MAX_SIDE

WRITTEN = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
]


def encoded(kind: str, size: tuple[int, int], mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "options"), WRITTEN, ids=lambda value: str(value))
@pytest.mark.parametrize("size", [(1, 1), (17, 300), (513, 2)], ids=str)
def test_the_header_tells_what_pillow_reads(kind, options, size):
    data = encoded(kind, size, **options)
    assert picture_type(data) == f"image/{kind.lower()}"
    assert picture_size(data) == size


def test_an_extended_webp_and_a_jpeg_with_much_in_front_are_read():
    assert picture_size(encoded("WEBP", (40, 30), "RGBA")) == (40, 30)
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    assert picture_size(encoded("JPEG", (40, 30), exif=exif)) == (40, 30)
    animated = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), shade) for shade in ("red", "blue")]
    frames[0].save(animated, "WEBP", save_all=True, append_images=frames[1:])
    assert picture_size(animated.getvalue()) == (40, 30)


def test_no_picture_is_refused_that_could_be_opened():
    assert picture_head.MAX_SIDE == MAX_SIDE
    assert picture_head.MAX_PIXELS == MAX_PIXELS
    assert picture_head.MIN_SIDE <= MIN_SIDE


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"<svg/>", b"BM", b"RIFF\0\0\0\0WAVE"], ids=repr)
def test_anything_else_has_neither(data):
    assert (picture_type(data), picture_size(data)) == ("", None)


@given(
    st.sampled_from([encoded(kind, (20, 20), **options) for kind, options in WRITTEN]), st.integers(0, 200)
)
def test_half_a_header_is_no_fault(data, length):
    assert picture_size(data[:length]) in (None, (20, 20))


@given(st.binary(max_size=64).map(lambda tail: b"\xff\xd8\xff" + tail))
def test_a_header_of_noise_is_no_fault(data):
    size = picture_size(data)
    assert size is None or len(size) == 2


class Counted(bytes):
    """Bytes that know how often they were looked at."""

    looks = 0

    def __getitem__(self, place):
        self.looks += 1
        return super().__getitem__(place)


@pytest.mark.parametrize(
    "filler",
    [b"\xff\xe0\x00\x02", b"\xff", b"\xff\xe0\x00\x00", b"\xff\xe0\x00\x01"],
    ids=["empty segments", "fill", "segments that go nowhere", "segments that go back"],
)
def test_a_jpeg_without_end_is_not_followed(filler):
    data = Counted(b"\xff\xd8\xff" + filler * 100_000)
    assert picture_size(data) is None
    assert data.looks < 10 * picture_head.MAX_SEGMENTS


def test_fill_between_segments_is_passed_over():
    data = encoded("JPEG", (40, 30))
    assert picture_size(data[:2] + b"\xff" * 20 + data[2:]) == (40, 30)
