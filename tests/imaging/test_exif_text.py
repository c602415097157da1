import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from bridge.errors import InputError
from bridge.imaging import encode_animated_webp, has_exif, read_exif_workflow


def picture(kind, **fields):
    exif = PillowImage.Exif()
    for tag, text in zip((0x0110, 0x010F, 0x010E), fields.values(), strict=False):
        exif[tag] = text
    file = io.BytesIO()
    PillowImage.new("RGB", (8, 8)).save(file, kind, exif=exif)
    return file.getvalue()


def problem_of(data):
    with pytest.raises(InputError) as caught:
        read_exif_workflow(data, "a.webp")
    return caught.value


@pytest.mark.parametrize("kind", ["WEBP", "JPEG"])
def test_workflow_of_comfyui_is_found(kind):
    data = picture(kind, prompt='prompt:{"1": {}}', workflow='Workflow:{"nodes": []}', other="a camera")
    assert has_exif(data)
    assert read_exif_workflow(data, "a") == {
        "prompt": {"1": {}},
        "workflow": {"nodes": []},
        "framebridge": None,
    }


def test_our_animations_are_read():
    texts = {"prompt": '{"1": {}}', "workflow": "[]", "framebridge": '{"torch": "2"}'}
    frames = [np.full((16, 16, 3), grey, np.uint8) for grey in (0, 255)]
    data = encode_animated_webp(frames, 8, is_lossless=True, quality=80, effort=0, texts=texts)
    found = read_exif_workflow(data, "a.webp")
    assert found == {"prompt": {"1": {}}, "workflow": [], "framebridge": {"torch": "2"}}


def test_picture_without_a_workflow_says_so():
    assert problem_of(picture("WEBP", model="X100")).code == "no_workflow"


def test_damaged_picture_is_refused():
    assert problem_of(picture("WEBP", prompt="prompt:{}")[:60]).code == "bad_image"


@pytest.mark.parametrize("data", [b"", b"{}", b"\x89PNG\r\n\x1a\n", b"RIFF0000WAVE"])
def test_other_files_have_none(data):
    assert not has_exif(data)
