"""PNG files with texts, read back by another library."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def png(addon_module):
    return addon_module("png")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48)])
def test_pixels_and_texts_are_read_by_others(png, size, channels):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, channels), np.uint8)
    texts = {"framebridge": '{"prompt": "ein Bär 🐻"}', "frame": "7"}
    opened = Image.open(io.BytesIO(png.encode_png(pixels, texts)))
    assert (np.asarray(opened) == pixels).all()
    assert opened.text == texts


def test_texts_are_read_back(png, tmp_path):
    file = tmp_path / "a.png"
    png.write_file(file, png.encode_png(np.zeros((4, 4, 3), np.uint8), {"framebridge": "äöü"}))
    assert png.read_texts(file) == {"framebridge": "äöü"}


def test_damaged_files_have_no_texts(png, tmp_path):
    data = png.encode_png(np.zeros((16, 16, 3), np.uint8), {"framebridge": "x"})
    flipped = bytearray(data)
    flipped[-20] ^= 1
    for name, content in {"half": data[: len(data) // 2], "flipped": bytes(flipped), "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        assert png.read_texts(tmp_path / name) == {}
    assert png.read_texts(tmp_path / "missing") == {}


def test_file_is_written_whole_or_not_at_all(png, tmp_path, monkeypatch):
    file = tmp_path / "deep" / "a.png"
    png.write_file(file, b"first")
    monkeypatch.setattr(png.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        png.write_file(file, b"second")
    assert file.read_bytes() == b"first"
    assert [entry.name for entry in file.parent.iterdir()] == ["a.png"]
