"""Files that are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from bridge.files import new_file, replace_file, take_name, write_temporary


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_in_one_step(tmp_path):
    replace_file(tmp_path / "new" / "a.json", b"1")
    replace_file(tmp_path / "new" / "a.json", b"2")
    assert listing(tmp_path / "new") == ["a.json"]
    assert (tmp_path / "new" / "a.json").read_bytes() == b"2"


def test_what_was_there_stays_when_the_disk_is_full(tmp_path, monkeypatch):
    replace_file(tmp_path / "a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "a", b"new")
    assert listing(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_only_one_of_two_gets_a_name(tmp_path):
    first, second = write_temporary(tmp_path, b"1"), write_temporary(tmp_path, b"2")
    assert [take_name(each, tmp_path / "a") for each in (first, second)] == [True, False]
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_file_system_without_links_gives_names_too(tmp_path, monkeypatch):
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    first, second = write_temporary(tmp_path, b"1"), write_temporary(tmp_path, b"2")
    assert [take_name(each, tmp_path / "a") for each in (first, second)] == [True, False]
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_new_file_takes_nobodys_place(tmp_path):
    assert new_file(tmp_path / "new" / "a", b"1")
    assert not new_file(tmp_path / "new" / "a", b"2")
    assert listing(tmp_path / "new") == ["a"]
    assert (tmp_path / "new" / "a").read_bytes() == b"1"
