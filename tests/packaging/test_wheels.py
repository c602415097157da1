"""Fetching wheels, from a package index in a folder."""

import hashlib
import os
import re
import zipfile
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.packaging import pinned_wheels, wheels

NAMES = ("websockets-1.0-py3-none-any.whl", "websockets-1.0-cp311-cp311-win_amd64.whl")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only index that pip knows, with the two wheels; they are the pinned ones."""
    folder = tmp_path / "simple" / "websockets"
    folder.mkdir(parents=True)
    for name in NAMES:
        with zipfile.ZipFile(folder / name, "w") as wheel:
            wheel.writestr("websockets-1.0.dist-info/METADATA", "Name: websockets\nVersion: 1.0\n")
            wheel.writestr("websockets-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
            wheel.writestr("websockets-1.0.dist-info/RECORD", "")
    links = "".join(f'<a href="{name}">{name}</a>' for name in NAMES)
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    pins = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}
    monkeypatch.setattr(wheels, "pinned_wheels", lambda: pins)
    monkeypatch.setattr(wheels, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    return folder


def test_pinned_wheels_are_of_the_version_that_everything_is_tested_with():
    constraint = re.search(r"^websockets==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert constraint
    assert {name.split("-")[1] for name in pinned_wheels()} == {constraint[1]}


@pytest.mark.parametrize("python", ["cp311", "cp313"])
@pytest.mark.parametrize(
    "platform", [r"win_amd64", r"win_arm64", r"macosx_\d+_\d+_universal2", r"\S*_x86_64", r"\S*_aarch64"]
)
def test_every_platform_of_blender_has_its_wheel(python: str, platform: str):
    pattern = re.compile(rf"websockets-[\d.]+-{python}-{python}-{platform}\.whl")
    assert len([name for name in pinned_wheels() if pattern.fullmatch(name)]) == 1


def test_a_pure_wheel_is_there_for_the_rest():
    assert len([name for name in pinned_wheels() if name.endswith("-py3-none-any.whl")]) == 1


def test_every_wheel_is_fetched_from_the_index(index: Path):
    fetched = wheels.fetch_wheels()
    assert [path.name for path in fetched] == list(NAMES)
    for path in fetched:
        assert path.read_bytes() == (index / path.name).read_bytes()


def test_second_time_needs_no_index(index: Path, monkeypatch: pytest.MonkeyPatch):
    first = wheels.fetch_wheels()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert wheels.fetch_wheels() == first


def test_damaged_wheel_in_the_cache_is_fetched_again(index: Path):
    wheel = wheels.fetch_wheels()[1]
    wheel.write_bytes(b"half a wh")
    assert wheels.fetch_wheels()[1].read_bytes() == (index / wheel.name).read_bytes()


def test_index_with_another_wheel_of_that_name_is_refused(index: Path):
    with zipfile.ZipFile(index / NAMES[0], "a") as wheel:
        wheel.writestr("websockets/evil.py", "")
    with pytest.raises(BridgeError, match=r"cannot download websockets-1\.0-py3.*NOT MATCH") as caught:
        wheels.fetch_wheels()
    assert caught.value.code == "download_failed"
    assert not list((index.parents[1] / "cache").rglob("*.whl"))


def test_no_network_and_no_cache_is_one_sentence_with_a_hint(index: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    with pytest.raises(BridgeError, match="the package index cannot be reached") as caught:
        wheels.fetch_wheels()
    assert "Go online once" in caught.value.hint
    assert "\n" not in caught.value.message


def test_python_without_pip_is_named(index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(wheels.sys, "executable", str(python))
    with pytest.raises(BridgeError, match="No module named pip"):
        wheels.fetch_wheels()


def test_unusable_cache_is_named(index: Path, tmp_path: Path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(BridgeError, match="cannot keep wheels in") as caught:
        wheels.fetch_wheels()
    assert caught.value.code == "cache_unwritable"
