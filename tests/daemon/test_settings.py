import json
from pathlib import Path

import pytest

from bridge.client import state_folder
from bridge.daemon import Settings, data_folder, make_folders
from bridge.errors import BridgeError


def test_home_moves_everything_under_one_folder(home: Path) -> None:
    settings = Settings()
    assert data_folder() == state_folder() == home
    assert {path.parent for path in settings.folders.values()} == {home}
    assert settings.model_roots == (home / "models", home / "models.json")


def test_without_home_the_platform_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMEBRIDGE_HOME", raising=False)
    assert data_folder().name == "framebridge"


def test_named_model_folders_come_before_the_users_own(home: Path, tmp_path: Path) -> None:
    assert Settings(models=[tmp_path / "comfy"]).model_roots[:2] == (tmp_path / "comfy", home / "models")


def test_relative_folders_become_absolute(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(models=[Path("models")], output=Path("out"))
    assert settings.model_roots[0] == tmp_path / "models"
    assert settings.folders["output"] == tmp_path / "out"


def test_worker_gets_everything_as_json(home: Path) -> None:
    worker = Settings(device="cpu", dtype="float32", threads=2, bootstrap="a.b:load").worker
    assert worker.bootstrap == "a.b:load"
    assert set(worker.settings) == {
        *("models", "input", "output", "temp", "frames"),
        *("device", "dtype", "threads", "cache_bytes", "custom_nodes", "without_packs"),
    }
    json.dumps(worker.settings)


def test_missing_folders_are_made(home: Path) -> None:
    make_folders(Settings().folders)
    make_folders(Settings().folders)
    assert all(path.is_dir() for path in Settings().folders.values())


def test_folder_that_cannot_be_made_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BridgeError, match="file") as failure:
        make_folders(Settings(output=tmp_path / "file" / "out").folders)
    assert failure.value.code == "bad_folder"
    assert "--out" in failure.value.hint
