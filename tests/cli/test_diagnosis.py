import json

import pytest

from bridge.cli import diagnosis

from .conftest import Command


def test_a_sound_machine_gets_a_picture(framebridge: Command) -> None:
    done = framebridge("doctor", "--json")
    findings = {finding["link"]: finding for finding in json.loads(done.stdout)}
    assert findings["picture"]["state"] == "ok"
    assert findings["packages"]["state"] == "ok"
    assert "torch" in findings["device"]["text"]


def test_a_gpu_that_torch_cannot_use_is_named() -> None:
    finding = diagnosis.judge_device(
        "an NVIDIA GPU", {"device": "cpu", "dtype": "float32", "torch": "2.13.0+cpu"}
    )
    assert finding.state == "bad"
    assert "GPU present, torch is CPU-only" in finding.text
    assert "README" in finding.hint


@pytest.mark.parametrize(
    ("gpu", "device"), [("", "cpu"), ("an NVIDIA GPU", "cuda:0"), ("an Apple GPU", "mps")]
)
def test_the_best_device_is_fine(gpu: str, device: str) -> None:
    assert (
        diagnosis.judge_device(gpu, {"device": device, "dtype": "float32", "torch": "2.13.0"}).state == "ok"
    )


def test_an_nvidia_driver_is_seen_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert diagnosis.find_gpu() == "an NVIDIA GPU"
