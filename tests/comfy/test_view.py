"""``/view``: what is shown, as what, and what is refused."""

import io

import pytest
from PIL import Image
from starlette.responses import StreamingResponse

from bridge.comfy.view import file_answer
from bridge.server import PIECE_BYTES

PIXELS = (200, 100, 50, 128)


@pytest.fixture
def picture(site) -> bytes:
    """A transparent PNG, ``look.png`` in the output folder and in its folder ``sub``."""
    buffer = io.BytesIO()
    Image.new("RGBA", (32, 24), PIXELS).save(buffer, "PNG")
    for name in ("look.png", "sub/look.png"):
        path = site.home / "output" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


def opened(answer) -> Image.Image:
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    "query",
    [
        "filename=look.png",
        "filename=look.png&type=output&subfolder=sub",
        "filename=sub/look.png",
        "filename=look.png%20%5Boutput%5D&type=input",
    ],
)
def test_a_picture_is_answered_as_it_is(site, picture, query):
    for path in ("/view", "/api/view"):
        answer = site.http.get(f"{path}?{query}")
        assert answer.status_code == 200
        assert answer.content == picture
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"] == 'filename="look.png"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("filename=", 400),
        ("filename=/etc/passwd", 400),
        ("filename=../daemon.json", 400),
        ("filename=look.png&type=models", 400),
        ("filename=look.png&subfolder=..", 403),
        ("filename=look.png&subfolder=/etc", 403),
        ("filename=none.png", 404),
        ("filename=none.png&preview=webp", 404),
        ("filename=sub", 404),
    ],
)
def test_what_is_not_there_or_outside_is_refused(site, picture, query, status):
    assert site.http.get(f"/view?{query}").status_code == status


def test_a_link_out_of_the_folder_is_refused(site):
    (site.home / "output" / "link.png").symlink_to(site.home / "daemon.json")
    assert site.http.get("/view?filename=link.png").status_code == 400


@pytest.mark.parametrize("name", ["page.png", "page.html", "page.svg", "run.js", "notes"])
def test_what_is_no_picture_is_a_download_whatever_its_name(site, name):
    (site.home / "output" / name).write_bytes(b"<svg onload=alert(1)>")
    answer = site.http.get(f"/view?filename={name}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_a_name_with_other_letters_is_told_in_both_ways(site, picture):
    (site.home / "output" / 'bild "ä".png').write_bytes(picture)
    answer = site.http.get("/view", params={"filename": "bild ä.png"})
    assert answer.status_code == 404
    (site.home / "output" / "bild ä.png").write_bytes(picture)
    answer = site.http.get("/view", params={"filename": "bild ä.png"})
    told = answer.headers["content-disposition"]
    assert told == "filename=\"bild _.png\"; filename*=UTF-8''bild%20%C3%A4.png"


def test_a_large_file_arrives_whole(site):
    data = bytes(range(256)) * 4 * 1024 * 20
    (site.home / "output" / "large.bin").write_bytes(data)
    answer = site.http.get("/view?filename=large.bin")
    assert answer.headers["content-length"] == str(len(data))
    assert answer.content == data


async def test_of_a_large_file_little_is_in_memory_at_once(tmp_path):
    for size, is_in_pieces in ((PIECE_BYTES, False), (PIECE_BYTES + 1, True)):
        (tmp_path / "file.bin").write_bytes(bytes(size))
        answer = await file_answer(tmp_path / "file.bin")
        assert isinstance(answer, StreamingResponse) == is_in_pieces
        if isinstance(answer, StreamingResponse):
            pieces = [piece async for piece in answer.body_iterator]
            assert max(map(len, pieces)) <= PIECE_BYTES
            assert sum(map(len, pieces)) == size


@pytest.mark.parametrize(
    ("query", "kind", "mode"),
    [
        ("preview=webp;90", "WEBP", "RGBA"),
        ("preview=jpeg;80&channel=rgb", "JPEG", "RGB"),
        ("preview=jpeg", "JPEG", "RGB"),
        ("preview=webp", "WEBP", "RGBA"),
        ("preview=jpeg&channel=rgba", "WEBP", "RGBA"),
        ("preview=bmp;x&channel=rgb", "WEBP", "RGB"),
        ("channel=rgb", "PNG", "RGB"),
    ],
)
def test_previews_and_colour_channels_are_made(site, picture, query, kind, mode):
    answer = site.http.get(f"/view?filename=look.png&{query}")
    made = opened(answer)
    assert (made.format, made.mode, made.size) == (kind, mode, (32, 24))
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert all(abs(a - b) < 12 for a, b in zip(made.convert("RGB").getpixel((5, 5)), PIXELS, strict=False))


def test_the_alpha_channel_is_a_picture_of_its_own(site, picture):
    assert opened(site.http.get("/view?filename=look.png&channel=a")).getpixel((5, 5)) == (0, 0, 0, 128)


def test_a_bomb_is_refused_before_it_is_decoded(site):
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    (site.home / "output" / "bomb.png").write_bytes(bomb.getvalue())
    answer = site.http.get("/view?filename=bomb.png&preview=webp")
    assert answer.status_code == 413
    assert answer.json()["code"] == "image_too_large"


def test_a_damaged_picture_is_refused_and_the_next_is_shown(site, picture):
    (site.home / "output" / "half.png").write_bytes(picture[: len(picture) // 2])
    assert site.http.get("/view?filename=half.png&preview=webp").json()["code"] == "bad_image"
    assert site.http.get("/view?filename=look.png&preview=webp").status_code == 200
