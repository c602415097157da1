import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from bridge.errors import InputError
from bridge.imaging import read_picture

COLOUR = np.random.default_rng(5).integers(0, 256, (20, 24, 3), np.uint8)


@pytest.fixture
def save(tmp_path):
    def write(picture, format="PNG", name="picture.png", **options):
        path = tmp_path / name
        picture.save(path, format, **options)
        return path

    return write


@pytest.fixture
def put(tmp_path):
    def write(data, name="picture.png"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def fault(path):
    with pytest.raises(InputError) as caught:
        read_picture(path)
    return caught.value


def bare_png(width, height, depth=8, kind=2, body=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_colour_is_read_as_it_is_and_has_no_alpha(save):
    picture = read_picture(save(PillowImage.fromarray(COLOUR)))
    np.testing.assert_allclose(picture.image, COLOUR / 255, atol=1e-7)
    assert picture.image.dtype == np.float32
    assert picture.alpha is None


@pytest.mark.parametrize(("format", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})])
def test_the_name_does_not_matter_but_the_content(save, format, options):
    smooth = PillowImage.fromarray(COLOUR).resize((96, 80), PillowImage.Resampling.BICUBIC)
    picture = read_picture(save(smooth, format, name="picture.png", **options))
    assert np.abs(picture.image - np.asarray(smooth) / 255).mean() < 0.05


def test_alpha_is_read_and_colour_under_it_kept(save):
    alpha = np.arange(20 * 24, dtype=np.uint16).reshape(20, 24, 1) % 256
    picture = read_picture(save(PillowImage.fromarray(np.dstack([COLOUR, alpha.astype(np.uint8)]))))
    np.testing.assert_allclose(picture.alpha, alpha[..., 0] / 255, atol=1e-7)
    np.testing.assert_allclose(picture.image, COLOUR / 255, atol=1e-7)


def test_sixteen_bits_of_grey_keep_their_precision(save):
    grey = np.linspace(0, 65535, 20 * 24).astype(np.uint16).reshape(20, 24)
    picture = read_picture(save(PillowImage.fromarray(grey)))
    np.testing.assert_allclose(picture.image[..., 0], grey / 65535, atol=1e-6)
    assert picture.image.shape == (20, 24, 3)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK"])
def test_other_modes_become_rgb(save, mode):
    source = PillowImage.fromarray(COLOUR).convert("L" if mode == "LA" else "RGB").convert(mode)
    picture = read_picture(save(source, "JPEG" if mode == "CMYK" else "PNG"))
    expected = np.asarray(source.convert("RGB")) / 255
    assert np.abs(picture.image - expected).mean() < (0.2 if mode == "CMYK" else 1e-6)
    assert (picture.alpha is None) == (mode != "LA")


def test_a_palette_with_transparency_has_alpha(save):
    source = PillowImage.fromarray(np.repeat([[0, 1]], 20, 0).repeat(10, 1).astype(np.uint8), "P")
    source.putpalette([10, 20, 30, 40, 50, 60])
    picture = read_picture(save(source, transparency=0))
    assert picture.alpha[0, 0] == 0
    assert picture.alpha[0, -1] == 1


def test_a_picture_lying_on_its_side_is_turned(save):
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    picture = read_picture(save(PillowImage.fromarray(COLOUR), exif=exif))
    np.testing.assert_allclose(picture.image, np.rot90(COLOUR, -1) / 255, atol=1e-7)


def test_of_an_animation_the_first_frame_is_read(save):
    frames = [PillowImage.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    picture = read_picture(save(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert picture.image[0, 0].tolist() == [1, 0, 0]


def test_a_truncated_picture_says_so(save, put):
    data = save(PillowImage.fromarray(COLOUR)).read_bytes()
    error = fault(put(data[: len(data) // 2]))
    assert (error.code, error.message) == ("bad_image", "picture 'picture.png': the file ends early")
    assert fault(put(data[:20])).code == "bad_image"


@pytest.mark.parametrize(("format", "cut"), [("JPEG", 500), ("WEBP", 200)])
def test_other_truncated_formats_are_refused(save, put, format, cut):
    data = save(PillowImage.fromarray(COLOUR).resize((200, 200)), format).read_bytes()
    assert fault(put(data[:cut])).code == "bad_image"


def test_a_damaged_picture_is_refused(save, put):
    data = bytearray(save(PillowImage.fromarray(COLOUR)).read_bytes())
    data[60] ^= 255
    assert fault(put(bytes(data))).code == "bad_image"


@pytest.mark.parametrize("size", [(13_000, 13_000), (20_000, 20_000), (16_400, 32), (8000, 5000)])
def test_a_picture_too_large_is_refused_before_it_is_decoded(put, size):
    error = fault(put(bare_png(*size)))
    assert error.code == "image_too_large"
    assert "Mpx" in error.message


@pytest.mark.parametrize("size", [(1, 400), (15, 15)])
def test_a_strip_is_refused(put, size):
    assert fault(put(bare_png(*size))).code == "image_too_small"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS"),
        (b"GIF89a\x10\0\x10\0\x80\0\0", "GIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"v/1\x01\x02\0\0\0", "EXR"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
    ],
)
def test_other_formats_are_named(put, data, kind):
    error = fault(put(data))
    assert error.code == "unsupported_image"
    assert kind in error.message
    assert error.hint == "Use PNG/JPEG/WEBP."


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"hello"])
def test_what_is_no_picture_is_refused(put, data):
    assert fault(put(data)).code == "bad_image"


def test_texts_that_unpack_to_too_much_are_refused(put):
    info = PngInfo()
    info.add_text("comment", "x" * 3_000_000, zip=True)
    file = io.BytesIO()
    PillowImage.fromarray(COLOUR).save(file, "PNG", pnginfo=info)
    error = fault(put(file.getvalue()))
    assert (error.code, error.message) == ("bad_image", "picture 'picture.png': its metadata is too large")


def test_a_missing_picture_says_so(tmp_path):
    assert fault(tmp_path / "none.png").code == "image_not_found"
