import io
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from bridge.errors import InputError
from bridge.imaging import insert_texts, png_text, read_texts, read_workflow

KEYWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79)


def png(**texts):
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    file = io.BytesIO()
    PillowImage.new("RGB", (16, 16)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def code_of(path, read=read_texts):
    with pytest.raises(InputError) as caught:
        read(path)
    return caught.value.code, caught.value.message


@pytest.fixture
def put(tmp_path):
    def write(data):
        path = tmp_path / "picture.png"
        path.write_bytes(data)
        return path

    return write


@given(st.dictionaries(KEYWORDS, st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4))
def test_texts_survive_and_pillow_reads_them(tmp_path_factory, texts):
    path = tmp_path_factory.getbasetemp() / "texts.png"
    path.write_bytes(insert_texts(png(), texts))
    assert read_texts(path) == texts
    with PillowImage.open(path) as picture:
        picture.load()
        assert {key: str(value) for key, value in picture.text.items()} == texts


def test_texts_that_pillow_wrote_are_read(put):
    info = PngInfo()
    info.add_text("packed", "z" * 5000, zip=True)
    info.add_itxt("wide", "żółw", lang="pl", tkey="x", zip=True)
    info.add_text("plain", "ü")
    file = io.BytesIO()
    PillowImage.new("RGB", (16, 16)).save(file, "PNG", pnginfo=info)
    assert read_texts(put(file.getvalue())) == {"packed": "z" * 5000, "wide": "żółw", "plain": "ü"}


def test_workflow_of_comfyui_is_found(put):
    path = put(png(prompt='{"3": {"is_changed": NaN}}', workflow='{"nodes": []}'))
    found = read_workflow(path)
    assert found["prompt"]["3"]["is_changed"] != found["prompt"]["3"]["is_changed"]
    assert found["workflow"] == {"nodes": []}
    assert found["framebridge"] is None


def test_facts_of_ours_that_are_no_object_are_none(put):
    assert read_workflow(put(png(prompt="{}", framebridge="[1]")))["framebridge"] is None
    assert read_workflow(put(png(prompt="{}", framebridge='{"frame": null}')))["framebridge"] == {
        "frame": None
    }


def test_pixels_are_not_read(put):
    data = png(prompt="{}")
    start = data.index(b"IDAT")
    broken = data[:start] + b"IDAT" + bytes(len(data) - start - 4 - 12) + data[-12:]
    assert read_workflow(put(broken))["prompt"] == {}


def test_a_picture_without_a_workflow_says_so(put):
    code, message = code_of(put(png(comment="x")), read_workflow)
    assert code == "no_workflow"
    assert message == "picture 'picture.png' holds no workflow"


def test_parameters_of_automatic1111_are_no_workflow_but_shown(put):
    text = "a cat\nSteps: 20, Sampler: Euler a, Seed: 5, " + "x" * 200
    code, message = code_of(put(png(parameters=text)), read_workflow)
    assert code == "no_workflow"
    assert "AUTOMATIC1111" in message
    assert '"a cat Steps: 20, Sampler: Euler a' in message
    assert len(message) < 200
    assert read_workflow(put(png(parameters=text, prompt="{}")))["prompt"] == {}


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "no"])
def test_a_workflow_that_is_no_json_says_so(put, text):
    assert code_of(put(png(prompt=text)), read_workflow)[0] == "no_workflow"


def test_a_missing_file_says_so(tmp_path):
    assert code_of(tmp_path / "none.png")[0] == "image_not_found"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0", b"\x89PNG", b"GIF89a"])
def test_other_files_are_refused(put, data):
    assert code_of(put(data))[0] == "bad_image"


@pytest.mark.parametrize("cut", [10, 40, 70, -12])
def test_a_truncated_file_is_refused(put, cut):
    assert code_of(put(png(prompt="{}" * 40)[:cut]))[0] == "bad_image"


def test_a_damaged_text_is_refused(put):
    data = png(prompt="hello")
    assert code_of(put(data.replace(b"hello", b"jello"))) == (
        "bad_image",
        "picture 'picture.png': a text chunk is damaged",
    )


def test_a_text_that_unpacks_to_too_much_is_refused(put, monkeypatch):
    monkeypatch.setattr(png_text, "MAX_TEXT_BYTES", 10_000)
    bomb = chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(100_000)))
    data = png()
    assert "too large" in code_of(put(data[:33] + bomb + data[33:]))[1]
    large = chunk(b"tEXt", b"prompt\0" + bytes(20_000))
    assert "too large" in code_of(put(data[:33] + large + data[33:]))[1]
    garbage = chunk(b"zTXt", b"prompt\0\0" + b"no zlib")
    assert "damaged" in code_of(put(data[:33] + garbage + data[33:]))[1]


@pytest.mark.parametrize("key", ["", " x", "x" * 80, "a\0b", "ключ"])
def test_keywords_that_png_forbids_are_refused(key):
    with pytest.raises(InputError) as caught:
        insert_texts(png(), {key: "x"})
    assert caught.value.code == "bad_text"


def test_json_stays_plain_text(put):
    text = json.dumps({"text": "żółw"})
    assert b"tEXtprompt\0" + text.encode() in insert_texts(png(), {"prompt": text})
