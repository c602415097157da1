import hashlib

import pytest

from bridge.graph import InputDefinition, NodeDefinition
from bridge.models import Catalogue, models_used

DEFINITIONS = {
    "Loader": NodeDefinition(
        "Loader",
        "loaders",
        inputs=(
            InputDefinition("ckpt", "COMBO", choices_from="checkpoints"),
            InputDefinition("clip", "COMBO", choices_from="clip"),
            InputDefinition("picture", "COMBO", choices_from="input"),
            InputDefinition("text", "STRING"),
        ),
    )
}


@pytest.fixture
def catalogue(tmp_path):
    for folder, name in (("checkpoints", "a.safetensors"), ("text_encoders", "b.safetensors")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(name.encode())
    return Catalogue([tmp_path])


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def used(catalogue, **inputs):
    return models_used({"1": {"class_type": "Loader", "inputs": inputs}}, DEFINITIONS, catalogue)


def test_models_are_named_with_their_hashes(catalogue):
    found = used(
        catalogue, ckpt="a.safetensors", clip="b.safetensors", picture="a.safetensors", text="a.safetensors"
    )
    assert found == {
        "checkpoints/a.safetensors": sha("a.safetensors"),
        "clip/b.safetensors": sha("b.safetensors"),
    }


def test_a_file_that_changed_has_another_hash(catalogue, tmp_path):
    before = used(catalogue, ckpt="a.safetensors")
    (tmp_path / "checkpoints" / "a.safetensors").write_bytes(b"other bytes")
    assert used(catalogue, ckpt="a.safetensors") != before


@pytest.mark.parametrize("name", ["gone.safetensors", "../../etc/passwd", ["2", 0], None])
def test_what_is_no_model_is_left_out(catalogue, name):
    assert used(catalogue, ckpt=name) == {}


def test_unknown_nodes_are_left_out(catalogue):
    assert models_used({"1": {"class_type": "Foreign", "inputs": {}}, "2": {}}, DEFINITIONS, catalogue) == {}
