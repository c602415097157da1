import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bridge.cli.workflow import StepBar
from bridge.imaging import insert_texts, read_workflow
from bridge.protocol import Progress

from .conftest import Command

EXIT_USAGE = 2


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_demo_writes_a_sheet_and_pictures_with_their_workflow(demo: Path) -> None:
    pictures = sorted(demo.glob("*_00001_.png"))
    assert len(pictures) >= 6
    assert pixels(demo / "demo.png").shape[1] > 4 * 512
    distinct = {pixels(path).tobytes() for path in pictures}
    assert len(distinct) == len(pictures)
    for path in pictures:
        kept = read_workflow(path)
        assert kept["prompt"]["4"]["class_type"] == "CheckpointLoaderSimple"
        assert kept["framebridge"]["frame"]
        assert kept["framebridge"]["torch"]
        assert set(kept["framebridge"]["models"]) >= {"checkpoints/framebridge-demo"}


def test_a_saved_picture_is_made_again_pixel_for_pixel(
    demo: Path, framebridge: Command, tmp_path: Path
) -> None:
    picture = next(demo.glob("neon*.png"))
    done = framebridge("run", picture, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["warnings"] == []
    assert np.array_equal(pixels(picture), pixels(Path(report["files"][0])))


def test_another_seed_gives_another_picture_and_other_models_and_threads_are_warned_about(
    demo: Path, framebridge: Command, tmp_path: Path
) -> None:
    picture = next(demo.glob("neon*.png"))
    kept = read_workflow(picture)
    kept["framebridge"] |= {"threads": 99}
    kept["framebridge"]["models"]["checkpoints/framebridge-demo"] = "0" * 64
    plain = tmp_path / "plain.png"
    Image.fromarray(pixels(picture)).save(plain)
    texts = {key: json.dumps(kept[key]) for key in ("prompt", "framebridge")}
    changed = tmp_path / "changed.png"
    changed.write_bytes(insert_texts(plain.read_bytes(), texts))
    done = framebridge("run", changed, "--set", "3.seed=7", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "threads 99" in done.stderr
    assert "another file" in done.stderr
    made = Path(done.stdout.strip())
    assert made.parent == tmp_path / "out"
    assert not np.array_equal(pixels(picture), pixels(made))
    assert read_workflow(made)["prompt"]["3"]["inputs"]["seed"] == 7


def test_a_frame_that_is_kept_no_more_is_missing(
    demo: Path, framebridge: Command, home: Path, tmp_path: Path
) -> None:
    frames = home / "frames"
    shutil.move(frames, home / "hidden")
    try:
        done = framebridge("run", next(demo.glob("neon*.png")), "--out", tmp_path)
    finally:
        shutil.rmtree(frames, ignore_errors=True)
        shutil.move(home / "hidden", frames)
    assert done.returncode == EXIT_USAGE
    assert "[frame_missing]" in done.stderr


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{nonsense", "bad_json"),
        ('{"nodes": [], "links": [], "version": 0.4}', "no_outputs"),
        ("{}", "no_outputs"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused(
    framebridge: Command, tmp_path: Path, content: str, code: str
) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(content)
    done = framebridge("run", file, "--out", tmp_path)
    assert done.returncode == EXIT_USAGE
    assert f"[{code}]" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_drawing_of_the_editor_is_run_and_kept(framebridge: Command, tmp_path: Path) -> None:
    nodes: list[dict[str, Any]] = [
        {"id": 1, "type": "EmptyImage", "widgets_values": [16, 16, 1, 0xFF0000]},
        {"id": 2, "type": "SaveImage", "widgets_values": ["w%EmptyImage.width%"]},
        {"id": 3, "type": "SaveImage", "widgets_values": ["unwired"]},
    ]
    nodes[1]["inputs"] = [{"name": "images", "type": "IMAGE", "link": 1}]
    drawing = {"nodes": nodes, "links": [[1, 1, 0, 2, 0, "IMAGE"]], "version": 0.4}
    file = tmp_path / "drawing.json"
    file.write_text(json.dumps(drawing))
    done = framebridge("run", file, "--set", "1.color=65280", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    picture = Path(done.stdout.strip())
    assert picture.name.startswith("w16_")
    assert pixels(picture)[0, 0].tolist() == [0, 255, 0]
    assert read_workflow(picture)["workflow"] == drawing
    assert "warning: node 3.images" in done.stderr


def test_every_fault_of_a_workflow_is_printed(framebridge: Command, tmp_path: Path) -> None:
    workflow = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 0, "height": 64, "batch_size": 1, "color": 0}},
        "2": {"class_type": "SaveImages", "inputs": {"images": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    }
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow))
    done = framebridge("run", file, "--out", tmp_path)
    assert done.returncode == EXIT_USAGE
    assert "[out_of_range] node 1.width" in done.stderr
    assert '"SaveImage"' in done.stderr
    assert "[missing_input] node 3.filename_prefix" in done.stderr


@pytest.mark.parametrize(
    ("only", "name", "colour"), [("10", "x_", [255, 0, 0]), ("20", "framebridge", [0, 255, 0])]
)
def test_one_of_several_outputs_is_run_alone_and_saved_even_if_it_only_sends(
    framebridge: Command, tmp_path: Path, only: str, name: str, colour: list[int]
) -> None:
    size = {"width": 16, "height": 16, "batch_size": 1}
    colours = {"1": 0xFF0000, "2": 0x00FF00, "3": 0x0000FF}
    outputs = {
        "10": ("SaveImage", {"filename_prefix": "x"}),
        "20": ("SendToHost", {}),
        "30": ("SendToHost", {}),
    }
    workflow = {
        **{
            node: {"class_type": "EmptyImage", "inputs": {**size, "color": color}}
            for node, color in colours.items()
        },
        **{
            node: {"class_type": kind, "inputs": {"images": [node[0], 0], **inputs}}
            for node, (kind, inputs) in outputs.items()
        },
    }
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow))
    done = framebridge("run", file, "--only", only, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    [made] = (tmp_path / "out").rglob("*.png")
    assert made.name.startswith(name)
    assert pixels(made)[0, 0].tolist() == colour


def test_a_workflow_with_a_viewport_needs_a_frame(framebridge: Command, demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(read_workflow(next(demo.glob("neon*.png")))["prompt"]))
    done = framebridge("run", file, "--out", tmp_path)
    assert "[no_frame] node 10" in done.stderr
    assert "--frame" in done.stderr


@pytest.mark.parametrize("is_quiet", [False, True])
def test_how_a_model_is_loaded_for_which_memory_is_short_is_printed_once(
    is_quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    detail = "Flux needs 11.2 GB, 9.8 GB are free: [T5] moves out"
    with StepBar({"3": {"class_type": "KSampler"}}, is_quiet=is_quiet) as steps:
        for value in range(3):
            steps.follow(Progress("3", value, 3, job="j", detail=detail))
    assert capsys.readouterr().err.count(detail) == (0 if is_quiet else 1)


PACK = """
import torch

class Grey:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "packs"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        return (torch.full((1, 16, 16, 3), 0.2),)

NODE_CLASS_MAPPINGS = {"Grey": Grey}
"""


def test_nodes_of_a_pack_run_without_a_daemon(framebridge: Command, tmp_path: Path) -> None:
    (tmp_path / "grey_pack.py").write_text(PACK)
    workflow = {
        "1": {"class_type": "Grey", "inputs": {}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "grey"}},
    }
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(workflow))
    done = framebridge("run", file, "--custom-nodes", tmp_path / "grey_pack.py", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (pixels(Path(done.stdout.strip())) == 51).all()
