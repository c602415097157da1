import asyncio
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from bridge import __version__
from bridge.builtin import model_folder
from bridge.engine import Folders, Job, running
from bridge.errors import ExecutionError, InputError
from bridge.imaging import FrameStore, read_workflow, to_plane
from bridge.models import Catalogue
from bridge.nodes.image_file import load_image, picture_stamp, preview_image, save_image
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


def put(folder, name, pixels, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(pixels).save(path, **options)
    return path


async def save(job, *arguments, node=save_image):
    async with running(job, "9") as shown:
        await node(*arguments)
    return shown["images"]


# ---- reading ---------------------------------------------------------------------------------


def test_a_picture_of_the_input_folder_is_loaded(job):
    put(job.folders.input, "sub/a.png", PIXELS[0])
    with running(job, "1"):
        image, mask = load_image("sub/a.png")
    torch.testing.assert_close(image, IMAGES[:1])
    assert mask.shape == (1, 16, 24)
    assert mask.max() == 0


def test_the_mask_is_white_where_the_picture_is_transparent(job):
    alpha = np.full((16, 24, 1), 255, np.uint8)
    alpha[:, :5] = 0
    put(job.folders.input, "a.png", np.dstack([PIXELS[0], alpha]))
    with running(job, "1"):
        image, mask = load_image("a.png")
    assert image.shape == (1, 16, 24, 3)
    assert mask[0, :, :5].min() == 1
    assert mask[0, :, 5:].max() == 0


@pytest.mark.parametrize("name", ["a.png [output]", "a.png[output]"])
def test_an_annotation_names_another_folder(job, name):
    put(job.folders.output, "a.png", PIXELS[1])
    with running(job, "1"):
        torch.testing.assert_close(load_image(name)[0], IMAGES[1:])
        with pytest.raises(InputError):
            load_image("a.png")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "..\\secret.png [temp]", " [output]", ""])
def test_names_that_lead_out_are_refused(job, name):
    put(job.folders.input.parent, "secret.png", PIXELS[0])
    with running(job, "1"), pytest.raises(InputError) as caught:
        load_image(name)
    assert caught.value.code == "bad_path"


def test_the_fingerprint_changes_with_the_file(job):
    path = put(job.folders.input, "a.png", PIXELS[0])
    with running(job, "1"):
        before = picture_stamp("a.png")
        assert picture_stamp("a.png") == before
        os.utime(path, ns=(1, 1))
        assert picture_stamp("a.png") != before
        assert picture_stamp("none.png") is None
        assert picture_stamp("../a.png") is None


# ---- writing ---------------------------------------------------------------------------------


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
    digest = Catalogue((), model_folder()).digest(model_folder())
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
