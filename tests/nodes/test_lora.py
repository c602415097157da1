"""LoRA nodes on the built-in checkpoint."""

from pathlib import Path

import pytest

from bridge.builtin import model_folder
from bridge.diffusion import load_checkpoint
from bridge.engine import Folders, Job, running
from bridge.errors import ModelNotFound
from bridge.nodes.lora import lora_loader, lora_loader_model_only

CHALKBOARD = "framebridge-demo-chalkboard"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path / "models",)))


def test_the_demo_lora_fits_the_demo_checkpoint(job: Job) -> None:
    model, clip, _ = load_checkpoint(model_folder(), "demo")
    with running(job, "4"):
        changed, text = lora_loader(model, clip, CHALKBOARD)
        only = lora_loader_model_only(model, CHALKBOARD)
    assert changed.unet.name == only.unet.name == f'{model.unet.name}, LoRA "{CHALKBOARD}"'
    assert len(text.towers) == 1
    assert not model.unet.is_loaded


def test_a_strength_of_zero_changes_nothing(job: Job) -> None:
    model, clip, _ = load_checkpoint(model_folder(), "demo")
    with running(job, "4"):
        assert lora_loader(model, clip, CHALKBOARD, 0.0, 0.0) == (model, clip)


def test_a_changed_file_is_opened_again(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "models" / "loras" / "a.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    with running(job, "4"):
        before = lora_loader.node.fingerprint(lora_name="a.safetensors")
        file.write_bytes(b"22")
        assert lora_loader.node.fingerprint(lora_name="a.safetensors") != before


def test_a_missing_lora_is_said_with_the_nearest(job: Job) -> None:
    model, clip, _ = load_checkpoint(model_folder(), "demo")
    with running(job, "4"), pytest.raises(ModelNotFound, match=CHALKBOARD):
        lora_loader(model, clip, "framebridge-demo-chalk")
