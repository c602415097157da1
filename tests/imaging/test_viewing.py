"""Pictures for ComfyUI's clients, and the program that makes them."""

import io
import json

import pytest
from PIL import Image

from bridge.errors import InputError
from bridge.imaging.viewing import serve, view, with_alpha


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (32, 24), (200, 100, 50, 128)).save(path)
    return path


def opened(viewed) -> Image.Image:
    media_type, data = viewed
    made = Image.open(io.BytesIO(data))
    assert media_type == f"image/{made.format.lower()}"
    return made


@pytest.mark.parametrize(
    ("preview", "channel", "kind", "mode"),
    [
        ("webp;50", "rgba", "WEBP", "RGBA"),
        ("webp", "rgb", "WEBP", "RGB"),
        ("jpeg;80", "rgb", "JPEG", "RGB"),
        ("jpeg;80", "rgba", "WEBP", "RGBA"),
        ("", "rgb", "PNG", "RGB"),
        ("", "a", "PNG", "RGBA"),
    ],
)
def test_a_view_has_the_form_that_was_asked_for(picture, preview, channel, kind, mode):
    made = opened(view(picture, preview, channel))
    assert (made.format, made.mode, made.size) == (kind, mode, (32, 24))


def test_quality_counts(tmp_path):
    path = tmp_path / "noise.png"
    Image.effect_noise((64, 64), 80).save(path)
    assert len(view(path, "webp;5", "rgb")[1]) < len(view(path, "webp;999", "rgb")[1])


def test_a_mask_of_another_size_is_refused(picture, tmp_path):
    mask = tmp_path / "mask.png"
    Image.new("RGBA", (64, 64)).save(mask)
    with pytest.raises(InputError, match="64×64") as error:
        with_alpha(picture, mask)
    assert error.value.code == "mask_mismatch"


def test_a_jpeg_gets_an_alpha_too(picture, tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (32, 24), (9, 9, 9)).save(path)
    assert opened(with_alpha(path, picture)).getpixel((1, 1))[3] == 128


def test_the_program_answers_every_request_in_turn(picture, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    asked = [
        {"do": "view", "with": {"path": str(picture), "preview": "webp", "channel": "rgb"}},
        {"do": "view", "with": {"path": str(broken), "preview": "webp", "channel": "rgb"}},
        {"do": "view", "with": {}},
        {"do": "with_alpha", "with": {"original": str(picture), "mask": str(picture)}},
    ]
    answers = io.BytesIO()
    serve(io.BytesIO("".join(json.dumps(each) + "\n" for each in asked).encode()), answers)
    answers.seek(0)
    heads = []
    for _ in asked:
        heads.append(json.loads(answers.readline()))
        answers.read(heads[-1]["bytes"])
    codes = [head.get("problem", {}).get("code") or head["type"] for head in heads]
    assert codes == ["image/webp", "bad_image", "internal_error", "image/png"]
    assert not answers.read()
