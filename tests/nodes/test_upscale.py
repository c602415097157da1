"""Enlarging pictures with Real-ESRGAN's own weights."""

from pathlib import Path
from typing import Any

import pytest
import torch

from bridge.diffusion import choose_placement, free, set_placement
from bridge.engine import Folders, Job, running
from bridge.errors import ModelNotFound
from bridge.models import packaged
from bridge.nodes.upscale import image_upscale_with_model, upscale_model_loader


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path / "models",)))


@pytest.fixture(autouse=True)
def _on_the_cpu() -> Any:
    set_placement(choose_placement("cpu"))
    yield
    free()


async def test_real_esrgan_works_out_of_the_box(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged, "user_cache_path", lambda *_, **__: tmp_path)
    image = torch.zeros(1, 24, 24, 3)
    image[:, :, 12:] = 0.75  # an edge that is to stay sharp
    async with running(job, "1"):
        for name in ("RealESRGAN_x4plus", "RealESRGAN_x4plus_anime_6B", "realesr-animevideov3"):
            result = await image_upscale_with_model(upscale_model_loader(name), image)
            assert result.shape == (1, 96, 96, 3)
            halves = result[:, 16:80, 16:44], result[:, 16:80, 52:80]
            assert halves[0].mean() == pytest.approx(0, abs=0.03)
            assert halves[1].mean() == pytest.approx(0.75, abs=0.03)


def test_the_stamp_is_of_the_file(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "models" / "upscale_models" / "a.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    with running(job, "1"):
        before = upscale_model_loader.node.fingerprint(model_name="a.safetensors")
        file.write_bytes(b"22")
        assert upscale_model_loader.node.fingerprint(model_name="a.safetensors") != before


def test_a_missing_model_names_the_nearest(job: Job) -> None:
    with running(job, "1"), pytest.raises(ModelNotFound, match='nearest: "RealESRGAN_x4plus"'):
        upscale_model_loader("RealESRGAN_x4plus.pth")
