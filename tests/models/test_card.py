"""What is known about installed models, from their headers and the files beside them."""

import base64
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ModelError
from bridge.models import Card, Catalogue, card, cards, read_header, thumbnail, verify

from .conftest import Write, pack

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
STEM = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
LORA = {f"{STEM}.lora_down.weight": (4, 768), f"{STEM}.lora_up.weight": (320, 4)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "framebridge"


def lora(write: Write, name: str = "loras/mine.safetensors", **metadata: str) -> Path:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for tensor, (a, b) in LORA.items():
        header[tensor] = {"dtype": "F16", "shape": [a, b], "data_offsets": [end, end + 2 * a * b]}
        end += 2 * a * b
    return write(name, header, bytes(end))


def only(root: Path) -> Card:
    return next(each for each in cards(Catalogue([root]), "loras"))


def test_metadata_of_the_file_is_told(write: Write, tmp_path: Path) -> None:
    lora(
        write,
        **{
            "modelspec.title": "Chalk",
            "modelspec.author": "somebody",
            "modelspec.license": "MIT",
            "modelspec.trigger_phrase": "chalk, on a board",
            "modelspec.description": "<p>Draws &amp; wipes</p>",
            "modelspec.architecture": "stable-diffusion-v1/lora",
        },
    )
    found = only(tmp_path)
    assert (found.kind, found.family) == ("lora", "Stable Diffusion 1.x")
    notes = found.notes
    assert (notes.title, notes.author, notes.licence) == ("Chalk", "somebody", "MIT")
    assert notes.triggers == ("chalk", "on a board")
    assert notes.description == "Draws & wipes"
    assert found.sha256 == "", "nothing is hashed for a list"


def test_kohyas_tags_of_nearly_every_picture_are_the_triggers(write: Write, tmp_path: Path) -> None:
    tags = {"10_mychar": {"mychar": 40, "1girl": 39, "outdoors": 12}}
    lora(write, ss_tag_frequency=json.dumps(tags), ss_output_name="mychar_v2", ss_base_model_version="sd_v1")
    notes = only(tmp_path).notes
    assert notes.triggers == ("mychar", "1girl")
    assert (notes.title, notes.base_model) == ("mychar_v2", "sd_v1")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 3}', '{"a": {"b": "c"}}', "[" * 100_000])
def test_metadata_that_makes_no_sense_says_nothing(text: str, write: Write, tmp_path: Path) -> None:
    lora(write, ss_tag_frequency=text)
    assert only(tmp_path).notes.triggers == ()


def test_a_file_of_civitai_beside_it_comes_first(write: Write, tmp_path: Path) -> None:
    path = lora(write, **{"modelspec.title": "Chalk"})
    version = {
        "id": 5,
        "modelId": 3,
        "name": "v2",
        "baseModel": "SD 1.5",
        "trainedWords": ["chalky", "dusty"],
        "model": {"name": "Chalk XL", "allowCommercialUse": ["Image"], "allowNoCredit": False},
        "files": [{"name": path.name, "hashes": {"SHA256": "AB" * 32}}],
    }
    path.with_suffix(".civitai.info").write_text(json.dumps(version))
    notes = only(tmp_path).notes
    assert notes.title == "Chalk XL v2"
    assert notes.triggers == ("chalky", "dusty")
    assert notes.licence == "Civitai: allows selling pictures; credit the maker"
    assert notes.source == "https://civitai.com/models/3?modelVersionId=5"
    assert notes.sha256 == "ab" * 32


def test_a1111s_card_and_lora_managers_are_read(write: Write, tmp_path: Path) -> None:
    path = lora(write)
    path.with_suffix(".json").write_text(
        json.dumps({"activation text": "wave, foam", "sd version": "SD1", "description": "Sea"})
    )
    assert only(tmp_path).notes.triggers == ("wave", "foam")
    path.with_suffix(".metadata.json").write_text(
        json.dumps({"model_name": "Sea", "civitai": {"trainedWords": ["sea"]}})
    )
    notes = only(tmp_path).notes
    assert (notes.title, notes.triggers, notes.base_model) == ("Sea", ("sea",), "SD1")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"trainedWords": 7}', b"\xff\xfe", b"[" * 90_000])
def test_a_file_beside_it_that_makes_no_sense_is_passed_over(
    content: bytes, write: Write, tmp_path: Path
) -> None:
    path = lora(write, **{"modelspec.title": "Chalk"})
    for ending in (".civitai.info", ".json", ".metadata.json", ".framebridge.json"):
        path.with_suffix(ending).write_bytes(content)
    assert only(tmp_path).notes.title == "Chalk"


def test_a_preview_beside_it_is_the_thumbnail_else_the_one_inside(write: Write, tmp_path: Path) -> None:
    inside = base64.b64encode(PNG + b"inside").decode()
    path = lora(write, **{"modelspec.thumbnail": f"data:image/png;base64,{inside}"})
    metadata = read_header(path).metadata
    assert only(tmp_path).has_thumbnail
    assert thumbnail(path, metadata) == PNG + b"inside"
    path.with_suffix(".preview.png").write_bytes(PNG)
    assert thumbnail(path, metadata) == PNG
    path.with_suffix(".preview.png").write_bytes(b"<html>")
    assert thumbnail(path, metadata) == PNG + b"inside"
    assert thumbnail(path, {"modelspec.thumbnail": "data:image/png;base64,%%%"}) == b""


def test_a_damaged_file_has_a_card_that_says_so(write: Write, tmp_path: Path) -> None:
    lora(write).write_bytes(b"<html>log in</html>")
    found = only(tmp_path)
    assert "web page" in found.fault
    assert found.kind == "unknown"


def test_a_diffusers_folder_is_told_by_its_denoiser(write: Write, tmp_path: Path) -> None:
    write(
        "checkpoints/mine/unet/x.safetensors",
        shapes={"down_blocks.0.attentions.0.attn2.to_k.weight": (2, 768)},
    )
    (tmp_path / "checkpoints" / "mine" / "model_index.json").write_text("{}")
    found = card(Catalogue([tmp_path]), "checkpoints", "mine")
    assert found.kind == "checkpoint"
    assert found.bytes > 0


def test_a_header_is_read_once_for_each_version_of_a_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lora(write, **{"modelspec.title": "One"})
    assert only(tmp_path).notes.title == "One"

    def fail(path: Path) -> None:
        raise AssertionError("it was read again")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["bridge.models.card"], "read_header", fail)
        assert only(tmp_path).notes.title == "One"
    path.write_bytes(pack({"__metadata__": {"modelspec.title": "Another"}}))
    assert only(tmp_path).notes.title == "Another"


def test_a_memory_that_is_damaged_costs_time_alone(write: Write, tmp_path: Path, own_cache: Path) -> None:
    lora(write, **{"modelspec.title": "One"})
    own_cache.mkdir(parents=True)
    (own_cache / "headers.sqlite").write_bytes(b"no database" * 1000)
    assert only(tmp_path).notes.title == "One"


def test_a_thousand_models_are_listed_in_seconds_then_at_once(write: Write, tmp_path: Path) -> None:
    first = lora(write).read_bytes()
    for number in range(1000):
        (tmp_path / "loras" / f"{number}.safetensors").write_bytes(first)
    began = time.process_time()
    assert len(list(cards(Catalogue([tmp_path]), "loras"))) == 1001
    between = time.process_time()
    assert len(list(cards(Catalogue([tmp_path]), "loras"))) == 1001
    assert between - began < 5.0
    assert time.process_time() - between < 2.0


def test_what_is_known_travels_as_json(write: Write, tmp_path: Path) -> None:
    path = lora(write, **{"modelspec.license": "MIT"})
    catalogue = Catalogue([tmp_path])
    catalogue.digest("loras", "mine.safetensors")
    said = card(catalogue, "loras", "mine.safetensors").to_json()
    assert said["licence"] == "MIT"
    assert len(said["sha256"]) == 64
    assert said["is_hashed"]
    assert said["path"] == str(path)
    json.dumps(said)


# ---- verify ----------------------------------------------------------------------------------


def test_a_file_is_held_against_what_was_recorded(write: Write, tmp_path: Path) -> None:
    path, catalogue = lora(write), Catalogue([tmp_path])
    assert verify(catalogue, "loras", path.name).state == "unrecorded"
    digest = verify(catalogue, "loras", path.name).sha256
    record = path.with_suffix(".framebridge.json")
    record.write_text(json.dumps({"sha256": digest}))
    assert verify(catalogue, "loras", path.name).state == "good"
    record.write_text(json.dumps({"sha256": "0" * 64}))
    verdict = verify(catalogue, "loras", path.name)
    assert verdict.state == "bad"
    assert "recorded is 000000000000…" in verdict.message
    assert verdict.hint
    assert verdict.to_json()["state"] == "bad"


def test_kohyas_checksum_of_the_tensors_counts(write: Write, tmp_path: Path) -> None:
    body = hashlib.sha256(bytes(2 * (4 * 768 + 320 * 4))).hexdigest()
    path = lora(write, sshs_model_hash=body)
    assert verify(Catalogue([tmp_path]), "loras", path.name).state == "good"
    lora(write, **{"modelspec.hash_sha256": "0x" + "1" * 64})
    assert verify(Catalogue([tmp_path]), "loras", path.name).state == "bad"


def test_a_truncated_file_is_told(write: Write, tmp_path: Path) -> None:
    path = lora(write)
    path.write_bytes(path.read_bytes()[:-100])
    verdict = verify(Catalogue([tmp_path]), "loras", path.name)
    assert verdict.state == "bad"
    assert "incomplete" in verdict.message
    with pytest.raises(ModelError):
        verify(Catalogue([tmp_path]), "loras", "none.safetensors")


def test_folders_and_packages_are_read_through(write: Write, tmp_path: Path) -> None:
    write("checkpoints/mine/unet/x.safetensors", shapes={"a": (2, 2)})
    (tmp_path / "checkpoints" / "mine" / "model_index.json").write_text("{}")
    (tmp_path / "checkpoints" / "empty").mkdir()
    (tmp_path / "checkpoints" / "empty" / "model_index.json").write_text("{}")
    catalogue = Catalogue([tmp_path])
    assert verify(catalogue, "checkpoints", "mine").state == "unrecorded"
    assert verify(catalogue, "checkpoints", "empty").state == "bad"
    read: list[int] = []
    assert verify(catalogue, "upscale_models", "realesr-animevideov3", read.append).state == "unrecorded"
    assert sum(read) > 1_000_000
