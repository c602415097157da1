"""Which files of Movie Render Queue are a frame, and which of them are whole."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import OpenEXR
import pytest

from .plain import png_file
from .staged import import_core

COMPRESSIONS = ["NO", "RLE", "ZIPS", "ZIP", "PIZ"]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return import_core(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def renders(core: Any) -> ModuleType:
    return core("core.renders")


def write_exr(file: Path, rows: int = 40, compression: str = "ZIP", **attributes: str) -> Path:
    channels = {name: np.random.default_rng(3).random((rows, 24), np.float32) for name in "RGBA"}
    number = getattr(OpenEXR, f"{compression}_COMPRESSION")
    header = {"compression": number, "type": OpenEXR.scanlineimage, **attributes}
    OpenEXR.File(header, channels).write(str(file))
    return file


def write_frame(folder: Path, number: str) -> None:
    """All that is written of a frame: each pass in each format."""
    for of in ("FinalImage", "FinalImageM_FramebridgeDepth"):
        (folder / f"frame.{number}.{of}.png").write_bytes(png_file(24, 40))
        write_exr(folder / f"frame.{number}.{of}.exr")


def test_frames_are_found_in_order_with_both_files(renders, tmp_path):
    for number in ("0010", "0002", "-0001", "12345"):
        write_frame(tmp_path, number)
    found = renders.rendered_in(tmp_path)
    assert [frame.number for frame in found] == [-1, 2, 10, 12345]
    assert found[0].color.name == "frame.-0001.FinalImage.png"
    assert found[0].depth.name == "frame.-0001.FinalImageM_FramebridgeDepth.exr"
    assert found[0].view is None


def test_a_file_of_all_passes_is_the_depth(renders, tmp_path):
    (tmp_path / "frame.0001.FinalImage.png").write_bytes(png_file(24, 40))
    for name in ("frame.0001.exr", "frame.0001..exr"):
        file = write_exr(tmp_path / name)
        assert [frame.depth.name for frame in renders.rendered_in(tmp_path)] == [name]
        file.unlink()


def test_what_belongs_to_no_frame_is_left_alone(renders, tmp_path):
    for name in ("frame_0001.png", "frame.0001.FinalImage.jpg", "frame.one.FinalImage.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"theirs")
    write_frame(tmp_path, "0001")
    renders.delete_leftovers(tmp_path)
    left = sorted(file.name for file in tmp_path.iterdir())
    ours = ["frame.0001.FinalImage.png", "frame.0001.FinalImageM_FramebridgeDepth.exr"]
    theirs = ["frame.0001.FinalImage.jpg", "frame.one.FinalImage.png", "frame_0001.png", "notes.txt"]
    assert left == sorted(ours + theirs)
    assert renders.written(tmp_path, range(1, 3)) == 1
    assert renders.written(tmp_path, range(2, 9)) == 0


@pytest.mark.parametrize("suffix", ["png", "exr"])
def test_a_frame_that_lacks_a_file_or_its_end_is_none(renders, tmp_path, suffix):
    write_frame(tmp_path, "0001")
    write_frame(tmp_path, "0002")
    frame = renders.rendered_in(tmp_path)[0]
    file = frame.color if suffix == "png" else frame.depth
    data = file.read_bytes()
    for cut in (data[:-1], data[:100], b""):
        file.write_bytes(cut)
        assert [frame.number for frame in renders.rendered_in(tmp_path)] == [2]
    file.unlink()
    assert [frame.number for frame in renders.rendered_in(tmp_path)] == [2]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("rows", [1, 16, 17, 70])
def test_rows_are_counted_in_each_compression(renders, tmp_path, compression, rows):
    file = write_exr(tmp_path / "depth.exr", rows, compression)
    assert renders.is_whole_exr(file)
    data = file.read_bytes()
    for keep in range(1, len(data), 37):
        file.write_bytes(data[:keep])
        assert not renders.is_whole_exr(file), f"{keep} of {len(data)} bytes"


def test_an_openexr_whose_rows_are_not_told_yet_is_not_whole(renders, tmp_path):
    """A writer leaves zeros where the rows' places will be, and fills them in when it closes the file."""
    file = write_exr(tmp_path / "depth.exr", rows=16, compression="ZIP")
    data = bytearray(file.read_bytes())
    places = range(len(data) - 8)
    table = next(at for at in places if int.from_bytes(data[at : at + 8], "little") == at + 8)
    data[table : table + 8] = bytes(8)
    file.write_bytes(data)
    assert not renders.is_whole_exr(file)


def test_a_long_header_is_read(renders, tmp_path):
    file = write_exr(tmp_path / "depth.exr", **{f"unreal/note{number}": "x" * 400 for number in range(200)})
    assert renders.is_whole_exr(file)


def test_views_are_kept_by_frame_and_renewed(core, renders, tmp_path):
    view = core("core.axes").View
    first = view((1.0, 2.0, 3.0), (0.0, 10.0, 20.0), 64, 48, 60.0)
    second = view((4.0, 2.0, 3.0), (0.0, 10.0, 20.0), 64, 48, 60.0)
    renders.keep_views(tmp_path, range(-1, 2), {-1: first, 0: first, 1: first})
    renders.keep_views(tmp_path, range(2), {0: second})
    assert renders.views_in(tmp_path) == {-1: first, 0: second}, "frame 1 is not known any more"
    write_frame(tmp_path, "0000")
    write_frame(tmp_path, "0001")
    assert [frame.view for frame in renders.rendered_in(tmp_path)] == [second, None]


@pytest.mark.parametrize("text", ["", "[]", '{"one": "{}"}', '{"1": 5}', '{"1": "{}"}'])
def test_views_that_cannot_be_read_are_not_known(renders, tmp_path, text):
    (tmp_path / renders.VIEWS_FILE).write_text(text)
    assert renders.views_in(tmp_path) == {}


def test_a_folder_that_is_not_there_holds_nothing(renders, tmp_path):
    assert renders.rendered_in(tmp_path / "none") == []
    assert renders.written(tmp_path / "none", range(3)) == 0
    renders.delete_leftovers(tmp_path / "none")
