"""Mixing and saving models by nodes."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import safe_open

from bridge.builtin import model_folder
from bridge.diffusion import free, load_checkpoint, write_state
from bridge.engine import Folders, Job, running
from bridge.errors import ExecutionError
from bridge.nodes import merging
from bridge.nodes.merging import clip_merge_simple, clip_save, model_merge_subtract, vae_save


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    yield Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path))
    free()


async def test_saved_files_count_upwards_and_hold_the_workflow(job: Job, tmp_path: Path) -> None:
    _, clip, vae = load_checkpoint(model_folder(), "demo")
    async with running(job, "9"):
        for _ in range(2):
            await vae_save(vae, prompt={"9": {}}, extra_pnginfo={"workflow": [1]})
        await clip_save(clip)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert names == [
        "clip/ComfyUI_clip_l_00001_.safetensors",
        "vae/ComfyUI_vae_00001_.safetensors",
        "vae/ComfyUI_vae_00002_.safetensors",
    ]
    with safe_open(tmp_path / names[1], framework="pt") as file:
        assert file.metadata() == {"prompt": '{"9": {}}', "workflow": "[1]"}


async def test_a_cancelled_save_leaves_nothing_behind(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker cancels: the flag is set, then the task that waits for the writing thread is cancelled."""
    _, _, vae = load_checkpoint(model_folder(), "demo")
    began, goes_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Path:
        began.set()
        goes_on.wait()
        path = write_state(*arguments)
        ended.set()
        return path

    monkeypatch.setattr(merging, "write_state", slow)
    async with running(job, "9"):
        saving = asyncio.create_task(vae_save(vae))
        await asyncio.to_thread(began.wait)
    job.cancel()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    goes_on.set()
    await asyncio.to_thread(ended.wait)
    for _ in range(100):
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        if not left:
            break
        await asyncio.sleep(0.01)
    assert not left


async def test_a_full_disk_is_said(job: Job, tmp_path: Path) -> None:
    _, _, vae = load_checkpoint(model_folder(), "demo")
    (tmp_path / "vae").write_bytes(b"a file in the way")
    async with running(job, "9"):
        with pytest.raises(ExecutionError) as caught:
            await vae_save(vae)
    assert caught.value.code == "output_failed"


def test_a_model_less_itself_is_nothing() -> None:
    model, clip, _ = load_checkpoint(model_folder(), "demo")
    nothing = model_merge_subtract(model, model, 3.0).unet.module()
    assert not any(bool(parameter.any()) for parameter in nothing.parameters())
    same = clip_merge_simple(clip, clip, 0.3).towers[0].network.module()
    for mine, first in zip(same.parameters(), clip.towers[0].network.module().parameters(), strict=True):
        torch.testing.assert_close(mine, first)
    free()
