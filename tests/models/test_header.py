"""Every way in which a model file can be something else than a model file."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ModelError
from bridge.models import read_header

Write = Callable[..., Path]
ONE = {"w": {"dtype": "F16", "shape": [2, 2], "data_offsets": [0, 8]}}
BODY = bytes(8)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.canary),)


def entry(begin: int, end: int, shape: list[int], dtype: str = "F16") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
    return buffer.getvalue()


def framed(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


GOOD = framed(json.dumps(ONE).encode(), BODY)
LONG = framed(json.dumps({"w": entry(0, 4_270_000, [2_135_000])}).encode(), bytes(3_900_000))
CORPUS = {
    "empty": (b"", "model_corrupt", "is empty"),
    "five bytes": (b"12345", "model_corrupt", "5 bytes"),
    "eight zeros": (bytes(8), "model_corrupt", "no readable header"),
    "truncated header": (GOOD[:20], "model_corrupt", "incomplete: expected at least"),
    "truncated body": (LONG, "model_corrupt", "expected 4.27 MB, have 3.90 MB"),
    "trailing bytes": (GOOD + b"x", "model_corrupt", "1 bytes behind its last tensor"),
    "header of 2**63 bytes": ((2**63).to_bytes(8, "little") + BODY, "model_corrupt", "claims"),
    "header of 200 MB": ((200_000_000).to_bytes(8, "little") + BODY, "model_corrupt", "claims 200.00 MB"),
    "not JSON": (framed(b"{not json}"), "model_corrupt", "no readable header"),
    "not an object": (framed(b"[]"), "model_corrupt", "not a JSON object"),
    "nested too deeply": (framed(b"[" * 100_000), "model_corrupt", "no readable header"),
    "invalid UTF-8": (framed(b'{"\xff": 1}'), "model_corrupt", "no readable header"),
    "duplicate names": (framed(b'{"a": 1, "a": 2}'), "model_corrupt", "occurs twice"),
    "overlapping": (
        framed(json.dumps({"a": entry(0, 8, [4]), "b": entry(4, 12, [4])}).encode(), bytes(12)),
        "model_corrupt",
        "overlapping",
    ),
    "hole": (
        framed(json.dumps({"a": entry(0, 8, [4]), "b": entry(10, 18, [4])}).encode(), bytes(18)),
        "model_corrupt",
        "hole",
    ),
    "shape and size differ": (
        framed(json.dumps({"a": entry(0, 8, [5])}).encode(), BODY), "model_corrupt", "do not fit its shape",
    ),
    "overflowing shape": (
        framed(json.dumps({"a": entry(0, 8, [2**40, 2**40])}).encode(), BODY), "model_corrupt", "do not fit",
    ),
    "negative shape": (
        framed(json.dumps({"a": entry(0, 8, [-2, -2])}).encode(), BODY), "model_corrupt", "impossible",
    ),
    "backward offsets": (
        framed(json.dumps({"a": entry(8, 0, [4])}).encode(), BODY), "model_corrupt", "impossible",
    ),
    "unknown type": (
        framed(json.dumps({"a": entry(0, 8, [4], "X16")}).encode(), BODY), "model_corrupt", "unknown type",
    ),
    "entry without a shape": (
        framed(json.dumps({"a": {"dtype": "F16"}}).encode()), "model_corrupt", "unknown way",
    ),
    "metadata that is a list": (framed(b'{"__metadata__": []}'), "model_corrupt", "metadata"),
    "pickle": (pickle.dumps({"w": [1, 2, 3]}), "unsafe_model", "pickle"),
    "zip": (zipped(), "unsafe_model", "pickle"),
    "web page": (b"<!DOCTYPE html><title>Log in</title>", "model_corrupt", "web page"),
    "web page in capitals": (b"\n<HTML><BODY>403</BODY></HTML>", "model_corrupt", "web page"),
    "git-lfs pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4265146304\n",
        "model_corrupt",
        "git-lfs pointer",
    ),
    "GGUF": (b"GGUF\x03\0\0\0" + bytes(32), "model_unsupported", "GGUF"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "code", "words"), CORPUS.values(), ids=CORPUS)
def test_what_is_no_model_is_told_from_one(tmp_path: Path, content: bytes, code: str, words: str) -> None:
    file = tmp_path / "juggernaut.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_header(file)
    assert caught.value.code == code
    assert words in caught.value.message
    assert "juggernaut.safetensors" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a.safetensors", "a.SAFETENSORS", "a.SafeTensors", "a.ckpt"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_opened_whatever_its_name(tmp_path: Path, name: str, protocol: int) -> None:
    canary = tmp_path / "canary"
    file = tmp_path / name
    file.write_bytes(pickle.dumps(Bomb(canary), protocol) + bytes(64))
    with pytest.raises(ModelError):
        read_header(file)
    assert not canary.exists()
    pickle.loads(file.read_bytes())
    assert canary.exists(), "the bomb would have gone off"


def test_a_sound_file_is_described(write: Write) -> None:
    header = read_header(write("a.safetensors", {**ONE, "__metadata__": {"format": "pt"}}, BODY))
    assert header.shapes == {"w": (2, 2)}
    assert header.tensors["w"].dtype == "F16"
    assert header.metadata == {"format": "pt"}
    assert header.data_bytes == 8


def test_scalars_empty_tensors_and_padding_are_legal(write: Write) -> None:
    tensors = {"scalar": entry(0, 2, []), "empty": entry(2, 2, [0])}
    header = read_header(write("a.safetensors", json.dumps(tensors).encode() + b"     ", b"\0\0"))
    assert header.shapes == {"scalar": (), "empty": (0,)}


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_header(tmp_path / "gone.safetensors")
    assert caught.value.code == "model_unreadable"


@given(st.binary(max_size=300))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError):
        read_header(file)


@given(st.data())
def test_no_damage_to_a_sound_file_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    file.write_bytes(content)
    try:
        header = read_header(file)
    except ModelError:
        return
    assert header.data_bytes <= 8


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "no index"),
        ("[]", "no index"),
        ('{"weight_map": {}}', "other files"),
        ('{"weight_map": {"a": "../a.safetensors"}}', "other files"),
        ('{"weight_map": {"a": "a.bin"}}', "other files"),
        ('{"weight_map": {"a": "a.safetensors"}}', '"a.safetensors" cannot be read'),
    ],
)
def test_a_broken_index_is_said(tmp_path: Path, index: str, words: str) -> None:
    file = tmp_path / "model.safetensors.index.json"
    file.write_text(index)
    with pytest.raises(ModelError, match=words):
        read_header(file)
