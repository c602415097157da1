"""Hashes of models."""

import hashlib
from pathlib import Path

import pytest

from bridge.models import digest as digest_module
from bridge.models.digest import digest_of


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_module, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr(digest_module, "_remembered", {})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"weights")
    return file


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the file was read again")

    monkeypatch.setattr(hashlib, "file_digest", refuse)


def test_sha256_of_the_content(model: Path) -> None:
    assert digest_of(model) == hashlib.sha256(b"weights").hexdigest()


def test_a_file_is_read_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = digest_of(model)
    forbid_reading(monkeypatch)
    assert digest_of(model) == digest


def test_and_not_again_by_the_next_process(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = digest_of(model)
    monkeypatch.setattr(digest_module, "_remembered", {})
    forbid_reading(monkeypatch)
    assert digest_of(model) == digest


def test_a_changed_file_is_read_again(model: Path) -> None:
    before = digest_of(model)
    replacement = model.with_name("new")
    replacement.write_bytes(b"WEIGHTS")
    replacement.replace(model)
    assert digest_of(model) != before


def test_a_folder_is_its_weights(tmp_path: Path) -> None:
    for name in ("unet", "vae"):
        (tmp_path / "m" / name).mkdir(parents=True)
        (tmp_path / "m" / name / "x.safetensors").write_bytes(name.encode())
    before = digest_of(tmp_path / "m")
    (tmp_path / "m" / "README.md").write_text("hello")
    assert digest_of(tmp_path / "m") == before
    (tmp_path / "m" / "vae" / "x.safetensors").write_bytes(b"changed")
    assert digest_of(tmp_path / "m") != before


@pytest.mark.parametrize("memory", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_memory_does_no_harm(model: Path, tmp_path: Path, memory: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "digests.json").write_text(memory)
    assert digest_of(model) == hashlib.sha256(b"weights").hexdigest()


def test_a_memory_that_cannot_be_written_does_no_harm(model: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert digest_of(model) == hashlib.sha256(b"weights").hexdigest()
