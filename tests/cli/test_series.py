"""``run --prompts`` and ``grid``: many pictures with one worker."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bridge.cli.series import is_same, saving_as
from bridge.imaging import read_texts, read_workflow
from bridge.prompts import TEMPLATE_TEXT

from .conftest import Command

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

WORKFLOW: Mapping[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
            "seed": 5,
            "steps": 1,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "toon"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": ""}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
}


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("workflow") / "workflow.json"
    file.write_text(json.dumps(WORKFLOW))
    return file


def test_one_picture_a_prompt_what_fails_is_told_and_what_is_made_is_known_again(
    framebridge: Command, workflow: Path, tmp_path: Path
) -> None:
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "hour.txt").write_text("night\nsunset\n")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("# my list\n(neon:1.2), gold\n\nclay __hour__\n__huor__\n", encoding="utf-8-sig")
    out = tmp_path / "out"
    command = ("run", workflow, "--prompts", prompts, "--wildcards", tmp_path / "wildcards", "--out", out)
    done = framebridge(*command, "--variants", "2", "--json")
    assert done.returncode == EXIT_FAILED
    report = json.loads(done.stdout)
    assert [entry["state"] for entry in report["pictures"]] == ["made", "made", "made", "failed"]
    assert "line 5" in done.stderr
    assert "Did you mean __hour__?" in done.stderr
    assert "Traceback" not in done.stderr
    files = [Path(entry["files"][0]) for entry in report["pictures"][:3]]
    assert files[0].name == "01-neon-gold_00001_.png"
    texts = [read_workflow(file)["prompt"]["6"]["inputs"]["text"] for file in files]
    assert texts[0] == "(neon:1.2), gold"
    assert set(texts[1:]) <= {"clay night", "clay sunset"}
    assert json.loads(read_texts(files[1])[TEMPLATE_TEXT]) == {"6.text": "clay __hour__"}
    assert TEMPLATE_TEXT not in read_texts(files[0])
    made = read_workflow(files[1])["prompt"]
    assert is_same(files[1], made, None)
    assert not is_same(files[1], made, "0" * 64)
    assert not is_same(files[0], made, None)
    assert not is_same(prompts, made, None)


def test_a_grid_is_a_sheet_and_its_pictures_and_marks_what_failed(
    framebridge: Command, workflow: Path, tmp_path: Path
) -> None:
    done = framebridge(
        "grid", workflow, "--x", '6.text="neon, red",clay', "--y", "3.steps=1,2,0,many",
        "--set", "5.width=128", "--out", tmp_path, "--json",
    )  # fmt: skip
    assert done.returncode == EXIT_FAILED
    report = json.loads(done.stdout)
    assert [entry["state"] for entry in report["pictures"]] == ["made"] * 4 + ["failed"] * 4
    assert "steps: 0" in done.stderr
    assert "steps: many" in done.stderr
    assert "hint:" in done.stderr
    files = [Path(entry["files"][0]) for entry in report["pictures"][:4]]
    prompts = [read_workflow(file)["prompt"] for file in files]
    assert [(each["6"]["inputs"]["text"], each["3"]["inputs"]["steps"]) for each in prompts] == [
        (text, steps) for steps in (1, 2) for text in ("neon, red", "clay")
    ]
    sheet = np.asarray(Image.open(report["sheet"]))
    for file in files:
        picture = np.asarray(Image.open(file))
        height, width = picture.shape[:2]
        assert (height, width) == (64, 128)
        corners = np.argwhere((sheet == picture[0, 0]).all(axis=2))
        places = (sheet[top : top + height, left : left + width] for top, left in corners)
        assert any(np.array_equal(place, picture) for place in places), f"{file.name} is not on the sheet"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_keeps_what_is_made_and_the_partial_sheet(workflow: Path, home: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bridge",
        "grid",
        str(workflow),
        "--x",
        "3.seed=1..50",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FRAMEBRIDGE_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_INTERRUPTED
    assert "interrupted" in said
    assert "Traceback" not in said
    assert Path(first).exists()
    [sheet] = tmp_path.glob("grid_*.png")
    assert str(sheet) in said


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "no_prompts"), (b"\x89PNG\r\n\x1a\n\0", "not_text"), (None, "prompts_too_large")],
    ids=["empty", "binary", "100 MB"],
)
def test_a_bad_prompt_file_is_refused_at_once(
    framebridge: Command, workflow: Path, tmp_path: Path, data: bytes | None, code: str
) -> None:
    prompts = tmp_path / "prompts.txt"
    if data is None:
        with prompts.open("wb") as file:
            file.truncate(100 * 1024 * 1024)
    else:
        prompts.write_bytes(data)
    done = framebridge("run", workflow, "--prompts", prompts, "--out", tmp_path / "out")
    assert done.returncode == EXIT_USAGE
    assert f"[{code}]" in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "w.json", "--preset", "stylize"),
        ("run", "w.json", "--variants", "3"),
        ("run", "w.json", "--prompt", "x", "--only", "9"),
        ("grid", "w.json", "--x", "3.seed"),
        ("grid", "w.json", "--x", "3.seed=1..20", "--y", "3.steps=1..21"),
    ],
)
def test_what_makes_no_sense_together_is_wrong_usage(
    framebridge: Command, arguments: tuple[str, ...]
) -> None:
    done = framebridge(*arguments)
    assert done.returncode == EXIT_USAGE
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_a_wrong_axis_of_a_preset_is_told_what_its_controls_look_like(framebridge: Command) -> None:
    done = framebridge("grid", "--preset", "stylize", "--x", "steps")
    assert (done.returncode, "steps=2,4,8" in done.stderr) == (EXIT_USAGE, True)


def kinds(workflow: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: f"{node['class_type']} {node['inputs'].get('filename_prefix')}" for key, node in workflow.items()
    }


def test_whatever_a_workflow_saves_sends_or_shows_is_saved_under_the_name() -> None:
    save, send = (
        {"class_type": "SaveImage", "inputs": {}},
        {"class_type": "SendToHost", "inputs": {"images": ["0", 0]}},
    )
    show = {"class_type": "PreviewImage", "inputs": {}}
    assert kinds(saving_as({"1": save, "2": send}, "n")) == {"1": "SaveImage n", "2": "SendToHost None"}
    assert kinds(saving_as({"2": send, "3": show}, "n"))["save1"] == "SaveImage n"
    assert kinds(saving_as({"3": show}, "n")) == {"3": "SaveImage n"}
