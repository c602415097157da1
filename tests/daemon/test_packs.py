from importlib import metadata
from pathlib import Path

import pytest

from bridge.daemon import Settings, installed_packs, switch_pack
from bridge.daemon.packs import packs_switched_off
from bridge.errors import BridgeError


@pytest.fixture
def two_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [metadata.EntryPoint(name, name, "framebridge.nodes") for name in ("second", "first")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: metadata.EntryPoints(entries))


def test_packs_are_listed_by_name(home: Path, two_packs: None) -> None:
    assert [(pack.name, pack.package, pack.is_off) for pack in installed_packs()] == [
        ("first", "", False),
        ("second", "", False),
    ]


def test_what_is_switched_off_reaches_the_worker(home: Path, two_packs: None) -> None:
    switch_pack("first", on=False)
    assert Settings().worker.settings["without_packs"] == ["first"]
    switch_pack("first", on=True)
    assert Settings().worker.settings["without_packs"] == []


@pytest.mark.parametrize("text", ["", "[]", '{"off": 3}', '{"off": [1, {}]}'])
def test_a_damaged_file_switches_nothing_off(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "packs.json").write_text(text)
    assert packs_switched_off() == ()


def test_an_unknown_pack_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: metadata.EntryPoints([]))
    with pytest.raises(BridgeError) as raised:
        switch_pack("other", on=True)
    assert raised.value.hint == "pip has installed none."


def test_a_choice_that_cannot_be_kept_is_an_error(home: Path, two_packs: None) -> None:
    (home / "packs.json").mkdir(parents=True)
    with pytest.raises(BridgeError, match=r"packs\.json") as raised:
        switch_pack("first", on=False)
    assert raised.value.code == "bad_folder"


def test_definitions_are_kept_only_where_no_pack_brings_some(
    home: Path, two_packs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().definitions_file is None
    switch_pack("first", on=False)
    switch_pack("second", on=False)
    assert Settings().definitions_file == home / "definitions.json"
    assert Settings(custom_nodes=[Path("packs")]).definitions_file is None


def test_folders_of_packs_become_absolute(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(custom_nodes=[Path("packs")]).worker.settings
    assert settings["custom_nodes"] == [str(tmp_path / "packs")]
