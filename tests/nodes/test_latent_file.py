"""Latents in files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from bridge.diffusion import LatentBatch
from bridge.engine import Folders, Job, running
from bridge.errors import ExecutionError, InputError
from bridge.nodes.latent_file import latent_stamp, load_latent, save_latent


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path / "in", tmp_path / "out", tmp_path / "temp", tmp_path / "frames"))


def some(batch: int = 1) -> LatentBatch:
    return {"samples": torch.randn(batch, 4, 4, 6, generator=torch.Generator().manual_seed(0))}


async def test_saved_latents_keep_the_workflow_and_load_again(job: Job) -> None:
    async with running(job, "1") as shown:
        await save_latent(some(), "deep/er", {"3": {}}, {"workflow": {"nodes": []}})
    assert shown == {"latents": [{"filename": "er_00001_.latent", "subfolder": "deep", "type": "output"}]}
    file = job.folders.output / "deep" / "er_00001_.latent"
    with safe_open(file, "pt") as opened:
        texts = opened.metadata()
    assert {key: json.loads(value) for key, value in texts.items()} == {
        "prompt": {"3": {}},
        "workflow": {"nodes": []},
    }
    job.folders.input.mkdir()
    file.rename(job.folders.input / "x.latent")
    async with running(job, "1"):
        assert torch.equal(load_latent("x.latent")["samples"], some()["samples"])


async def test_numbers_count_up(job: Job) -> None:
    async with running(job, "1") as shown:
        await save_latent(some(), "a")
        await save_latent(some(), "a")
    assert [entry["filename"] for entry in shown["latents"]] == ["a_00001_.latent", "a_00002_.latent"]
    assert shown["latents"][0]["subfolder"] == ""


async def test_a_name_can_hold_the_size_in_pixels(job: Job) -> None:
    async with running(job, "1") as shown:
        await save_latent(some(), "%width%x%height%")
        await save_latent({**some(), "downscale_ratio_spacial": 4}, "%width%x%height%")
    assert [entry["filename"] for entry in shown["latents"]] == [
        "48x32_00001_.latent",
        "24x16_00001_.latent",
    ]


async def test_without_a_workflow_none_is_kept(job: Job) -> None:
    async with running(job, "1"):
        await save_latent(some(), "a")
    with safe_open(job.folders.output / "a_00001_.latent", "pt") as opened:
        assert not opened.metadata()


async def test_a_folder_that_cannot_be_written_says_so(job: Job) -> None:
    job.folders.output.write_bytes(b"a file in the way")
    async with running(job, "1"):
        with pytest.raises(ExecutionError) as caught:
            await save_latent(some(), "sub/a")
    assert caught.value.code == "output_failed"


@pytest.mark.parametrize("prefix", ["../out", "/etc/x", "C:\\x"])
async def test_latents_stay_in_the_output_folder(job: Job, prefix: str) -> None:
    async with running(job, "1"):
        with pytest.raises(InputError) as caught:
            await save_latent(some(), prefix)
    assert caught.value.code == "bad_path"


def test_latents_come_from_the_input_folder_only(job: Job) -> None:
    with running(job, "1"), pytest.raises(InputError) as caught:
        load_latent("../out/x.latent")
    assert caught.value.code == "bad_path"


def test_a_stamp_changes_with_the_file(job: Job) -> None:
    job.folders.input.mkdir()
    file = job.folders.input / "x.latent"
    with running(job, "1"):
        assert latent_stamp("x.latent") is None
        file.write_bytes(b"1")
        before = latent_stamp("x.latent")
        file.write_bytes(b"22")
        after = latent_stamp("x.latent")
    assert before
    assert after
    assert before != after


async def test_an_annotation_names_another_folder(job: Job) -> None:
    async with running(job, "1"):
        await save_latent(some(), "a")
        torch.testing.assert_close(load_latent("a_00001_.latent [output]")["samples"], some()["samples"])
