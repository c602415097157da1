"""PNG files with texts, written, read back, and damaged."""

import io

import numpy as np
import pytest
from PIL import Image

from bridge.host import png


def black(side: int, texts: dict[str, str]) -> bytes:
    return png.png_of(side, side, (b"\0" * (1 + 3 * side)) * side, texts)


@pytest.mark.parametrize("channels", [3, 4])
def test_unfiltered_rows_are_read_by_others(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, channels), np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    opened = Image.open(io.BytesIO(png.png_of(7, 5, rows, {"framebridge": "Bär 🐻"})))
    assert (np.asarray(opened) == pixels).all()
    assert opened.text == {"framebridge": "Bär 🐻"}


def test_texts_are_read_back(tmp_path):
    file = tmp_path / "a.png"
    png.write_file(file, black(4, {"framebridge": "äöü"}))
    assert png.read_texts(file) == {"framebridge": "äöü"}


def test_damaged_files_have_no_texts(tmp_path):
    data = black(16, {"framebridge": "x"})
    flipped = bytearray(data)
    flipped[-20] ^= 1
    for name, content in {"half": data[: len(data) // 2], "flipped": bytes(flipped), "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        assert png.read_texts(tmp_path / name) == {}
    assert png.read_texts(tmp_path / "missing") == {}


def test_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "deep" / "a.png"
    png.write_file(file, b"first")
    monkeypatch.setattr(png.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        png.write_file(file, b"second")
    assert file.read_bytes() == b"first"
    assert [entry.name for entry in file.parent.iterdir()] == ["a.png"]


def test_what_may_not_be_replaced_is_not(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    png.write_file(file, b"first", replaces=False)
    with pytest.raises(FileExistsError):
        png.write_file(file, b"second", replaces=False)
    monkeypatch.setattr(png.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no hard links here")))
    with pytest.raises(FileExistsError):
        png.write_file(file, b"third", replaces=False)
    assert file.read_bytes() == b"first"
    png.write_file(tmp_path / "b.png", b"new", replaces=False)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(FileExistsError, match="no plain file"):
        png.write_file(tmp_path / "a.png", b"x")
