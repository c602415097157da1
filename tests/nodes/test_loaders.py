"""Opening models by name."""

from pathlib import Path
from typing import Any

import pytest

from bridge.diffusion import Autoencoder, ControlNetwork, DiffusionModel, TextEncoder, free
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError, ModelNotFound
from bridge.nodes.loaders import checkpoint_loader, checkpoint_stamp, controlnet_loader, vae_loader


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path / "models",)))


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    free()


def test_the_demo_checkpoint_is_always_there(job: Job) -> None:
    with running(job, "4"):
        model, clip, vae = checkpoint_loader("framebridge-demo")
    assert isinstance(model, DiffusionModel)
    assert isinstance(clip, TextEncoder)
    assert isinstance(vae, Autoencoder)
    assert not model.unet.is_loaded


def test_the_demo_controlnets_too(job: Job) -> None:
    with running(job, "4"):
        assert isinstance(controlnet_loader("framebridge-demo-depth"), ControlNetwork)


def test_models_come_from_the_jobs_folders(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "models" / "vae" / "broken.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"<html>")
    with running(job, "4"), pytest.raises(ModelError, match="web page"):
        vae_loader("broken.safetensors")


def test_a_missing_checkpoint_is_said(job: Job) -> None:
    with running(job, "4"), pytest.raises(ModelNotFound, match="framebridge-demo"):
        checkpoint_loader("framebridge-dem")


def test_a_changed_file_is_opened_again(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "models" / "checkpoints" / "a.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    with running(job, "4"):
        before = checkpoint_stamp("a.safetensors")
        assert checkpoint_stamp("a.safetensors") == before
        file.write_bytes(b"22")
        assert checkpoint_stamp("a.safetensors") != before
