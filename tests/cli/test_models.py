"""``framebridge models``: lists, cards, folders and pulls; sources are a server of this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from bridge.builtin import example, library
from bridge.cli.diagnosis import find_unused_folders
from bridge.cli.model_add import add
from bridge.cli.model_pull import pull, what_lacks
from bridge.cli.model_shelf import info, list_models, verify_models
from bridge.daemon import Settings
from bridge.errors import BridgeError
from bridge.models import curated_models

from ..downloads.conftest import Kit, Site, always, lora, whole
from .conftest import Command

DATA = lora(
    metadata={
        "modelspec.title": "Chalk [v2]",
        "modelspec.license": "MIT",
        "modelspec.trigger_phrase": "chalk",
    }
)
URL = "https://files.example/chalk.safetensors"


@pytest.fixture
def own_home(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    return tmp_path / "home"


def get(
    kit: Kit, *sources: str, workflow: Path | None = None, agrees: bool = True, as_json: bool = False
) -> None:
    pull(list(sources), workflow, "", "", "", None, agrees, as_json, kit.network)


def test_a_model_is_pulled_listed_described_and_verified(
    kit: Kit,
    site: Site,
    own_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site.put(URL, whole(DATA))
    get(kit, URL, as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)[0]["name"] == "chalk.safetensors"
    assert "MIT" in shown.err
    assert (own_home / "models" / "loras" / "chalk.safetensors").read_bytes() == DATA
    list_models("loras", [], False, False)
    listed = capsys.readouterr().out
    assert "chalk.safetensors" in listed
    assert "Stable Diffusion 1.x" in listed
    info("chalk.safetensors", [], True, False)
    described = capsys.readouterr().out
    assert "Chalk [v2]" in described
    assert URL in described
    assert "unknown" in described, "the author is not"
    info("loras/chalk.safetensors", [], False, True)
    assert json.loads(capsys.readouterr().out)[0]["triggers"] == ["chalk"]
    assert verify_models(["chalk.safetensors"], [], False) == 0
    assert "the recorded one" in capsys.readouterr().out
    with (own_home / "models" / "loras" / "chalk.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\0")
    assert verify_models(["chalk.safetensors"], [], True) == 1
    assert json.loads(capsys.readouterr().out)[0]["state"] == "bad"


@pytest.mark.skipif(sys.platform == "win32", reason="no file there can be called so")
def test_a_model_of_an_odd_name_is_bad_and_the_others_are_verified(
    own_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shelf" / "loras"
    folder.mkdir(parents=True)
    for name in ("v1: a.safetensors", "v\x1b.safetensors", "whole.safetensors"):
        (folder / name).write_bytes(DATA)
    assert verify_models([], [tmp_path / "shelf"], True) == 1
    verdicts = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert verdicts["whole.safetensors"]["state"] == "unrecorded"
    for name in ("v1: a.safetensors", "v\x1b.safetensors"):
        assert verdicts[name]["state"] == "bad"
        assert verdicts[name]["hint"].startswith("Rename it")


def test_nothing_is_pulled_without_consent(
    kit: Kit, site: Site, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put(URL, whole(DATA))
    with pytest.raises(BridgeError) as failure:
        get(kit, URL, agrees=False)
    assert failure.value.code == "consent_needed"
    assert "--yes" in failure.value.hint
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda text: False)
    with pytest.raises(BridgeError) as failure:
        get(kit, URL, agrees=False)
    assert failure.value.code == "cancelled"
    assert not (own_home / "models").exists()
    monkeypatch.setattr(typer, "confirm", lambda text: True)
    get(kit, URL, agrees=False)
    assert (own_home / "models" / "loras" / "chalk.safetensors").is_file()


@pytest.mark.parametrize(
    ("url", "answer", "code", "remedy"),
    [
        (URL, always(body=b"<html>" * 200), "not_a_model", "address of the file itself"),
        (URL, always(body=b"\x80\x04" + bytes(600)), "unsafe_model", "safetensors"),
        ("https://router.example/x.safetensors", whole(DATA), "private_address", "models add FILE"),
        (URL, always("404 Not Found"), "source_not_found", "Check the address"),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    url: str,
    answer: object,
    code: str,
    remedy: str,
    kit: Kit,
    site: Site,
    own_home: Path,
) -> None:
    site.put(url, answer)  # type: ignore[arg-type]
    with pytest.raises(BridgeError) as failure:
        get(kit, url)
    assert failure.value.code == code
    assert remedy in failure.value.hint


def test_a_refused_file_is_called_what_was_asked_for(kit: Kit, site: Site, own_home: Path) -> None:
    url = URL.replace(".safetensors", ".ckpt")
    site.put(url, always(body=b"\x80\x04" + bytes(600)))
    with pytest.raises(BridgeError, match=r'"chalk\.ckpt" is a pickle'):
        get(kit, url)


def test_what_a_workflow_lacks_is_got_with_one_command(
    kit: Kit,
    site: Site,
    own_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = curated_models()["sd15-lcm"]
    hub = "https://huggingface.co/latent-consistency/lcm-lora-sdv1-5"
    site.put("https://huggingface.co/api/models/latent-consistency/lcm-lora-sdv1-5", always(body=b"{}"))
    site.put(f"{hub}/resolve/main/pytorch_lora_weights.safetensors", whole(DATA))
    inputs = {"model": ["9", 0], "clip": ["9", 1], "strength_model": 1, "strength_clip": 1}
    workflow = {
        "1": {"class_type": "LoraLoader", "inputs": {"lora_name": known.file, **inputs}},
        "2": {"class_type": "LoraLoader", "inputs": {"lora_name": "nobody_knows.safetensors", **inputs}},
    }
    file = tmp_path / "home" / "workflow.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(workflow))
    get(kit, workflow=file)
    assert (own_home / "models" / "loras" / known.file).read_bytes() == DATA
    said = capsys.readouterr().err
    assert "no source is known: loras/nobody_knows.safetensors" in said
    assert known.licence in said


def test_what_a_preset_lacks_is_looked_for_by_its_name(
    kit: Kit, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get(kit, workflow=Path("Stylize"))
    assert "lacks no model" in capsys.readouterr().err
    assert "checkpoints" in {each.folder for each in what_lacks(Path("reference"))}
    with pytest.raises(BridgeError) as refusal:
        what_lacks(library.PRESETS / "reference.json")
    assert refusal.value.hint == "framebridge models pull --for reference"


def test_what_an_example_lacks_is_looked_for_in_its_file(kit: Kit, own_home: Path) -> None:
    [lacking] = what_lacks(example.EXAMPLES / "text-to-picture.json")
    assert lacking.folder == "checkpoints"


def test_a_workflow_that_cannot_be_read_is_named(kit: Kit, own_home: Path, tmp_path: Path) -> None:
    with pytest.raises(BridgeError) as failure:
        get(kit, workflow=tmp_path / "none.json")
    assert failure.value.code == "file_not_found"
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(BridgeError, match="bad") as failure:
        get(kit, workflow=tmp_path / "bad.json")
    assert failure.value.code == "bad_json"
    with pytest.raises(BridgeError) as failure:
        get(kit)
    assert failure.value.code == "no_source"


def test_folders_and_files_are_added(
    kit: Kit,
    own_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    comfy = tmp_path / "nobody" / "ComfyUI"
    (comfy / "models" / "checkpoints").mkdir(parents=True)
    (comfy / "models" / "loras").mkdir()
    (comfy / "models" / "loras" / "theirs.safetensors").write_bytes(DATA)
    add(None, "", None, False, False, False)
    assert f'models add "{comfy}"' in capsys.readouterr().out
    notes = list(find_unused_folders(Settings()))
    assert [note.state for note in notes] == ["note"]
    assert str(comfy) in notes[0].hint
    list_models("", [], False, True)
    assert json.loads(capsys.readouterr().out)["found"][0]["models"] == 1
    add(comfy, "", None, False, False, False)
    assert "1 models" in capsys.readouterr().out
    list_models("loras", [], False, False)
    assert "theirs.safetensors" in capsys.readouterr().out
    add(comfy, "", None, False, True, False)
    add(None, "", None, False, False, True)
    assert "used from now on" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    add(tmp_path / "empty", "", None, False, False, False)
    assert "neither as ComfyUI's" in capsys.readouterr().out
    add(tmp_path / "empty", "", None, False, True, False)
    source = tmp_path / "mine.safetensors"
    source.write_bytes(DATA)
    add(source, "", None, False, False, False)
    assert (own_home / "models" / "loras" / "mine.safetensors").is_file()
    with pytest.raises(BridgeError) as failure:
        add(tmp_path / "nowhere", "", None, False, False, False)
    assert failure.value.code == "file_not_found"


def test_kinds_and_names_that_are_none_have_a_hint(kit: Kit, own_home: Path) -> None:
    for call in (
        lambda: list_models("lora", [], False, False),
        lambda: info("framebridge-dem", [], False, False),
    ):
        with pytest.raises(BridgeError) as failure:
            call()
        assert failure.value.hint


def test_the_real_command_lists_as_before_and_knows_its_parts(framebridge: Command) -> None:
    plain: subprocess.CompletedProcess[str] = framebridge("models", "--json")
    assert "framebridge-demo" in json.loads(plain.stdout)["models"]["checkpoints"]
    curated = framebridge("models", "list", "--curated", "--json")
    assert "sdxl" in [each["id"] for each in json.loads(curated.stdout)]
    assert "unverified" in framebridge("models", "list", "--curated").stdout
    refused = framebridge("models", "pull", "https://127.0.0.1/x.safetensors", "--yes")
    assert refused.returncode == 2
    assert "private address" in refused.stderr
    help_text = framebridge("models", "--help").stdout
    assert all(word in help_text for word in ("list", "info", "add", "pull", "verify"))
