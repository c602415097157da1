import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge import __version__
from bridge.errors import BridgeError
from bridge.packaging import InvalidPackage, fetch_wheels, package_blender, release, staging, writing

NO_PROGRAM = os.strerror(errno.ENOEXEC)


@pytest.fixture(autouse=True)
def no_blender(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder as the only place where programs are looked for."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def fake_blender(folder: Path, version: str, answer: str = "", code: int = 0) -> None:
    program = folder / "blender"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "Blender {version}"; exit 0; fi\n'
        "for last; do :; done\n"
        '[ "$1 $2 $3 $4" = "--factory-startup --command extension validate" ] || exit 7\n'
        f'[ -f "$last" ] || exit 8\necho "{answer}"\nexit {code}\n'
    )
    program.chmod(0o755)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Have the system refuse more bytes a file, as a full disk would."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_zip_and_listing_are_written(tmp_path: Path):
    out = tmp_path / "new" / "dist"
    package = package_blender(out)
    assert sorted(path.name for path in out.iterdir()) == [f"framebridge-{__version__}.zip", "index.json"]
    assert package.archive == out / f"framebridge-{__version__}.zip"
    assert package.sha256 == hashlib.sha256(package.archive.read_bytes()).hexdigest()
    assert package.size == package.archive.stat().st_size
    assert json.loads(package.index.read_text())["data"][0]["archive_hash"] == f"sha256:{package.sha256}"


def test_building_again_gives_the_same_bytes(tmp_path: Path):
    assert package_blender(tmp_path / "a").sha256 == package_blender(tmp_path / "b").sha256


@pytest.mark.parametrize("version", [None, "3.4.1", "0"])
def test_blenders_check_that_cannot_run_is_told(tmp_path: Path, no_blender: Path, version: str | None):
    if version:
        fake_blender(no_blender, version)
    check = package_blender(tmp_path / "dist").checks[-1]
    assert check.name == "Blender's own check"
    assert not check.was_run


def test_blender_is_asked_where_there_is_one(tmp_path: Path, no_blender: Path):
    fake_blender(no_blender, "4.5.1 LTS")
    check = package_blender(tmp_path / "dist").checks[-1]
    assert check.was_run
    assert check.finding == "Blender 4.5 takes it"


@pytest.mark.parametrize("refuses", [False, True])
def test_blender_may_answer_in_any_encoding(tmp_path: Path, no_blender: Path, refuses: bool):
    fake_blender(no_blender, "4.5.1 LTS", r"gr\374n", int(refuses))
    program = no_blender / "blender"
    program.write_text(program.read_text().replace("echo", "printf '%b\\n'"))
    if refuses:
        with pytest.raises(InvalidPackage, match="Blender: gr\N{REPLACEMENT CHARACTER}n"):
            package_blender(tmp_path / "dist")
    else:
        assert package_blender(tmp_path / "dist").checks[-1].was_run


def test_blender_that_is_no_program_counts_as_not_run(tmp_path: Path, no_blender: Path):
    (no_blender / "blender").write_bytes(b"\x7fELF, but not really")
    (no_blender / "blender").chmod(0o755)
    package = package_blender(tmp_path / "dist")
    assert package.archive.is_file()
    assert not package.checks[-1].was_run
    assert package.checks[-1].finding == f"the blender on the PATH cannot be started: {NO_PROGRAM}"


def test_what_blender_refuses_is_not_written(tmp_path: Path, no_blender: Path):
    fake_blender(no_blender, "5.0.0", "key tagline invalid", 1)
    with pytest.raises(InvalidPackage, match="Blender: key tagline invalid"):
        package_blender(tmp_path / "dist")
    assert list((tmp_path / "dist").iterdir()) == []


def test_invalid_sources_are_refused_and_the_old_release_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before = package_blender(tmp_path / "dist").sha256
    sources = tmp_path / "sources"
    shutil.copytree(staging.PACKAGE.parent / "blender_addon", sources / "blender_addon")
    (sources / "LICENSE").write_bytes((staging.PACKAGE.parent / "LICENSE").read_bytes())
    (sources / "blender_addon" / "capture.py").write_text("no licence here\n")
    monkeypatch.setattr(staging, "addon_sources", lambda name: sources / name)
    with pytest.raises(InvalidPackage) as caught:
        package_blender(tmp_path / "dist")
    assert len(caught.value.problems) == 2  # no licence, and no Python
    [archive] = (tmp_path / "dist").glob("*.zip")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == before


def test_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeError, match="file") as caught:
        package_blender(tmp_path / "file" / "dist")
    assert caught.value.code == "bad_folder"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "disk_full"), (errno.EFBIG, "disk_full"), (errno.EACCES, "write_failed")],
)
def test_failed_write_is_told_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
):
    def fail(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number), str(target))

    monkeypatch.setattr(writing.os, "replace", fail)
    with pytest.raises(BridgeError, match="write") as caught:
        package_blender(tmp_path / "dist")
    assert caught.value.code == code
    assert "--out" in caught.value.hint
    assert list((tmp_path / "dist").iterdir()) == []


def test_planted_links_are_not_written_through(tmp_path: Path):
    out, victim = tmp_path / "dist", tmp_path / "victim"
    out.mkdir()
    victim.write_text("precious")
    names = (f"framebridge-{__version__}.zip", "index.json")
    for name in (*names, *(f".{name}.part" for name in names)):
        (out / name).symlink_to("../victim")
    package = package_blender(out)
    assert victim.read_text() == "precious"
    for path in (package.archive, package.index):
        assert not path.is_symlink()
    assert package.archive.read_bytes()[:2] == b"PK"


def test_written_files_have_the_permissions_of_any_new_file(tmp_path: Path):
    package = package_blender(tmp_path / "dist")
    (tmp_path / "new").write_text("")
    usual = (tmp_path / "new").stat().st_mode
    assert [path.stat().st_mode for path in (package.archive, package.index)] == [usual, usual]


def test_full_disk_of_the_output_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Only what is placed is too large: the limit is set once the archive is built."""

    def place(built: Path, out: Path) -> Path:
        with files_no_larger_than(1000):
            return place_as_ever(built, out)

    place_as_ever = release.place
    monkeypatch.setattr(release, "place", place)
    with pytest.raises(BridgeError) as caught:
        package_blender(tmp_path / "dist")
    placed = tmp_path / "dist" / f"framebridge-{__version__}.zip"
    assert caught.value.message == f"no room to write {placed}: {os.strerror(errno.EFBIG)}"
    assert caught.value.code == "disk_full"
    assert "--out" in caught.value.hint
    assert list((tmp_path / "dist").iterdir()) == []


@pytest.mark.parametrize("size", [1_000, 100_000, 1_000_000])
def test_full_disk_of_the_temporary_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
):
    """At the first source, at a wheel, and at the archive."""
    wheels = fetch_wheels()
    monkeypatch.setattr(release, "fetch_wheels", lambda: wheels)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with files_no_larger_than(size), pytest.raises(BridgeError) as caught:
        package_blender(tmp_path / "dist")
    assert caught.value.message.startswith(f"no room to build the add-on in {temporary}: ")
    assert os.strerror(errno.EFBIG) in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.code == "disk_full"
    assert "TMPDIR" in caught.value.hint
    assert "--out" not in caught.value.hint
    assert list(temporary.iterdir()) == []


def test_no_usable_temporary_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    wheels = fetch_wheels()
    monkeypatch.setattr(release, "fetch_wheels", lambda: wheels)
    monkeypatch.setattr(tempfile, "tempdir", None)
    with files_no_larger_than(0), pytest.raises(BridgeError, match="No usable temporary") as caught:
        package_blender(tmp_path / "dist")
    assert caught.value.code == "write_failed"
    assert "TMPDIR" in caught.value.hint
