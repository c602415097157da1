"""What a daemon answers about models, over its socket; sources are a server of this machine."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import bridge
from bridge.client import Client
from bridge.daemon import Daemon, Settings
from bridge.errors import BridgeError
from bridge.protocol import (
    AddFolder,
    CancelPull,
    LackingModels,
    ListModels,
    Message,
    ModelInfo,
    PlanPull,
    Pull,
    PullState,
    VerifyModel,
)

from ..downloads.conftest import Request, Response, Site, always, local_network, lora, whole

DATA = lora(metadata={"modelspec.title": "Chalk", "modelspec.trigger_phrase": "chalk, board"})
URL = "https://files.example/chalk.safetensors"


@pytest.fixture
async def client(home: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    async with Daemon(Settings(port=0, bootstrap="nowhere:load"), local_network(port)):
        with Client() as connected:
            await asyncio.to_thread(connected.wait_ready)
            yield connected


async def ask(client: Client, kind: type[Message], *fields: Any, **named: Any) -> dict[str, Any]:
    message = kind(client.new_request(), *fields, **named)  # type: ignore[call-arg]
    return dict(await asyncio.to_thread(client.ask, message))


async def states(client: Client, until: str) -> list[PullState]:
    """Every word about pulls, up to one of a state."""
    heard: list[PullState] = []
    async with asyncio.timeout(20):
        while not heard or heard[-1].state != until:
            heard += [each for each in client.pump() if isinstance(each, PullState)]
            await asyncio.sleep(0.01)
    return heard


async def agree(client: Client, to: dict[str, Any], **changed: Any) -> dict[str, Any]:
    said = {key: to[key] for key in ("plan", "source", "bytes", "licence")}
    return await ask(client, Pull, **{**said, **changed})


async def test_a_model_is_planned_pulled_listed_and_verified(client: Client, site: Site, home: Path) -> None:
    site.put(URL, whole(DATA))
    plan = await ask(client, PlanPull, URL)
    assert plan["folder"] == "loras"
    assert plan["family"] == "Stable Diffusion 1.x"
    assert plan["triggers"] == ["chalk", "board"]
    assert plan["bytes"] == len(DATA)
    assert not (home / "models" / "loras").exists(), "nothing is written before the user agrees"
    await agree(client, plan)
    heard = await states(client, "done")
    assert {each.state for each in heard} >= {"waiting", "done"}
    assert heard[-1].total == heard[-1].done == len(DATA)
    assert (home / "models" / "loras" / "chalk.safetensors").read_bytes() == DATA
    listed = (await ask(client, ListModels, "loras"))["models"]
    mine = next(each for each in listed if each["name"] == "chalk.safetensors")
    assert mine["title"] == "Chalk"
    assert mine["is_hashed"]
    known = await ask(client, ModelInfo, "loras", "chalk.safetensors")
    assert known["model"]["source"] == URL
    assert known["thumbnail"] == ""
    verdict = (await ask(client, VerifyModel, "loras", "chalk.safetensors"))["verdict"]
    assert verdict["state"] == "good"
    pulls = await asyncio.to_thread(client.query, "pulls")
    assert [each["state"] for each in pulls["pulls"]] == ["done"]


async def test_other_words_than_the_plans_are_no_consent(client: Client, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = await ask(client, PlanPull, URL)
    changed: list[dict[str, Any]] = [{"bytes": 1}, {"source": "https://else.example/x"}, {"licence": "MIT"}]
    for words in changed:
        with pytest.raises(BridgeError) as failure:
            await agree(client, plan, **words)
        assert failure.value.code == "consent_differs"
    with pytest.raises(BridgeError) as failure:
        await agree(client, plan, plan="guessed")
    assert failure.value.code == "unknown_plan"


async def test_a_page_is_refused_at_the_plan_with_a_remedy(client: Client, site: Site) -> None:
    site.put(URL, always(body=b"<html>log in</html>" * 90))
    with pytest.raises(BridgeError) as failure:
        await ask(client, PlanPull, URL)
    assert failure.value.code == "not_a_model"
    assert "download arrow" in failure.value.hint


async def test_a_pull_is_cancelled_while_the_client_talks_on(client: Client, site: Site, home: Path) -> None:
    def slowly(request: Request) -> Response:
        response = whole(DATA)(request)
        response.drip_s = 0.1 if request.number else 0.0
        return response

    site.put(URL, slowly)
    plan = await ask(client, PlanPull, URL)
    pull = (await agree(client, plan))["pull"]
    await states(client, "pulling")
    with pytest.raises(BridgeError) as failure:
        await agree(client, plan)
    assert failure.value.code == "pull_running"
    assert (await ask(client, CancelPull, pull))["cancelled"]
    await states(client, "cancelled")
    assert not list((home / "models").rglob("*.s*"))
    assert not (await ask(client, CancelPull, pull))["cancelled"]


async def test_a_pull_that_fails_says_why(client: Client, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = await ask(client, PlanPull, URL)
    site.put(URL, always("404 Not Found"))
    await agree(client, plan)
    heard = await states(client, "failed")
    assert heard[-1].problems[0].code == "source_not_found"
    assert heard[-1].problems[0].hint


async def test_a_folder_is_added_for_good_and_seen_at_once(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "ComfyUI" / "models" / "loras"
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(DATA)
    added = await ask(client, AddFolder, str(tmp_path / "ComfyUI"))
    assert added["models"] == 1
    listed = (await ask(client, ListModels, "loras"))["models"]
    assert "mine.safetensors" in [each["name"] for each in listed]
    folders = await asyncio.to_thread(client.query, "model_folders")
    assert str(tmp_path / "ComfyUI") in folders["folders"]
    assert "sd15" in [each["id"] for each in folders["curated"]]
    assert Settings().model_roots[-1].is_file()
    with pytest.raises(BridgeError) as failure:
        await ask(client, AddFolder, str(tmp_path / "nowhere"))
    assert failure.value.code == "bad_folder"


async def test_what_takes_long_does_not_hold_up_the_rest(client: Client, site: Site) -> None:
    def late(request: Request) -> Response:
        response = whole(DATA)(request)
        response.chunk, response.drip_s = 60, 0.02
        return response

    site.put(URL, late)
    slow = asyncio.create_task(ask(client, PlanPull, URL))
    assert (await asyncio.to_thread(client.query, "pulls"))["pulls"] == []
    assert not slow.done()
    assert (await slow)["bytes"] == len(DATA)


async def test_sources_that_do_not_answer_hold_up_no_list(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold(*given: Any) -> Any:
        begun.release()
        go_on.wait(60)
        raise BridgeError("it does not answer", code="source_unreachable")

    monkeypatch.setattr("bridge.downloads.queue.Pulls.plan", hold)
    for _ in range(10):
        client.send(PlanPull(client.new_request(), URL))
    for _ in range(8):
        assert await asyncio.to_thread(begun.acquire, timeout=60)
    assert (await ask(client, ListModels, "loras"))["left_out"] == 0
    assert not begun.acquire(blocking=False)
    go_on.set()


async def test_what_a_workflow_lacks_is_named_with_its_source(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(Path(bridge.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, str(Path(__file__).parent)]))
    inputs = {"image": "x.png", "checkpoint": "sd_xl_base_1.0.safetensors"}
    async with Daemon(Settings(port=0, bootstrap="fake_library:load")):
        with Client() as client:
            await asyncio.to_thread(client.wait_ready)
            found = await ask(client, LackingModels, {"7": {"class_type": "Load", "inputs": inputs}})
            of_preset = await ask(client, LackingModels, preset="stylize")
    assert [(each["node_id"], each["input"], each["source"]) for each in found["lacking"]] == [
        ("7", "checkpoint", "sdxl")
    ]
    assert of_preset["lacking"] == []


async def test_a_pull_is_cancelled_whatever_is_unanswered(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr("bridge.server.socket.MAX_UNFINISHED", 1)
    monkeypatch.setattr("bridge.daemon.models.verify", lambda *given: go_on.wait(60))
    with Client() as other:
        await asyncio.to_thread(other.wait_ready)
        for number in range(3):
            other.send(VerifyModel(other.new_request(), "loras", str(number)))
        assert not (await ask(other, CancelPull, "none"))["cancelled"]
    go_on.set()


async def test_presets_are_read_apart_from_the_event_loop(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, asked_in = threading.current_thread(), []

    def read(*given: Any) -> Any:
        asked_in.append(threading.current_thread())
        raise BridgeError("there is none", code="unknown_preset")

    monkeypatch.setattr("bridge.daemon.models.expand_preset", read)
    with pytest.raises(BridgeError, match="there is none"):
        await ask(client, LackingModels, preset="mine")
    assert loop not in asked_in


async def test_only_so_many_questions_are_looked_into_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold(*given: Any) -> Any:
        begun.release()
        go_on.wait(60)
        raise BridgeError("it is not there", code="model_not_found")

    monkeypatch.setattr("bridge.daemon.models.verify", hold)
    for number in range(12):
        client.send(VerifyModel(client.new_request(), "loras", str(number)))
    for _ in range(8):
        assert await asyncio.to_thread(begun.acquire, timeout=60)
    await asyncio.to_thread(client.query, "status")  # by which time the others have had their chance
    assert not begun.acquire(blocking=False)
    go_on.set()
    for _ in range(4):
        assert await asyncio.to_thread(begun.acquire, timeout=60)
