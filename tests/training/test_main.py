"""The training command as a user meets it: what goes wrong is said, and nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent.parent
FIT = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from training.loop import train
from training.task import Plan

class Slow:
    def __init__(self, model, plan, rank):
        self.model = model
    def draw(self, rng, progress):
        time.sleep(0.01)
        return {}
    def loss(self, inputs):
        return (self.model.weight - 3).square().sum(), {}

import training.loop
training.loop.CHECKPOINT_EVERY_S = 0.2
train(nn.Linear(1, 1, bias=False), Slow, Plan(steps=100_000, rate=0.01, workers=1), Path(sys.argv[1]))
"""


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_machine_without_blender_is_told_how_to_get_it(tmp_path):
    empty = str(tmp_path / "none")
    done = run("-m", "training", "--smoke", "--out", tmp_path / "work", FRAMEBRIDGE_BPY_DIR=empty)
    assert done.returncode == 1
    assert "no working bpy environment" in done.stderr
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_a_model_cannot_be_judged(tmp_path):
    done = run("-m", "training.evaluate", "--model", tmp_path, "--work", tmp_path)
    assert done.returncode == 1
    assert "no exported model" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_training_goes_on_from_its_last_checkpoint(tmp_path):
    checkpoint = tmp_path / "line.pt"
    command = [sys.executable, "-c", FIT, str(checkpoint)]
    steps = []
    for last_words in (signal.SIGKILL, signal.SIGTERM):
        saved = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        with subprocess.Popen(command, cwd=ROOT) as process:
            deadline = time.monotonic() + 60
            while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == saved:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(last_words)
            process.wait(30)
        steps.append(torch.load(checkpoint, weights_only=True)["step"])
    assert 0 < steps[0] < steps[1] < 100_000
