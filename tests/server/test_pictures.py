import sys
from pathlib import Path

import pytest

from bridge.server import PictureNames


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    places = {name: tmp_path / name for name in ("input", "output", "temp")}
    for place in places.values():
        place.mkdir()
    (places["input"] / "sub").mkdir()
    for path in ("input/b.png", "input/sub/a.JPG", "input/notes.txt", "output/result.png", "secret.png"):
        (tmp_path / path).write_bytes(b"x")
    return places


def test_pictures_of_the_input_folder_are_listed(folders: dict[str, Path]) -> None:
    assert list(PictureNames(folders)) == ["b.png", "sub/a.JPG"]


@pytest.mark.parametrize("name", ["b.png", "sub/a.JPG", "b.png [input]", "result.png [output]", "./b.png"])
def test_files_may_be_named_with_and_without_a_folder(folders: dict[str, Path], name: str) -> None:
    assert name in PictureNames(folders)


@pytest.mark.parametrize(
    "name",
    [
        "missing.png",
        "result.png",
        "b.png [output]",
        "result.png [nowhere]",
        "../secret.png",
        "../secret.png [output]",
        "sub/../../secret.png",
        "/etc/passwd",
        "sub",
        "",
        ".",
        "b.png\0",
        "\ud800.png",
        "x" * 5000,
        7,
    ],
)
def test_nothing_else_is_there(folders: dict[str, Path], name: object) -> None:
    assert name not in PictureNames(folders)


def test_link_that_leads_out_is_not_followed(folders: dict[str, Path]) -> None:
    (folders["input"] / "link.png").symlink_to(folders["input"].parent / "secret.png")
    assert "link.png" not in PictureNames(folders)


def test_file_that_appears_later_is_found(folders: dict[str, Path]) -> None:
    names = PictureNames(folders)
    (folders["output"] / "new.png").write_bytes(b"x")
    assert "new.png [output]" in names


def test_missing_folder_is_empty(tmp_path: Path) -> None:
    names = PictureNames({name: tmp_path / name for name in ("input", "output", "temp")})
    assert list(names) == []
    assert "a.png" not in names


def test_full_folder_is_not_listed_to_its_end(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.pictures.MAX_LISTED", 1)
    assert len(PictureNames(folders)) == 1
    assert "sub/a.JPG" in PictureNames(folders)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_to_itself_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert "loop.png" not in PictureNames({"input": tmp_path})
