import json
from pathlib import Path

import pytest

from bridge.cli import presets
from bridge.errors import BridgeError

from .conftest import Command

WORKFLOW = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "clay"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
    "4": {"class_type": "LoadImage", "inputs": {"image": "viewport.png"}},
    "5": {"class_type": "VAEEncode", "inputs": {"pixels": ["4", 0], "vae": ["1", 2]}},
    "6": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["5", 0],
            "seed": 7,
            "steps": 2,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 0.6,
        },
    },
    "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
    "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "x"}},
}


@pytest.fixture
def workflow_file(tmp_path: Path) -> Path:
    file = tmp_path / "sent.json"
    file.write_text(json.dumps(WORKFLOW))
    return file


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))


def test_presets_are_listed_with_what_they_lack(capsys: pytest.CaptureFixture[str]) -> None:
    presets.show_all([], as_json=True)
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["presets"]}
    assert not listed["stylize"]["lacks"]
    assert {"folder": "checkpoints", "name": "sd_xl_base_1.0.safetensors"} in listed["stylize-sdxl"]["lacks"]
    presets.show_all([], as_json=False)
    said = capsys.readouterr().out
    assert "Repaint the viewport" in said
    assert "lacks 3 models" in said


def test_one_preset_is_shown_with_its_controls(capsys: pytest.CaptureFixture[str]) -> None:
    presets.show("reference", [], as_json=False)
    said = capsys.readouterr().out
    assert "look_weight" in said
    assert "picture reference" in said
    assert "lacks checkpoints/v1-5-pruned-emaonly-fp16.safetensors" in said
    presets.show("reference", [], as_json=True)
    assert json.loads(capsys.readouterr().out)["name"] == "reference"


@pytest.mark.parametrize("text", ["{", '{"title": null, "workflow": {}, "controls": []}'])
def test_a_broken_file_of_the_users_is_named_and_the_others_are_listed(
    text: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "presets" / "broken.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    presets.show_all([], as_json=False)
    file.unlink()
    said = capsys.readouterr()
    assert "preset 'broken' cannot be read" in said.err
    assert "stylize" in said.out


def test_a_workflow_becomes_a_preset_and_goes_again(framebridge: Command, workflow_file: Path) -> None:
    choices = ("--title", "My clay", "--feed", "4=color", "--show", "2.text=What")
    assert "stylize" in framebridge("presets").stdout, "as models and packs do, it lists"
    done = framebridge("presets", "save", workflow_file, *choices)
    assert done.returncode == 0, done.stderr
    kept = json.loads(Path(done.stdout.strip()).read_text("utf-8"))
    assert kept["controls"][0]["label"] == "What"
    assert [control["name"] for control in kept["controls"]] == ["prompt", "width", "height"]
    assert kept["workflow"]["5"]["inputs"]["pixels"] == ["framebridge_viewport", 0]
    presets.remove("my-clay")
    with pytest.raises(BridgeError, match="of your own"):
        presets.remove("my-clay")


def test_a_feed_has_a_node_and_a_plane(workflow_file: Path) -> None:
    with pytest.raises(BridgeError) as caught:
        presets.save(workflow_file, "X", "", [], ["4"], replaces=False)
    assert caught.value.code == "bad_feed"
