"""The clients of the API: who hears what, and what is kept for whom, with a service that is a fake."""

import asyncio

import pytest

from bridge.comfy import hub as hub_module
from bridge.comfy.hub import Hub
from bridge.comfy.outlet import Outlet
from bridge.engine import Executing
from bridge.jobs import JobRecord
from bridge.protocol import Finished, Plane, Preview, Progress, Result, Started, State


class FakeService:
    def __init__(self):
        self.sinks = {}
        self.records = {}
        self.live = []
        self.state = State("ready")

    def connect(self, session, deliver):
        self.sinks[session] = deliver

    def disconnect(self, session):
        del self.sinks[session]

    def jobs(self):
        return self.live

    def record(self, job_id):
        return self.records.get(job_id)


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def hub(service):
    return Hub(service)


def enter(hub, client_id):
    outlet = Outlet()
    hub.enter(client_id, outlet)
    return outlet


def kinds(outlet):
    return [getattr(message, "type", "picture") for message in outlet.take()]


def run(service, client_id, job="j", state="done"):
    for message in (Started(job=job), Finished(state, job=job)):
        service.sinks[f"comfy:{client_id}"](message)


def test_status_is_told_to_all_when_the_queue_changes(hub, service):
    outlets = [enter(hub, name) for name in ("a", "b")]
    for outlet in outlets:
        outlet.take()
    service.state = State("busy", queue_remaining=1)
    for sink in service.sinks.values():
        sink(service.state)
    assert [kinds(outlet) for outlet in outlets] == [["status"], ["status"]]


def test_job_that_was_cancelled_before_it_began_is_not_told(hub, service):
    outlet = enter(hub, "a")
    outlet.take()
    service.sinks["comfy:a"](Finished("cancelled", job="j"))
    assert kinds(outlet) == []


def test_newest_connection_hears_and_then_the_one_before(hub, service):
    old, new = enter(hub, "a"), enter(hub, "a")
    old.take(), new.take()
    run(service, "a")
    assert "execution_success" not in kinds(old)
    assert "execution_success" in kinds(new)
    hub.leave("a", new)
    run(service, "a", "k")
    assert "execution_success" in kinds(old)


def test_what_was_not_sent_when_a_connection_ends_is_kept(hub, service):
    outlet = enter(hub, "a")
    run(service, "a")
    hub.leave("a", outlet)
    assert kinds(enter(hub, "a")) == ["status", "execution_start", "execution_success", "executing"]


def test_previews_are_not_kept_and_results_are(hub, service):
    hub.client("a")
    plane = Plane("image", (1, 1, 3), "u8", b"png", "png")
    deliver = service.sinks["comfy:a"]
    deliver(Started(job="j"))
    deliver(Preview("1", (plane,), job="j"))
    deliver(Result("1", (plane,), job="j"))
    assert kinds(enter(hub, "a")) == ["status", "execution_start", "picture"]


def test_of_too_much_the_oldest_is_lost(hub, service, monkeypatch):
    monkeypatch.setattr(hub_module, "KEPT_MESSAGES", 3)
    hub.client("a")
    for job in ("j", "k"):
        run(service, "a", job)
    assert kinds(enter(hub, "a")) == ["status", "execution_start", "execution_success", "executing"]


def test_absent_clients_make_room_for_newer_ones(hub, service, monkeypatch):
    monkeypatch.setattr(hub_module, "ABSENT_CLIENTS", 2)
    present = enter(hub, "here")
    for name in ("a", "b", "c"):
        hub.client(name)
    assert set(service.sinks) == {"comfy:", "comfy:here", "comfy:b", "comfy:c"}
    hub.leave("here", present)
    assert "comfy:b" not in service.sinks


def test_absent_clients_that_have_jobs_are_remembered(hub, service, monkeypatch):
    monkeypatch.setattr(hub_module, "ABSENT_CLIENTS", 1)
    service.live = [JobRecord("j", "comfy:a", 1.0, {}, {}, (), "waiting", 1.0)]
    for name in ("a", "b", "c"):
        hub.client(name)
    assert set(service.sinks) == {"comfy:", "comfy:a", "comfy:c"}


def test_absent_clients_whose_job_is_on_its_way_are_remembered(hub, service, monkeypatch):
    monkeypatch.setattr(hub_module, "ABSENT_CLIENTS", 1)
    with hub.holding("a"), hub.holding("a"):
        pass
    with hub.holding("a"):
        hub.client("b"), hub.client("c")
        assert set(service.sinks) == {"comfy:", "comfy:a", "comfy:c"}
    hub.client("d")
    assert set(service.sinks) == {"comfy:", "comfy:d"}


def test_client_that_comes_in_the_middle_of_a_job_is_told_the_rest(hub, service):
    outlet = enter(hub, "a")
    deliver = service.sinks["comfy:a"]
    deliver(Progress("1", 1, 2, job="j"))
    deliver(Finished("done", job="j", outputs={"2": {"images": []}}))
    told = kinds(outlet)
    assert told == ["status", "progress", "executed", "execution_success", "status", "executing"]


def test_client_that_comes_back_in_mid_job_hears_once_that_it_began(hub, service):
    outlet = enter(hub, "a")
    deliver = service.sinks["comfy:a"]
    deliver(Started(job="j"))
    deliver(Executing("j", "1", "1"))
    [start] = [event for event in outlet.take() if event.type == "execution_start"]
    hub.leave("a", outlet)
    outlet = enter(hub, "a")
    status, begun, executing = outlet.take()
    assert status.type == "status"
    assert begun == start
    assert executing.data == {"node": "1", "prompt_id": "j"}
    hub.leave("a", outlet)
    deliver(Finished("done", job="j"))
    deliver(Started(job="k"))
    assert kinds(enter(hub, "a")).count("execution_start") == 1


def test_milestones_of_the_last_jobs_are_remembered_and_then_their_outline(hub, service, monkeypatch):
    monkeypatch.setattr(hub_module, "KEPT_STORIES", 1)
    record = JobRecord("j", "comfy:a", 1.0, {}, {}, (), "done", 1.0, began_at=2.0, ended_at=3.0)
    hub.client("a")
    run(service, "a")
    assert hub.milestones(record)[0][1]["timestamp"] > 2000
    run(service, "a", "k")
    assert [data["timestamp"] for _, data in hub.milestones(record)] == [2000, 3000]


async def test_whoever_waits_for_a_job_is_woken_at_its_end(hub, service):
    service.records["j"] = JobRecord("j", "comfy:", 1.0, {}, {}, (), "running", 1.0)
    waiting = [asyncio.create_task(hub.until_ended("j")) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    run(service, "")
    await waiting[1]


async def test_nobody_waits_for_what_has_ended_or_never_was(hub, service):
    service.records["j"] = JobRecord("j", "comfy:", 1.0, {}, {}, (), "done", 1.0, ended_at=2.0)
    await hub.until_ended("j")
    await hub.until_ended("unknown")
