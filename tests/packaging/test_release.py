import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from bridge import __version__
from bridge.errors import BridgeError
from bridge.packaging import InvalidPackage, package_blender, release, staging


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

    monkeypatch.setattr(release.os, "replace", fail)
    with pytest.raises(BridgeError, match="write") as caught:
        package_blender(tmp_path / "dist")
    assert caught.value.code == code
    assert "--out" in caught.value.hint
    assert list((tmp_path / "dist").iterdir()) == []
