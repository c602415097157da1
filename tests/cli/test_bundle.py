import json
import zipfile
from pathlib import Path

import pytest

from bridge.cli.bundle import write_bundle
from bridge.cli.finding import Finding
from bridge.daemon import Settings
from bridge.errors import BridgeError


def test_a_bundle_holds_what_helps_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("FRAMEBRIDGE_API_KEY", "abcdef0123")
    lines = [f"line {number}" for number in range(300)]
    (tmp_path / "daemon.log").write_text("\n".join([*lines, "Authorization: Bearer abc.def"]))
    findings = [Finding("models", "ok", "in /home/somebody/models")]
    write_bundle(tmp_path / "b.zip", findings, Settings(token="0123456789abcdef"))
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        pages = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert set(pages) == {"findings.json", "settings.json", "packages.txt", "log.txt"}
    assert json.loads(pages["findings.json"])[0]["text"] == "in ~/models"
    assert json.loads(pages["settings.json"])["of"].startswith("the doctor")
    assert len(pages["log.txt"].splitlines()) == 200
    assert "torch==" in pages["packages.txt"]
    everything = "".join(pages.values())
    assert not [
        word for word in ("somebody", "abc.def", "0123456789abcdef", "abcdef0123") if word in everything
    ]


def test_a_bundle_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    with pytest.raises(BridgeError) as failure:
        write_bundle(tmp_path / "none" / "b.zip", [], Settings())
    assert failure.value.code == "write_failed"
