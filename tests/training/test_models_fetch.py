import shutil
import subprocess
from pathlib import Path

import pytest

from training.models_fetch import BUNNY, DEBIAN_FILES, fetch_models


@pytest.fixture
def tools(monkeypatch):
    """Pretend that every tool is installed; return the names of those that are not."""
    absent: set[str] = set()
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool in absent else f"/usr/bin/{tool}")
    return absent


def run_as(monkeypatch, behaviour):
    commands = []

    def run(command, cwd, **options):
        commands.append(command)
        return behaviour(command, Path(cwd))

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def put_debian_files(folder):
    for name in DEBIAN_FILES:
        (folder / Path(name).name).touch()


def test_a_missing_tool_is_named(tools, tmp_path, monkeypatch):
    tools |= {"apt-get", "npm"}
    commands = run_as(monkeypatch, lambda command, folder: None)
    debian, bunny = fetch_models(tmp_path)
    assert "apt-get is not installed" in debian
    assert "npm is not installed" in bunny
    assert not commands


def test_a_failing_command_s_last_words_are_passed_on(tools, tmp_path, monkeypatch):
    def fail(command, folder):
        raise subprocess.CalledProcessError(100, command, stderr="warning\n" * 500 + "E: no such package\n")

    run_as(monkeypatch, fail)
    debian, _ = fetch_models(tmp_path)
    assert "apt-get ended with status 100" in debian
    assert debian.endswith("E: no such package")
    assert len(debian) < 500


def test_a_real_failing_command_s_last_words_are_text(tools, tmp_path, monkeypatch):
    real = subprocess.run

    def run(command, **options):
        return real(["sh", "-c", "echo no network >&2; exit 3"], **options)

    monkeypatch.setattr(subprocess, "run", run)
    assert all(sentence.endswith("no network") for sentence in fetch_models(tmp_path))


def test_a_download_that_leaves_nothing_is_not_fetched(tools, tmp_path, monkeypatch):
    run_as(monkeypatch, lambda command, folder: None)
    debian, bunny = fetch_models(tmp_path)
    assert debian.endswith("the download left no *.deb")
    assert bunny.endswith("the download left no *.tgz")


def test_what_was_downloaded_is_put_into_the_folder(tools, tmp_path, monkeypatch):
    def download(command, folder):
        if command[0] == "apt-get":
            (folder / "models.deb").touch()
        else:
            for name in DEBIAN_FILES:
                path = folder / "x/usr/share/assimp/models" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()

    (tmp_path / BUNNY).touch()
    run_as(monkeypatch, download)
    assert fetch_models(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {BUNNY, *(Path(name).name for name in DEBIAN_FILES)}


def test_existing_files_are_not_fetched_again(tools, tmp_path, monkeypatch):
    put_debian_files(tmp_path)
    (tmp_path / BUNNY).touch()
    commands = run_as(monkeypatch, lambda command, folder: None)
    assert fetch_models(tmp_path) == []
    assert not commands


def test_only_the_missing_package_is_fetched(tools, tmp_path, monkeypatch):
    put_debian_files(tmp_path)
    commands = run_as(monkeypatch, lambda command, folder: None)
    fetch_models(tmp_path)
    assert [command[0] for command in commands] == ["npm"]
