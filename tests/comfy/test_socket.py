"""What a client hears on /ws: in the order and the words of ComfyUI (comfyui-transcript.txt)."""

import asyncio
import json
import struct

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from workflows import changed, picture, through

from bridge.comfy.hub import Hub
from bridge.comfy.socket import ComfySocket
from bridge.comfy.told import Event
from bridge.server import Clients


def kinds(heard):
    return [entry["type"] if isinstance(entry, dict) else "picture" for entry in heard]


def of(heard, kind):
    return [entry["data"] for entry in heard if isinstance(entry, dict) and entry["type"] == kind]


def test_first_word_is_the_status_with_the_clients_own_name(site):
    assert site.listen("some-client").next()["data"]["sid"] == "some-client"


def test_client_without_a_name_is_given_one(site):
    first = site.listen("").next()
    assert first["type"] == "status"
    assert len(first["data"]["sid"]) == 32


def test_a_prompt_is_told_in_comfyuis_order(site, listener):
    job = site.prompt(picture(), client_id=listener.client_id)["prompt_id"]
    heard = listener.until_over(job)
    assert kinds(heard) == [
        *("status", "status", "execution_start", "execution_cached"),
        *("progress_state", "executing", "progress_state"),
        *("progress_state", "executing", "executed", "progress_state"),
        *("execution_success", "status", "executing"),
    ]
    assert [entry["node"] for entry in of(heard, "executing")] == ["1", "2", None]
    assert of(heard, "execution_cached")[0]["nodes"] == []
    assert [s["status"]["exec_info"]["queue_remaining"] for s in of(heard, "status")] == [1, 1, 0]


def test_state_of_nodes_has_comfyuis_fields(site, listener):
    job = site.prompt(picture(), client_id=listener.client_id)["prompt_id"]
    last = of(listener.until_over(job), "progress_state")[-1]
    about = {"prompt_id": job, "parent_node_id": None, "value": 1.0, "max": 1.0, "state": "finished"}
    assert last["nodes"] == {
        name: {**about, "node_id": name, "display_node_id": name, "real_node_id": name} for name in ("1", "2")
    }


def test_what_comes_from_the_cache_is_shown_again_and_does_not_run(site, listener):
    workflow = picture()
    first = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
    shown = of(listener.until_over(first), "executed")
    again = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
    heard = listener.until_over(again)
    assert kinds(heard) == [
        *("status", "status", "execution_start", "execution_cached", "executed", "progress_state"),
        *("execution_success", "status", "executing"),
    ]
    assert sorted(of(heard, "execution_cached")[0]["nodes"]) == ["1", "2"]
    assert of(heard, "executed")[0]["output"] == shown[0]["output"]


def test_pictures_for_the_socket_come_as_png_between_state_and_progress(site, listener):
    workflow = {
        **picture(0x102030),
        "2": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}},
    }
    heard = listener.until_over(site.prompt(workflow, client_id=listener.client_id)["prompt_id"])
    place = kinds(heard).index("picture")
    assert kinds(heard)[place - 1 : place + 2] == ["progress_state", "picture", "progress"]
    assert heard[place + 1]["data"]["value"] == 0
    assert heard[place][:16] == struct.pack(">II", 1, 2) + b"\x89PNG\r\n\x1a\n"


def test_client_that_can_take_it_gets_pictures_with_a_description(site, listener):
    listener.say({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
    assert listener.until("feature_flags")["supports_preview_metadata"] is True
    job = site.prompt(through("Steps", count=1, seconds=0), client_id=listener.client_id)["prompt_id"]
    heard = listener.until_over(job)
    preview = heard[kinds(heard).index("picture")]
    event, length = struct.unpack(">II", preview[:8])
    about = json.loads(preview[8 : 8 + length])
    assert event == 4
    assert about == {
        "node_id": "1",
        "display_node_id": "1",
        "real_node_id": "1",
        "parent_node_id": None,
        "prompt_id": job,
        "image_type": "image/jpeg",
    }
    assert preview[8 + length :][:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("method", ["taesd", "auto"])
def test_client_may_ask_for_previews_with_the_prompt(site, listener, method):
    job = site.prompt(
        through("Steps", count=1, seconds=0),
        client_id=listener.client_id,
        extra_data={"preview_method": method},
    )["prompt_id"]
    assert "picture" in kinds(listener.until_over(job))


def test_client_that_says_nothing_gets_no_previews(site, listener):
    job = site.prompt(through("Steps", count=1, seconds=0), client_id=listener.client_id)["prompt_id"]
    assert "picture" not in kinds(listener.until_over(job))


def test_progress_of_a_node_is_told(site, listener):
    job = site.prompt(through("Steps", count=2, seconds=0), client_id=listener.client_id)["prompt_id"]
    progress = of(listener.until_over(job), "progress")
    assert progress == [{"value": n, "max": 2, "node": "1", "prompt_id": job} for n in (1, 2)]


def test_failing_node_is_told_without_a_traceback(site, listener):
    workflow = {
        **picture(),
        "2": {"class_type": "Fail", "inputs": {"images": ["1", 0], "text": "t" * 1000}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    job = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
    heard = listener.until_over(job)
    assert kinds(heard)[-3:] == ["execution_error", "status", "executing"]
    error = of(heard, "execution_error")[0]
    assert error["node_id"] == "2"
    assert error["node_type"] == "Fail"
    assert error["executed"] == ["1"]
    assert (error["exception_type"], error["exception_message"]) == ("RuntimeError", "Intentional")
    assert error["current_inputs"] == {"images": ["tuple"], "text": ["t" * 200]}
    assert "Traceback" not in json.dumps(heard)
    assert "comfy_nodes" not in json.dumps(heard)


def test_what_is_blocked_is_told_and_the_run_goes_on(site, listener):
    job = site.prompt(through("Block"), client_id=listener.client_id)["prompt_id"]
    heard = listener.until_over(job)
    assert of(heard, "execution_error")[0]["exception_type"] == "ExecutionBlocked"
    assert "there is nothing to see" in of(heard, "execution_error")[0]["exception_message"]
    assert kinds(heard)[-3:] == ["execution_success", "status", "executing"]


def test_interrupted_prompt_is_told_so(site, listener):
    job = site.prompt(through("Forever"), client_id=listener.client_id)["prompt_id"]
    while listener.until("executing")["node"] != "1":
        pass
    site.post("/interrupt", {})
    heard = listener.until_over(job)
    assert kinds(heard)[-3:] == ["execution_interrupted", "status", "executing"]
    interrupted = of(heard, "execution_interrupted")[0]
    assert (interrupted["node_id"], interrupted["node_type"]) == ("1", "Forever")


def test_nodes_of_an_expansion_are_told_with_the_node_that_speaks_for_them(site, listener):
    job = site.prompt(through("Expand"), client_id=listener.client_id)["prompt_id"]
    heard = listener.until_over(job)
    shown = [entry for entry in of(heard, "executed") if entry["node"] != "2"]
    assert [(entry["node"], entry["display_node"]) for entry in shown] == [("1.0.show", "1")]
    last = of(heard, "progress_state")[-1]["nodes"]["1.0.inner"]
    assert (last["display_node_id"], last["parent_node_id"]) == ("1", "1")


def test_only_the_client_of_a_prompt_hears_of_it(site, listener):
    other = site.listen()
    other.until("status")
    job = site.prompt(picture(), client_id=listener.client_id)["prompt_id"]
    listener.until_over(job)
    assert {other.next()["type"] for _ in range(3)} == {"status"}


def test_prompt_of_nobody_runs_and_is_told_to_nobody(site, listener):
    site.finished(site.prompt(picture())["prompt_id"])
    assert {listener.next()["type"] for _ in range(3)} == {"status"}


def test_client_that_comes_back_hears_what_it_missed(site):
    client = site.listen("returning")
    client.until("status")
    client.close()
    job = site.prompt(picture(), client_id="returning")["prompt_id"]
    site.finished(job)
    heard = site.listen("returning").until_over(job)
    assert kinds(heard) == [
        *("status", "execution_start", "execution_cached", "executing", "executing", "executed"),
        *("execution_success", "executing"),
    ]


def test_end_of_an_old_connection_leaves_the_new_one_its_messages(site):
    old, new = site.listen("twice"), site.listen("twice")
    new.until("status")
    old.close()
    job = site.prompt(picture(), client_id="twice")["prompt_id"]
    assert "executed" in kinds(new.until_over(job))


def test_client_that_comes_back_in_mid_run_is_told_which_node_runs(site, listener):
    site.prompt(through("Forever"), client_id=listener.client_id)
    while listener.until("executing")["node"] != "1":
        pass
    assert site.listen(listener.client_id).until("executing")["node"] == "1"


@pytest.mark.parametrize(
    "said", ["no json", "[]", '{"type": 1}', '{"type": "feature_flags"}', b"\0\1", "[" * 9999]
)
def test_nonsense_ends_nothing(site, listener, said):
    listener.say(said)
    job = site.prompt(changed(), client_id=listener.client_id)["prompt_id"]
    assert listener.until_over(job)


def test_the_api_prefix_leads_to_the_same_socket(site):
    assert site.listen("prefixed", "/api/ws").next()["data"]["sid"] == "prefixed"


def test_reader_that_is_too_slow_is_sent_away_and_hears_the_rest_when_it_is_back(site, monkeypatch):
    monkeypatch.setattr("bridge.comfy.outlet.MAX_MESSAGES", -1)
    client = site.listen("slow")
    client.next()
    with pytest.raises(ConnectionClosed) as caught:
        client.next()
    assert caught.value.rcvd.code == 1013
    monkeypatch.undo()
    job = site.prompt(picture(), client_id="slow")["prompt_id"]
    assert site.listen("slow").until_over(job)


class StuckWebSocket:
    """One whose peer takes nothing: what is sent to it is never gone."""

    def __init__(self):
        self.closed_with, self.is_sending = 0, False
        self.query_params, self.headers = {}, {}

    async def accept(self):
        pass

    async def receive(self):
        await asyncio.Event().wait()

    async def send(self, message):
        self.is_sending = True
        await asyncio.Event().wait()

    async def close(self, code, reason):
        self.closed_with = code


def test_page_has_the_worker_prepared_for_pictures_and_a_script_has_not(site, monkeypatch):
    warmed = []
    monkeypatch.setattr(Hub, "warm_up", lambda self: warmed.append(True))
    site.listen().next()
    assert not warmed
    url = f"ws://127.0.0.1:{site.daemon.port}/ws"
    with connect(url, user_agent_header="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0") as page:
        page.recv()
    assert warmed


class OneClientHub:
    def enter(self, client_id, outlet):
        self.outlet = outlet

    def leave(self, client_id, outlet):
        self.left = outlet.take()


async def test_reader_that_takes_nothing_is_sent_away_while_it_is_being_written_to(monkeypatch):
    monkeypatch.setattr("bridge.comfy.outlet.MAX_MESSAGES", 3)
    websocket, hub = StuckWebSocket(), OneClientHub()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(ComfySocket(hub, None, Clients()).serve(websocket))
        while not hasattr(hub, "outlet"):
            await asyncio.sleep(0)
        hub.outlet.put(Event("e", {}))
        while not websocket.is_sending:
            await asyncio.sleep(0)
        for number in range(6):
            hub.outlet.put(Event("e", {"n": number}))
    assert websocket.closed_with == 1013
    assert hub.left[-1] == Event("e", {"n": 5})  # for the next connection


def test_one_client_too_many_is_told_so(site, monkeypatch):
    monkeypatch.setattr("bridge.server.clients.MAX_CLIENTS", 0)
    with pytest.raises(InvalidStatus) as caught:
        site.listen()
    assert caught.value.response.status_code == 503
    assert json.loads(caught.value.response.body)["code"] == "too_many_clients"


def test_cancelled_while_it_waited_leaves_the_client_alone(site, listener):
    site.prompt(through("Forever"))
    job = site.prompt(picture(), client_id=listener.client_id)["prompt_id"]
    site.post("/queue", {"delete": [job]})
    other = site.prompt(picture(), client_id=listener.client_id)["prompt_id"]
    site.post("/interrupt")
    assert {entry["data"].get("prompt_id", other) for entry in listener.until_over(other)} == {other}
