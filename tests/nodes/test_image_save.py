import asyncio
import json

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from bridge import __version__
from bridge.builtin import model_folder
from bridge.engine import Folders, Job, running
from bridge.errors import ExecutionError, InputError
from bridge.imaging import FrameStore, decode_plane, read_workflow, to_plane
from bridge.models import Catalogue
from bridge.nodes.image_save import (
    mask_preview,
    preview_image,
    save_animated_png,
    save_animated_webp,
    save_image,
    save_image_websocket,
)
from bridge.nodes.loaders import checkpoint_loader
from bridge.protocol import Frame

PROMPT = {"4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}}}
PIXELS = np.random.default_rng(1).integers(0, 256, (2, 16, 24, 3), np.uint8)
IMAGES = torch.from_numpy(PIXELS.astype(np.float32) / 255)


@pytest.fixture
def job(tmp_path):
    folders = Folders(*(tmp_path / name for name in ("input", "output", "temp", "frames")))
    folders.input.mkdir()
    return Job(
        "job",
        folders,
        workflow=PROMPT,
        environment={"device": "cpu", "dtype": "float32", "threads": 2, "torch": "2.x"},
        definitions={"CheckpointLoaderSimple": checkpoint_loader.node.definition},
    )


async def save(job, *arguments, node=save_image):
    async with running(job, "9") as shown:
        await node(*arguments)
    return shown["images"]


async def test_pictures_are_saved_with_their_workflow(job):
    extra = {"workflow": {"nodes": []}, "note": "ü"}
    shown = await save(job, IMAGES, "shots/%width%", PROMPT, extra)
    assert shown == [
        {"filename": f"24_0000{count}_.png", "subfolder": "shots", "type": "output"} for count in (1, 2)
    ]
    path = job.folders.output / "shots" / "24_00002_.png"
    np.testing.assert_array_equal(np.asarray(PillowImage.open(path)), PIXELS[1])
    found = read_workflow(path)
    assert found["prompt"] == PROMPT
    assert found["workflow"] == {"nodes": []}
    assert PillowImage.open(path).text["note"] == json.dumps("ü")


async def test_a_picture_says_what_its_pixels_depend_on_and_its_frame_is_kept(job):
    job.frame = Frame({"color": to_plane("color", PIXELS[0]), "depth": to_plane("depth", np.ones((16, 24)))})
    await save(job, IMAGES[:1], "a", PROMPT)
    origin = read_workflow(job.folders.output / "a_00001_.png")["framebridge"]
    digest = Catalogue((), model_folder()).digest("checkpoints", "framebridge-demo")
    assert origin == {
        "version": __version__,
        "frame": job.frame.digest,
        "device": "cpu",
        "dtype": "float32",
        "threads": 2,
        "torch": "2.x",
        "models": {"checkpoints/framebridge-demo": digest},
    }
    assert FrameStore(job.folders.frames).load(origin["frame"]).digest == job.frame.digest


async def test_without_a_frame_none_is_named(job):
    await save(job, IMAGES[:1])
    origin = read_workflow_of_nothing(job.folders.output / "ComfyUI_00001_.png")
    assert origin["frame"] is None
    assert not job.folders.frames.exists()


async def test_pictures_that_a_client_sent_are_no_frame(job):
    job.frame = Frame({"reference:a": to_plane("reference:a", np.zeros((16, 24), np.uint8))})
    await save(job, IMAGES[:1])
    origin = read_workflow_of_nothing(job.folders.output / "ComfyUI_00001_.png")
    assert origin["frame"] is None
    assert not job.folders.frames.exists()


def read_workflow_of_nothing(path):
    return json.loads(PillowImage.open(path).text["framebridge"])


async def test_the_number_within_the_batch_can_be_part_of_the_name(job):
    shown = await save(job, IMAGES, "b%batch_num%")
    assert [entry["filename"] for entry in shown] == ["b0_00001_.png", "b1_00001_.png"]


async def test_workflows_saving_at_once_never_overwrite(job):
    shown = await asyncio.gather(*(save(job, IMAGES, "c") for _ in range(6)))
    assert len({entry["filename"] for images in shown for entry in images}) == 12
    assert len(list(job.folders.output.iterdir())) == 12


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "a/../../x", "..\\..\\x", "C:\\x", "a\0b"])
async def test_prefixes_that_lead_out_are_refused(job, prefix):
    with pytest.raises(InputError) as caught:
        await save(job, IMAGES, prefix)
    assert caught.value.code == "bad_path"
    assert not job.folders.output.exists()


async def test_a_folder_that_cannot_be_written_says_so(job):
    job.folders.output.write_bytes(b"a file in the way")
    with pytest.raises(ExecutionError) as caught:
        await save(job, IMAGES, "sub/a")
    assert caught.value.code == "output_failed"


async def test_frames_that_cannot_be_kept_say_so(job):
    job.frame = Frame({"color": to_plane("color", PIXELS[0])})
    job.folders.frames.write_bytes(b"a file in the way")
    with pytest.raises(ExecutionError) as caught:
        await save(job, IMAGES)
    assert caught.value.code == "output_failed"


async def test_previews_go_to_the_temporary_folder(job):
    (shown,) = await save(job, IMAGES[:1], PROMPT, node=preview_image)
    assert (shown["type"], shown["subfolder"]) == ("temp", "")
    path = job.folders.temp / shown["filename"]
    np.testing.assert_array_equal(np.asarray(PillowImage.open(path)), PIXELS[0])
    assert read_workflow(path)["prompt"] == PROMPT
    assert not job.folders.output.exists()


async def test_masks_are_shown_as_grey_pictures(job):
    (shown,) = await save(job, torch.full((1, 16, 24), 0.2), node=mask_preview)
    assert shown["type"] == "temp"
    assert np.unique(np.asarray(PillowImage.open(job.folders.temp / shown["filename"]))).tolist() == [51]


async def test_pictures_can_be_sent_without_a_file(job):
    sent = []
    job.emit = sent.append
    async with running(job, "9"):
        save_image_websocket(IMAGES)
    (message,) = sent
    np.testing.assert_array_equal([decode_plane(plane) for plane in message.planes], PIXELS)
    assert not job.folders.output.exists()


@pytest.mark.parametrize(("node", "suffix"), [(save_animated_webp, ".webp"), (save_animated_png, ".png")])
async def test_animations_hold_every_frame(job, node, suffix):
    async with running(job, "9") as shown:
        await node(IMAGES, "a/b", fps=4.0, prompt=PROMPT, extra_pnginfo={"workflow": {"nodes": []}})
    name = f"b_00001_{suffix}"
    assert shown == {
        "images": [{"filename": name, "subfolder": "a", "type": "output"}],
        "animated": [True],
    }
    with PillowImage.open(job.folders.output / "a" / name) as animation:
        assert animation.n_frames == 2
        for index, pixels in enumerate(PIXELS):
            animation.seek(index)
            animation.load()
            assert animation.info["duration"] == 250
            np.testing.assert_array_equal(np.asarray(animation.convert("RGB")), pixels)


async def test_an_animated_png_carries_its_workflow_as_any_png(job):
    async with running(job, "9"):
        await save_animated_png(IMAGES, "a", prompt=PROMPT)
    assert read_workflow(job.folders.output / "a_00001_.png")["prompt"] == PROMPT


async def test_an_animated_webp_carries_its_workflow_where_comfyui_looks(job):
    async with running(job, "9"):
        await save_animated_webp(IMAGES, "a", prompt=PROMPT, extra_pnginfo={"workflow": 1, "note": 2})
    with PillowImage.open(job.folders.output / "a_00001_.webp") as animation:
        exif = animation.getexif()
    assert exif[0x0110] == f"prompt:{json.dumps(PROMPT)}"
    assert exif[0x010F] == "workflow:1"
    assert exif[0x010E] == "note:2"
