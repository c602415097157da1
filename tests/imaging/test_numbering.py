import errno
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from bridge.imaging import numbering, save_numbered
from bridge.imaging.numbering import expand_prefix

NOON = datetime(2026, 3, 7, 12, 5, 9)


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("ComfyUI", "ComfyUI"),
        ("%width%x%height%", "640x480"),
        ("%year%-%month%-%day%/%hour%%minute%%second%", "2026-03-07/120509"),
        ("%date:yyyy-MM-dd%_x", "2026-03-07_x"),
        ("%date:yy.MM.dd hh-mm-ss%", "26.03.07 12-05-09"),
        ("100% %unknown%", "100% %unknown%"),
    ],
)
def test_tokens_are_filled(prefix, name):
    assert expand_prefix(prefix, 640, 480, NOON) == name


def test_numbers_count_up(tmp_path):
    for _ in range(3):
        save_numbered(tmp_path / "new", "a", b"x")
    assert listing(tmp_path / "new") == ["a_00001_.png", "a_00002_.png", "a_00003_.png"]


def test_counting_goes_on_after_the_greatest_number_there_is(tmp_path):
    for name in ("b_00007_.png", "b_00002_.png", "bb_00099_.png", "b_x_.png", "b_00050_.txt"):
        (tmp_path / name).touch()
    assert save_numbered(tmp_path, "b", b"x").name == "b_00008_.png"


def test_prefixes_count_on_their_own(tmp_path):
    assert save_numbered(tmp_path, "c", b"x").name == "c_00001_.png"
    assert save_numbered(tmp_path, "d", b"x").name == "d_00001_.png"
    assert save_numbered(tmp_path, "c", b"x").name == "c_00002_.png"


def test_a_folder_is_listed_once(tmp_path, monkeypatch):
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(numbering.os, "scandir", lambda folder: listed.append(folder) or scandir(folder))
    for _ in range(5):
        save_numbered(tmp_path, "e", b"x")
    assert listed == [tmp_path]


def test_a_name_that_somebody_else_took_is_passed_over(tmp_path):
    save_numbered(tmp_path, "f", b"mine")
    (tmp_path / "f_00002_.png").write_bytes(b"theirs")
    assert save_numbered(tmp_path, "f", b"mine").name == "f_00003_.png"
    assert (tmp_path / "f_00002_.png").read_bytes() == b"theirs"


def test_concurrent_writers_never_share_a_name(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda i: save_numbered(tmp_path, "g", str(i).encode()), range(60)))
    assert len(set(paths)) == 60
    assert {path.read_bytes() for path in paths} == {str(i).encode() for i in range(60)}
    assert len(listing(tmp_path)) == 60


@pytest.mark.skipif(os.name == "nt", reason="Windows renames instead of linking")
def test_file_systems_without_links_work_too(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(numbering.os, "link", refuse)
    (tmp_path / "h_00001_.png").touch()
    assert save_numbered(tmp_path, "h", b"one").read_bytes() == b"one"
    (tmp_path / "h_00003_.png").touch()
    assert save_numbered(tmp_path, "h", b"two").name == "h_00004_.png"
    assert len(listing(tmp_path)) == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows renames instead of linking")
def test_other_faults_are_told_and_leave_nothing_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(numbering.os, "link", fail)
    with pytest.raises(OSError, match="disk full"):
        save_numbered(tmp_path, "i", b"x")
    assert listing(tmp_path) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            save_numbered(tmp_path, "j", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert listing(tmp_path) == []
