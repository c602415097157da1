import os

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from bridge.engine import Folders, Job, running
from bridge.errors import InputError
from bridge.nodes.image_load import (
    load_image,
    load_image_mask,
    load_image_output,
    output_stamp,
    picture_stamp,
)

PIXELS = np.random.default_rng(1).integers(0, 256, (2, 16, 24, 3), np.uint8)
IMAGES = torch.from_numpy(PIXELS.astype(np.float32) / 255)


@pytest.fixture
def job(tmp_path):
    folders = Folders(*(tmp_path / name for name in ("input", "output", "temp", "frames")))
    folders.input.mkdir()
    return Job("job", folders)


def put(folder, name, pixels, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(pixels).save(path, **options)
    return path


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


@pytest.mark.parametrize("format", ["WEBP", "PNG"])
def test_an_animation_is_a_batch(job, format):
    first, second = map(PillowImage.fromarray, PIXELS)
    path = job.folders.input / "a.png"
    first.save(path, format, save_all=True, append_images=[second], lossless=True)
    with running(job, "1"):
        images, masks = load_image("a.png")
        alpha = load_image_mask("a.png", "alpha")
    torch.testing.assert_close(images, IMAGES)
    assert masks.shape == (2, 16, 24)
    assert alpha.shape == (1, 16, 24)


def test_pictures_are_turned_upright(job):
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    put(job.folders.input, "a.png", PIXELS[0], exif=exif)
    with running(job, "1"):
        torch.testing.assert_close(load_image("a.png")[0], IMAGES[:1].rot90(1, (2, 1)))


def test_a_palette_may_be_transparent(job):
    pixels = np.zeros((16, 24), np.uint8)
    pixels[:4] = 1
    picture = PillowImage.fromarray(pixels).convert("P")
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.save(job.folders.input / "a.png", transparency=1)
    with running(job, "1"):
        image, mask = load_image("a.png")
    assert image[0, 10, 0].tolist() == [1, 0, 0]
    assert mask[0, :4].min() == 1
    assert mask[0, 4:].max() == 0


def test_channels_are_masks_and_alpha_is_inverted(job):
    alpha = np.full((16, 24, 1), 51, np.uint8)
    put(job.folders.input, "a.png", np.dstack([PIXELS[0], alpha]))
    put(job.folders.input, "b.png", PIXELS[0])
    with running(job, "1"):
        torch.testing.assert_close(load_image_mask("a.png", "alpha"), torch.full((1, 16, 24), 0.8))
        torch.testing.assert_close(load_image_mask("a.png", "green"), IMAGES[:1, ..., 1])
        assert not load_image_mask("b.png", "alpha").any()


def test_what_was_saved_is_loaded_from_the_output_folder(job):
    put(job.folders.output, "a.png", PIXELS[1])
    with running(job, "1"):
        for name in ("a.png", "a.png [output]"):
            torch.testing.assert_close(load_image_output(name)[0], IMAGES[1:])
            assert output_stamp(name)


def test_a_damaged_picture_is_named(job):
    (job.folders.input / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    with running(job, "1"), pytest.raises(InputError, match=r"a\.png") as caught:
        load_image("a.png")
    assert caught.value.code == "bad_image"
