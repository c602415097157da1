"""The routes below ``/api/etn``: pictures without files, models, LoRAs, languages, shared workflows."""

import io
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bridge.builtin import model_folder
from bridge.comfy.etn import ImageDesk
from bridge.comfy.etn_models import ModelInfo, family_of_model
from bridge.comfy.pictures import PictureStore
from bridge.errors import BridgeError
from bridge.models import Catalogue


def png(colour=(1, 2, 3)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_is_put_and_got_by_its_id(site):
    for path in ("/etn/image/one", "/api/etn/image/two"):
        assert site.http.get(path).status_code == 404
        put = site.http.put(path, content=png())
        assert (put.status_code, put.json()) == (201, {"status": "success"})
        got = site.http.get(path)
        assert (got.content, got.headers["content-type"]) == (png(), "image/png")
        again = site.http.put(path, content=png((9, 9, 9)))
        assert (again.status_code, again.json()) == (200, {"status": "cached"})
        assert site.http.get(path).content == png()


async def test_a_large_picture_is_handed_out_in_pieces():
    buffer = io.BytesIO()
    Image.effect_noise((1200, 1200), 100).save(buffer, "PNG")
    pictures = PictureStore()
    pictures.put("large", buffer.getvalue())
    answer = await ImageDesk(pictures).get(Request({"type": "http", "path_params": {"picture": "large"}}))
    assert isinstance(answer, StreamingResponse)
    assert b"".join([bytes(piece) async for piece in answer.body_iterator]) == buffer.getvalue()


def test_what_is_no_picture_is_refused(site):
    answer = site.http.put("/api/etn/image/bad", content=b"<svg/>")
    assert (answer.status_code, answer.json()["code"]) == (415, "bad_image")
    assert site.http.put("/api/etn/image/b%2e%2e", content=png()).json()["code"] == "bad_picture_id"


def test_a_job_sees_the_picture_it_names_and_hands_over_another(site, listener):
    site.http.put("/api/etn/image/seen", content=png())
    workflow = {
        "1": {"class_type": "ETN_LoadImageCache", "inputs": {"id": "seen"}},
        "2": {"class_type": "ETN_SaveImageCache", "inputs": {"images": ["1", 0]}},
    }
    heard = listener.until_over(site.prompt(workflow, client_id=listener.client_id)["prompt_id"])
    assert not [message for message in heard if isinstance(message, bytes)]
    (shown,) = [message["data"]["output"] for message in heard if message["type"] == "executed"]
    (entry,) = shown["images"]
    assert site.http.get(f"/api/etn/image/{entry['id']}").content == png()


def test_a_job_whose_picture_is_not_here_is_refused(site):
    workflow = {
        "1": {"class_type": "ETN_LoadImageCache", "inputs": {"id": "never-sent"}},
        "2": {"class_type": "ETN_SaveImageCache", "inputs": {"images": ["1", 0]}},
    }
    answer = site.post("/prompt", {"prompt": workflow})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "picture_not_kept"


def test_no_language_is_offered_and_english_passes(site):
    assert site.http.get("/api/etn/languages").json() == []
    assert site.http.get("/api/etn/translate/en/a red cat").json() == "a red cat"
    assert site.http.get("/api/etn/translate/de/eine Katze").status_code == 501


def test_published_workflows_reach_those_who_subscribe_before_and_after(site, listener):
    subscribe = {"client_id": listener.client_id}
    workflow = {"1": {"class_type": "Steps", "inputs": {}}}
    assert site.post("/api/etn/workflow/subscribe", subscribe).status_code == 200
    published = {"client_id": "editor", "name": "Mine", "workflow": workflow}
    assert site.post("/api/etn/workflow/publish", published).json() == {"status": "success"}
    told = {"publisher": {"name": "Mine", "id": "editor"}, "workflow": workflow}
    assert listener.until("etn_workflow_published") == told
    later = site.listen()
    site.post("/api/etn/workflow/subscribe", {"client_id": later.client_id})
    assert later.until("etn_workflow_published") == told
    assert site.post("/api/etn/workflow/unsubscribe", subscribe).status_code == 200
    assert site.post("/api/etn/workflow/publish", {"name": "no id"}).status_code == 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in ("checkpoints", "loras"):
        (tmp_path / kind).mkdir()
    return tmp_path


@pytest.fixture
def models(folder: Path) -> httpx.AsyncClient:
    info = ModelInfo(Catalogue([folder]), max_bytes=10_000)
    app = Starlette(
        routes=[
            Route("/info", info.get),
            Route("/info/{folder}", info.get),
            Route("/upload/{folder}/{name}", info.upload, methods=["PUT"]),
        ]
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"client_id": "c" * 301}, 400),
        ({"client_id": 7}, 400),
        ({"name": "n" * 301}, 400),
        ({"name": ["n"]}, 400),
        ({"workflow": {"text": "t" * 2**20}}, 413),
    ],
)
def test_what_is_published_is_bounded(site: Any, fault: dict[str, Any], status: int) -> None:
    published = {"client_id": "editor", "name": "Mine", "workflow": {}}
    assert site.post("/api/etn/workflow/publish", {**published, **fault}).status_code == status
    if "client_id" in fault:
        assert site.post("/api/etn/workflow/subscribe", fault).status_code == status


def test_a_workflow_is_encoded_once_however_many_are_told(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = [site.listen() for _ in range(3)]
    for listener in listeners:
        site.post("/api/etn/workflow/subscribe", {"client_id": listener.client_id})
    encode, encoded = json.dumps, []

    def counted(data: Any, **options: Any) -> str:
        encoded.append(data)
        return encode(data, **options)

    monkeypatch.setattr("bridge.comfy.told.json.dumps", counted)
    published = {"client_id": "once", "name": "Once", "workflow": {}}
    site.http.post("/api/etn/workflow/publish", content=encode(published))
    for listener in listeners:
        while listener.until("etn_workflow_published")["publisher"]["name"] != "Once":
            pass
    told = [data for data in encoded if isinstance(data, dict) and "publisher" in data.get("data", {})]
    assert len(told) == 1


async def test_models_are_described_by_pages(models: httpx.AsyncClient, folder: Path) -> None:
    for name in "abc":
        (folder / "checkpoints" / f"{name}.safetensors").write_bytes(b"damaged")
    page = (await models.get("/info/checkpoints?offset=1&limit=1")).json()
    assert page["_meta"] == {"offset": 1, "count": 1, "total": 3}
    assert page["b.safetensors"]["base_model"] == "unknown"
    assert page["b.safetensors"]["error"]
    assert set((await models.get("/info")).json()) == {"a.safetensors", "b.safetensors", "c.safetensors"}
    assert (await models.get("/info/secrets")).status_code == 400


def test_the_built_in_model_is_known_by_its_denoiser() -> None:
    found = family_of_model(model_folder())
    assert found == {"base_model": "sd15", "is_inpaint": False, "is_refiner": False, "type": "eps"}
    assert family_of_model(model_folder() / "nothing")["base_model"] == "unknown"


async def test_a_lora_is_kept_whole_and_under_its_name(models: httpx.AsyncClient, folder: Path) -> None:
    file = folder / "source"
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file({f"{key}.lora_down.weight": torch.ones(2, 8), f"{key}.lora_up.weight": torch.ones(8, 2)}, file)
    data = file.read_bytes()
    answer = await models.put("/upload/loras/new.safetensors", content=data)
    assert (answer.status_code, answer.json()) == (201, {"status": "success"})
    assert (folder / "loras" / "new.safetensors").read_bytes() == data
    again = await models.put("/upload/loras/new.safetensors", content=b"other")
    assert again.json() == {"status": "cached"}
    assert (folder / "loras" / "new.safetensors").read_bytes() == data
    assert not list(folder.glob(".upload*"))


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("checkpoints/a.safetensors", b"", 400),
        ("loras/a.ckpt", b"", 400),
        ("loras/..%2fa.safetensors", b"", 404),
        ("loras/a%00.safetensors", b"", 400),
        ("loras/a.safetensors", b"no safetensors", 400),
        ("loras/a.safetensors", b"x" * 20_000, 413),
    ],
)
async def test_what_is_no_lora_leaves_nothing_behind(
    models: httpx.AsyncClient, folder: Path, path: str, data: bytes, status: int
) -> None:
    answer = await models.put(f"/upload/{path}", content=data)
    assert answer.status_code == status
    assert not list((folder / "loras").iterdir())
    assert not list(folder.glob(".upload*"))


async def test_what_a_lora_leaves_of_the_disk_is_asked_before_and_while_it_comes(
    models: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def leave_room(path: Path, size: int) -> None:
        asked.append(size)
        if len(asked) == 3:
            raise BridgeError("the disk is full", code="disk_full", hint="Make room.")

    async def parts() -> AsyncIterator[bytes]:
        header = b'{"__metadata__": {}}'
        yield len(header).to_bytes(8, "little") + header
        for _ in range(5):
            yield bytes(100)
        raise AssertionError("nobody reads on")

    monkeypatch.setattr("bridge.comfy.etn_models.leave_room", leave_room)
    monkeypatch.setattr("bridge.comfy.etn_models.SMALL_BYTES", 50)
    monkeypatch.setattr("bridge.comfy.etn_models.ROOM_BYTES", 150)
    answer = await models.put("/upload/loras/a.safetensors", content=b"1234")
    assert (answer.status_code, asked) == (400, [4])
    answer = await put_in_parts(models, parts())
    assert "the disk is full" in answer
    assert asked == [4, 0, 150]


async def test_a_file_that_is_none_is_refused_by_its_first_bytes(models: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"no safe"
        yield b"tensors"
        raise AssertionError("nobody reads on")

    assert "is no safetensors file" in await put_in_parts(models, parts())


async def put_in_parts(models: httpx.AsyncClient, parts: AsyncIterator[bytes]) -> str:
    """Upload a LoRA whose length is not told."""
    return (await models.put("/upload/loras/a.safetensors", content=parts)).text


async def test_what_a_dead_daemon_left_of_an_upload_is_removed(
    models: httpx.AsyncClient, folder: Path
) -> None:
    left, under_way = folder / ".upload-left", folder / ".upload-now"
    for place in (left, under_way):
        place.mkdir()
        (place / "a.safetensors").write_bytes(b"half")
    for path in (left / "a.safetensors", left, under_way):
        os.utime(path, (1, 1))
    await models.put("/upload/loras/a.safetensors", content=b"no safetensors")
    assert not left.exists()
    assert under_way.exists()  # another daemon writes into it
    shutil.rmtree(under_way)


async def test_without_a_model_folder_nothing_is_taken() -> None:
    info = ModelInfo(Catalogue([]))
    app = Starlette(routes=[Route("/upload/{folder}/{name}", info.upload, methods=["PUT"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        answer = await client.put("/upload/loras/a.safetensors", content=b"x")
    assert answer.status_code == 400
    assert "--models" in json.dumps(answer.json())
