"""Which models a workflow lacks, and where to get them."""

from pathlib import Path
from typing import Any

from bridge.graph import InputDefinition, NodeDefinition
from bridge.models import FOLDERS, Catalogue, curated_model, curated_models, lacking_models
from bridge.models.place import FOLDER_OF_KIND

from .conftest import Write


def loader(name: str, *inputs: tuple[str, str]) -> NodeDefinition:
    entries = tuple(InputDefinition(entry, "COMBO", choices_from=folder) for entry, folder in inputs)
    return NodeDefinition(name, "loaders", inputs=entries)


DEFINITIONS = {
    each.name: each
    for each in (
        loader("CheckpointLoaderSimple", ("ckpt_name", "checkpoints")),
        loader("LoraLoader", ("lora_name", "loras")),
        loader("DualCLIPLoader", ("clip_name1", "clip"), ("clip_name2", "clip")),
        loader("LoadImage", ("image", "input")),
    )
}


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def test_what_is_not_there_is_named_once_with_its_place(write: Write, tmp_path: Path) -> None:
    write("loras/here.safetensors", shapes={"a": (1,)})
    workflow = {
        "1": node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
        "2": node("LoraLoader", lora_name="here.safetensors"),
        "3": node("LoraLoader", lora_name="gone.safetensors"),
        "4": node("LoraLoader", lora_name="gone.safetensors"),
        "5": node("DualCLIPLoader", clip_name1="a.safetensors", clip_name2=["1", 0]),
        "6": node("LoadImage", image="picture.png"),
        "7": node("Unknown", lora_name="x"),
    }
    found = lacking_models(workflow, DEFINITIONS, Catalogue([tmp_path]))
    assert [(each.folder, each.name, each.node_id, each.input) for each in found] == [
        ("checkpoints", "sd_xl_base_1.0.safetensors", "1", "ckpt_name"),
        ("loras", "gone.safetensors", "3", "lora_name"),
        ("text_encoders", "a.safetensors", "5", "clip_name1"),
    ]
    assert found[0].source == "sdxl"
    assert found[0].bytes == 6938078334
    assert "RAIL" in found[0].licence
    assert found[1].to_json() == {
        "folder": "loras", "name": "gone.safetensors", "node_id": "3", "input": "lora_name"
    }  # fmt: skip


def test_what_no_output_needs_is_not_lacking(tmp_path: Path) -> None:
    output = NodeDefinition("Save", "image", is_output=True)
    workflow = {
        "1": node("LoraLoader", lora_name="a.safetensors"),
        "2": node("LoraLoader", lora_name="b.safetensors", model=["1", 0]),
        "3": node("LoraLoader", lora_name="bypassed.safetensors"),
        "4": node("Save", images=["2", 0], twice=["4", 0], odd=[], more=[7, 0]),
    }
    found = lacking_models(workflow, {**DEFINITIONS, "Save": output}, Catalogue([tmp_path]))
    assert [each.name for each in found] == ["a.safetensors", "b.safetensors"]


def test_a_template_says_where_its_models_come_from(tmp_path: Path) -> None:
    models = [
        {
            "name": "gone.safetensors",
            "url": "https://huggingface.co/a/b/resolve/main/gone.safetensors?download=true",
            "directory": "loras",
            "hash": "AB" * 32,
            "hash_type": "SHA256",
        },
        {"name": "bad.safetensors", "url": "http://insecure/bad.safetensors", "directory": "loras"},
        {"name": "bad.safetensors", "url": "https://x/bad.safetensors", "directory": "../../etc"},
        "nonsense",
    ]
    editor = {
        "nodes": [
            {"id": 3, "type": "LoraLoader", "widgets_values": ["gone.safetensors", 1, 1]},
            {"id": 4, "type": "LoraLoader", "properties": {"models": models}, "widgets_values": None},
            {"id": 5, "type": "Other", "widgets_values": ["x.safetensors"]},
            7,
        ],
        "links": [],
        "definitions": {"subgraphs": [{"nodes": [{"id": 9, "type": "CheckpointLoaderSimple",
                                                   "widgets_values": ["sub.safetensors"]}]}, 3]},
    }  # fmt: skip
    found = lacking_models({}, DEFINITIONS, Catalogue([tmp_path]), editor)
    assert [(each.folder, each.name) for each in found] == [
        ("loras", "gone.safetensors"),
        ("checkpoints", "sub.safetensors"),
    ]
    assert found[0].source.startswith("https://huggingface.co/a/b/")
    assert found[0].sha256 == "ab" * 32
    workflow = {"3": node("LoraLoader", lora_name="gone.safetensors")}
    assert lacking_models(workflow, DEFINITIONS, Catalogue([tmp_path]), editor)[0].source == found[0].source


def test_the_curated_list_is_sound() -> None:
    models = curated_models()
    assert {"sd15", "sdxl", "sd15-depth", "sd15-canny", "sdxl-depth", "sdxl-canny", "sd15-lcm"} <= set(models)
    for each in models.values():
        assert each.folder in FOLDERS
        assert each.bytes > 1_000_000
        assert each.licence
        assert len(each.sha256) in (0, 64)
        assert not each.verified, "confirm it at its source first"
        assert each.source.startswith("hf:")
        assert each.file.endswith(".safetensors")
    assert len({(each.folder, each.file) for each in models.values()}) == len(models)
    assert curated_model("checkpoints", "SDXL\\sd_xl_base_1.0.safetensors") is models["sdxl"]
    assert curated_model("loras", "sd_xl_base_1.0.safetensors") is None


def test_every_kind_has_a_folder() -> None:
    assert set(FOLDER_OF_KIND.values()) <= set(FOLDERS)


def test_the_page_lists_them_and_says_that_nobody_has_verified_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    for each in curated_models().values():
        assert f"| `{each.id}` | {each.title} |" in page
        assert each.licence in page
    assert "**Sizes and checksums of this list are unverified:**" in page
