"""Lists of models, their previews and metadata."""

import io
import json
import struct

import pytest
from PIL import Image


def safetensors(metadata: dict[str, str]) -> bytes:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": metadata, "w": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


@pytest.fixture
def models(site):
    """The model folder, with a LoRA, an embedding and a broken LoRA."""
    folder = site.home / "models"
    for name, data in (
        ("loras/style.safetensors", safetensors({"ss_tag": "x"})),
        ("loras/mute.safetensors", safetensors({})),
        ("loras/broken.safetensors", b"no"),
        ("embeddings/bad_hands.safetensors", safetensors({})),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_kinds_and_names_are_listed(site, models):
    kinds = site.http.get("/models").json()
    assert {"checkpoints", "loras", "controlnet", "vae"} <= set(kinds)
    assert "style.safetensors" in site.http.get("/api/models/loras").json()
    assert site.http.get("/models/unet").json() == site.http.get("/models/diffusion_models").json()
    assert site.http.get("/models/none").status_code == 404


def test_embeddings_go_by_their_names_alone(site, models):
    assert site.http.get("/embeddings").json() == ["bad_hands"]


def test_files_come_with_size_and_dates(site, models):
    files = {entry["name"]: entry for entry in site.http.get("/experiment/models/loras").json()}
    path = models / "loras" / "style.safetensors"
    assert files["style.safetensors"] == {
        "name": "style.safetensors",
        "pathIndex": 0,
        "modified": path.stat().st_mtime,
        "created": path.stat().st_ctime,
        "size": path.stat().st_size,
    }


def test_places_are_told(site, models):
    places = {entry["name"]: entry["folders"] for entry in site.http.get("/experiment/models").json()}
    assert str(models) in places["loras"]
    assert places == site.http.get("/internal/folder_paths").json()


def test_metadata_is_what_the_header_says(site, models):
    def ask(name):
        return site.http.get("/view_metadata/loras", params={"filename": name})

    assert ask("style.safetensors").json() == {"ss_tag": "x"}
    for name in ("mute.safetensors", "broken.safetensors", "none.safetensors", "../../daemon.json", ""):
        assert ask(name).status_code == 404
    assert site.http.get("/view_metadata/none?filename=x").status_code == 404


def test_a_preview_is_the_picture_beside_the_model(site, models):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(buffer, "PNG")
    (models / "loras" / "style.png").write_bytes(buffer.getvalue())
    answer = site.http.get("/experiment/models/preview/loras/0/style.safetensors")
    assert answer.content == buffer.getvalue()
    assert answer.headers["content-type"] == "image/png"
    assert site.http.get("/experiment/models/preview/loras/0/mute.safetensors").status_code == 404
    assert site.http.get("/experiment/models/preview/loras/0/..%2F..%2Fdaemon.json").status_code == 404
