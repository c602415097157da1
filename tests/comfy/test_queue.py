"""The queue: listed in the order of its turns, ended by id or all at once."""

from types import SimpleNamespace

import httpx
from starlette.applications import Starlette
from starlette.routing import Route
from workflows import picture, through

from bridge.comfy.queue import QueueDesk


def blocked(site):
    """Start a job that does not end; return its id."""
    job = site.prompt(through("Forever"))["prompt_id"]
    site.eventually(lambda: running(site) == [job])
    return job


def running(site):
    return [entry[1] for entry in site.http.get("/queue").json()["queue_running"]]


def pending(site):
    return [entry[1] for entry in site.http.get("/queue").json()["queue_pending"]]


def test_waiting_jobs_are_listed_in_the_order_of_their_turns(site):
    blocked(site)
    late, front, early = (
        site.prompt(picture(), **order)["prompt_id"] for order in ({}, {"front": True}, {"number": -1e9})
    )
    assert pending(site) == [early, front, late]


def test_item_has_comfyuis_five_parts(site):
    job = blocked(site)
    number, prompt_id, prompt, extra, outputs = site.http.get("/queue").json()["queue_running"][0]
    assert (prompt_id, prompt, outputs) == (job, through("Forever"), ["2"])
    assert number > 0
    assert set(extra) == {"create_time"}


def test_named_jobs_are_deleted(site):
    blocked(site)
    first, second = (site.prompt(picture())["prompt_id"] for _ in range(2))
    assert site.post("/queue", {"delete": [first, "unknown", 7, [], {}]}).status_code == 200
    assert pending(site) == [second]
    assert site.http.get(f"/history/{first}").json() == {}


class CountedId(str):
    """An id that knows how often ids were compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        CountedId.compared += 1
        return str.__eq__(self, other)


async def test_names_of_many_jobs_are_not_all_compared_with_all_others():
    waiting = [
        SimpleNamespace(id=CountedId(number), state="waiting", session="comfy:a") for number in range(300)
    ]
    cancelled = []

    async def cancel(session, job_id):
        cancelled.append(job_id)

    desk = QueueDesk(SimpleNamespace(jobs=lambda: waiting, cancel=cancel))
    app = Starlette(routes=[Route("/queue", desk.post, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        names = [str(number) for number in range(100, 5000)]
        assert (await client.post("/queue", json={"delete": names})).status_code == 200
    assert cancelled == names[:200]
    assert CountedId.compared < 3000


def test_all_waiting_jobs_are_cleared_and_the_running_one_goes_on(site):
    job = blocked(site)
    site.prompt(picture())
    assert site.post("/queue", {"clear": True}).content == b""
    assert pending(site) == []
    assert running(site) == [job]


def test_interrupt_ends_what_runs(site):
    job = blocked(site)
    assert site.http.post("/interrupt").status_code == 200
    entry = site.finished(job)
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_interrupt_of_another_prompt_ends_nothing(site):
    job, other = blocked(site), site.prompt(picture())["prompt_id"]
    assert site.post("/interrupt", {"prompt_id": other}).status_code == 200
    assert (running(site), pending(site)) == ([job], [other])
    site.post("/interrupt", {"prompt_id": job})
    assert site.finished(other)["status"]["completed"]


def test_interrupt_with_nothing_running_is_fine(site):
    assert site.http.post("/interrupt").status_code == 200


def test_freeing_drops_what_was_cached(site, listener):
    workflow = picture()
    listener.until_over(site.prompt(workflow, client_id=listener.client_id)["prompt_id"])
    assert site.post("/free", {"unload_models": True, "free_memory": True}).status_code == 200
    job = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
    assert [e["data"]["nodes"] for e in listener.until_over(job) if e["type"] == "execution_cached"] == [[]]


def test_freeing_nothing_drops_nothing(site, listener):
    workflow = picture()
    listener.until_over(site.prompt(workflow, client_id=listener.client_id)["prompt_id"])
    site.post("/free", {})
    job = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
    listener.until_over(job)
    assert len(site.finished(job)["status"]["messages"][1][1]["nodes"]) == 2


def test_full_queue_says_so(site, monkeypatch):
    blocked(site)
    monkeypatch.setattr("bridge.jobs.queue.MAX_WAITING", 0)
    told = site.post("/prompt", {"prompt": picture()})
    assert told.status_code == 429
    assert told.json()["error"]["type"] == told.json()["code"] == "queue_full"
    assert told.json()["message"]
    assert told.json()["hint"]
