import json
from importlib import metadata
from pathlib import Path

import pytest

from bridge.cli import pack_list

from .conftest import Command


@pytest.fixture
def one_pack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    entries = metadata.EntryPoints([metadata.EntryPoint("ink", "ink_nodes", "framebridge.nodes")])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)


def test_packs_are_listed_and_switched(one_pack: None, capsys: pytest.CaptureFixture[str]) -> None:
    pack_list.list_packs(as_json=False)
    assert capsys.readouterr().out.startswith("ink  on")
    pack_list.switch("ink", on=False)
    assert "ink is off" in capsys.readouterr().out
    pack_list.list_packs(as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "ink", "package": "", "version": "", "is_off": True}
    ]


def test_no_packs_are_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pack_list, "installed_packs", lambda: ())
    pack_list.list_packs(as_json=False)
    assert "--custom-nodes" in capsys.readouterr().out


def test_the_command_runs_and_knows_no_strangers(framebridge: Command) -> None:
    assert framebridge("packs", "--json").returncode == 0
    done = framebridge("packs", "off", "nobodys-pack")
    assert done.returncode != 0
    assert "pack_not_found" in done.stderr


def test_a_folder_that_is_not_there_is_refused_at_once(framebridge: Command) -> None:
    done = framebridge("serve", "--custom-nodes", "/no/such/folder")
    assert done.returncode == 2
    assert "does not exist" in done.stderr
