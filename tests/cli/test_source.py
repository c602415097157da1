"""What ``framebridge run`` is given."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bridge.builtin import Example, examples
from bridge.builtin.example import EXAMPLES
from bridge.builtin.library import PRESETS
from bridge.cli.source import read_source
from bridge.errors import BridgeError, InputError
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition
from bridge.imaging import insert_texts

DEFINITIONS = {
    "Grey": NodeDefinition(
        "Grey",
        "test",
        inputs=(InputDefinition("width", "INT"),),
        outputs=(OutputDefinition("IMAGE", "IMAGE"),),
    ),
}
API = {"1": {"class_type": "Grey", "inputs": {"width": 8}}}
DRAWING = {"nodes": [{"id": 1, "type": "Grey", "widgets_values": [8]}], "links": []}


def png(path: Path, **texts: Any) -> Path:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    path.write_bytes(insert_texts(file.getvalue(), {key: json.dumps(text) for key, text in texts.items()}))
    return path


@pytest.mark.parametrize("data", [DRAWING, {"prompt": DRAWING}])
def test_drawing_is_converted_once_the_nodes_are_known(tmp_path: Path, data: Any) -> None:
    file = tmp_path / "drawing.json"
    file.write_text(json.dumps(data))
    source = read_source(file)
    assert source.extra == {"workflow": DRAWING}
    assert source.converted(DEFINITIONS).workflow == API
    assert source.converted(DEFINITIONS).extra == {"workflow": DRAWING}


def test_picture_may_hold_the_drawing_alone(tmp_path: Path) -> None:
    source = read_source(png(tmp_path / "a.png", workflow=DRAWING))
    assert source.converted(DEFINITIONS).workflow == API
    assert source.extra == {"workflow": DRAWING}


def test_what_runs_counts_more_than_the_drawing_of_a_picture(tmp_path: Path) -> None:
    other = {"1": {"class_type": "Grey", "inputs": {"width": 9}}}
    source = read_source(png(tmp_path / "a.png", prompt=other, workflow=DRAWING, framebridge={"torch": "2"}))
    assert source.converted(DEFINITIONS).workflow == other
    assert (source.extra, source.origin) == ({"workflow": DRAWING}, {"torch": "2"})


def test_webp_tells_its_workflow_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = f"prompt:{json.dumps(API)}", f"workflow:{json.dumps(DRAWING)}"
    Image.new("RGB", (16, 16)).save(tmp_path / "a.webp", exif=exif)
    source = read_source(tmp_path / "a.webp")
    assert (source.workflow, source.extra) == (API, {"workflow": DRAWING})


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_file_of_an_example_is_its_workflow(example: Example) -> None:
    source = read_source(EXAMPLES / f"{example.name}.json")
    assert (source.workflow, source.is_example) == (example.workflow, True)


def test_file_of_a_preset_names_the_command_that_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    relight = PRESETS / "relight.json"
    with pytest.raises(InputError, match='"Relight"') as refusal:
        read_source(relight)
    assert (refusal.value.code, refusal.value.hint) == ("preset_file", "framebridge run --preset relight")
    passed_on = tmp_path / "Dusk.json"
    passed_on.write_bytes(relight.read_bytes())
    with pytest.raises(InputError) as refusal:
        read_source(passed_on)
    assert (
        refusal.value.hint == f"Put the file into {tmp_path / 'presets'}, then: framebridge run --preset dusk"
    )


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "bad_json"),
        ("[]", "bad_workflow"),
        ('{"prompt": []}', "bad_node"),
        ('{"prompt": {}}', "no_outputs"),
        ('{"title": "a", "workflow": {}}', "no_outputs"),
    ],
)
def test_what_is_no_workflow_is_refused(tmp_path: Path, content: str, code: str) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(content)
    with pytest.raises(BridgeError) as caught:
        read_source(file)
    assert caught.value.code == code


def test_drawing_of_nothing_that_runs_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "drawing.json"
    file.write_text('{"nodes": [], "links": []}')
    with pytest.raises(BridgeError) as caught:
        read_source(file).converted(DEFINITIONS)
    assert caught.value.code == "no_outputs"
