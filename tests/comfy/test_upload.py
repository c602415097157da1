"""``/upload/image`` and ``/upload/mask``: what is kept, under which name, and what is refused."""

import io
import json
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bridge.server.bodies import MAX_BODY_BYTES


def png(colour=(1, 2, 3), size=(32, 24), **texts) -> bytes:
    buffer, info = io.BytesIO(), PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def upload(site, data: bytes, name: str, path="/upload/image", **fields):
    return site.http.post(path, files={"image": (name, data)}, data=fields)


def test_a_picture_is_kept_in_the_input_folder(site):
    data = png()
    answer = upload(site, data, "new.png")
    assert answer.json() == {"name": "new.png", "subfolder": "", "type": "input"}
    assert (site.home / "input" / "new.png").read_bytes() == data
    assert (
        "new.png"
        in site.http.get("/object_info/LoadImage").json()["LoadImage"]["input"]["required"]["image"][0]
    )


def test_folder_and_subfolder_are_the_clients_choice(site):
    answer = upload(site, png(), "a.png", "/api/upload/image", type="temp", subfolder="deep/er")
    assert answer.json() == {"name": "a.png", "subfolder": "deep/er", "type": "temp"}
    assert (site.home / "temp" / "deep" / "er" / "a.png").is_file()


def test_folder_that_the_name_says_is_the_one_that_the_answer_says(site):
    answer = upload(site, png(), "said.png [output]")
    assert answer.json() == {"name": "said.png", "subfolder": "", "type": "output"}
    assert (site.home / "output" / "said.png").is_file()


def test_the_same_bytes_keep_their_name_and_others_get_the_next(site):
    names = [upload(site, png((9, shade, 9)), "same.png").json()["name"] for shade in (1, 1, 2, 3, 2)]
    assert names == ["same.png", "same.png", "same (1).png", "same (2).png", "same (1).png"]


def test_overwriting_replaces_the_file(site):
    for shade in (1, 2):
        answer = upload(site, png((shade, 0, 0)), "over.png", overwrite="true")
        assert answer.json()["name"] == "over.png"
    assert (site.home / "input" / "over.png").read_bytes() == png((2, 0, 0))
    assert not list((site.home / "input").glob("over (*"))


def test_uploads_at_once_never_mix(site):
    pictures = [png((shade, 0, 0)) for shade in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda data: upload(site, data, "race.png").json()["name"], pictures))
    assert len(set(answers)) == 8
    kept = {(site.home / "input" / name).read_bytes() for name in answers}
    assert kept == set(pictures)
    assert not list((site.home / "input").glob(".*"))


@pytest.mark.parametrize(
    ("data", "name", "fields", "status"),
    [
        (b"<svg onload=alert(1)>", "evil.png", {}, 415),
        (b"GIF89a", "moving.jpg", {}, 415),
        (b"\x89PNG\r\n\x1a\n", "half.png", {}, 415),
        (png(), "../evil.png", {}, 400),
        (png(), "C:evil.png", {}, 400),
        (png(), "evil.png", {"subfolder": "../.."}, 403),
        (png(), "evil.png", {"type": "models"}, 400),
        (png(), "evil.png", {"subfolder": "x" * 70_000}, 400),
    ],
)
def test_what_is_no_picture_or_leads_out_is_refused(site, data, name, fields, status):
    assert upload(site, data, name, **fields).status_code == status
    assert not list(site.home.rglob("*evil*"))


def test_a_form_without_a_file_is_refused(site):
    assert site.http.post("/upload/image", data={"type": "input"}).status_code == 400
    assert site.http.post("/upload/image", json={}).status_code == 400


def test_a_bomb_is_refused_by_its_header(site):
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    assert upload(site, bomb, "bomb.png").status_code == 413


def test_too_large_a_body_is_refused_before_it_is_read(site):
    announced = (
        f"POST /upload/image HTTP/1.1\r\nHost: 127.0.0.1:{site.daemon.port}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.daemon.port), timeout=60) as connection:
        connection.sendall(announced.encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_say_how_large_it_is_ends_when_it_is_too_large(site, monkeypatch):
    monkeypatch.setattr("bridge.comfy.settings.MAX_SETTINGS_BYTES", 1000)
    answer = site.http.post("/settings", content=iter([b"{", b" " * 900, b" " * 900, b"}"]))
    assert answer.status_code == 413


def test_a_mask_becomes_the_alpha_of_its_picture_and_the_workflow_stays(site):
    (site.home / "output" / "made.png").write_bytes(png((10, 20, 30), workflow='{"nodes": []}'))
    reference = json.dumps({"filename": "made.png", "type": "output", "subfolder": ""})
    answer = upload(site, png((0, 0, 0, 77)), "masked.png", "/upload/mask", original_ref=reference)
    assert answer.json()["name"] == "masked.png"
    made = Image.open(site.home / "input" / "masked.png")
    assert made.getpixel((3, 3)) == (10, 20, 30, 77)
    assert made.text == {"workflow": '{"nodes": []}'}


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ("no json", 400),
        ("[]", 400),
        ('{"filename": "../x.png"}', 400),
        ('{"filename": "none.png"}', 404),
        ('{"filename": "other.png"}', 400),
        ('{"filename": "\\ud800.png"}', 400),
    ],
)
def test_a_mask_without_its_picture_is_refused(site, reference, status):
    (site.home / "output" / "other.png").write_bytes(png(size=(64, 64)))
    assert upload(site, png(), "mask.png", "/upload/mask", original_ref=reference).status_code == status


def test_a_latent_or_a_table_is_kept_as_it_is(site):
    assert upload(site, b"anything", "noise.latent").json()["name"] == "noise.latent"


def test_a_full_disk_is_told_and_leaves_nothing_behind(site, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bridge.comfy.upload.take_name", full)
        answer = upload(site, png(), "full.png")
    assert answer.json()["code"] == "output_failed"
    assert not list((site.home / "input").glob("*full*"))
    assert not list((site.home / "input").glob(".*"))
