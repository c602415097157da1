"""The pulls of a daemon: in order, cancelled, and cut short when it leaves."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bridge.downloads import Choices, Consent, Plan, Pulls, PullStatus
from bridge.errors import BridgeError

from .conftest import Kit, Request, Response, Site, lora, whole

DATA = lora()
URLS = [f"https://files.example/{name}.safetensors" for name in "ab"]


@pytest.fixture
def told() -> list[PullStatus]:
    return []


@pytest.fixture
def pulls(kit: Kit, told: list[PullStatus]) -> Iterator[Pulls]:
    made = Pulls(kit.planner, told.append)
    yield made
    made.close()


def consent(plan: Plan) -> Consent:
    return Consent(plan.source, plan.bytes, plan.notes.licence)


def held(gate: threading.Event) -> Callable[[Request], Response]:
    """A file that comes whole for the plan, and waits for the gate when it is pulled."""

    def answer(request: Request) -> Response:
        if request.number:
            gate.wait(20)
        return whole(DATA)(request)

    return answer


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def test_one_after_the_other(pulls: Pulls, site: Site, kit: Kit, told: list[PullStatus]) -> None:
    for url in URLS:
        site.put(url, whole(DATA))
    plans = [pulls.plan(url, Choices()) for url in URLS]
    for plan in plans:
        pulls.start(plan.id, consent(plan))
    assert pulls.is_busy
    until(lambda: not pulls.is_busy)
    ends = [status.name for status in told if status.state == "done"]
    assert ends == ["a.safetensors", "b.safetensors"]
    assert [status.state for status in pulls.statuses] == ["done", "done"]
    assert "loras/b.safetensors" in kit.files()


def test_one_that_waits_is_cancelled_before_it_begins(
    pulls: Pulls, site: Site, kit: Kit, told: list[PullStatus]
) -> None:
    gate = threading.Event()
    kit.network.patience = kit.network.patience.__class__(slow_s=20.0, silence_s=20.0)
    for url in URLS:
        site.put(url, held(gate))
    plans = [pulls.plan(url, Choices()) for url in URLS]
    for plan in plans:
        pulls.start(plan.id, consent(plan))
    assert pulls.cancel(plans[1].id)
    assert [status.state for status in pulls.statuses][1] == "cancelled"
    assert "cancelled" in [status.state for status in told]
    pulls.start(plans[1].id, consent(plans[1]))
    assert pulls.cancel(plans[1].id)
    gate.set()
    until(lambda: not pulls.is_busy)
    assert [status.state for status in pulls.statuses] == ["done", "cancelled"]
    assert not pulls.cancel(plans[1].id)
    assert not pulls.cancel("never heard of")
    again = pulls.start(plans[1].id, consent(plans[1]))
    assert again.state == "waiting"
    until(lambda: not pulls.is_busy)
    assert "loras/b.safetensors" in kit.files()


def test_when_the_daemon_leaves_it_is_kept_for_the_next_time(
    pulls: Pulls, site: Site, kit: Kit, told: list[PullStatus]
) -> None:
    def slowly(request: Request) -> Response:
        response = whole(DATA)(request)
        response.chunk, response.drip_s = 20_000, 0.05 if request.number else 0.0
        return response

    site.put(URLS[0], slowly)
    plan = pulls.plan(URLS[0], Choices())
    pulls.start(plan.id, consent(plan))
    until(lambda: any(status.done > 100_000 for status in told))
    began = time.monotonic()
    pulls.close()
    assert time.monotonic() - began < 2
    until(lambda: told[-1].state == "failed")
    assert told[-1].problem is not None
    assert "loras/a.safetensors.partial" in kit.files()
    site.put(URLS[0], whole(DATA))
    assert kit.puller().pull(plan).read_bytes() == DATA


def test_too_many_are_refused(pulls: Pulls, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.downloads.queue.MOST_WAITING", 0)
    site.put(URLS[0], whole(DATA))
    plan = pulls.plan(URLS[0], Choices())
    with pytest.raises(BridgeError) as failure:
        pulls.start(plan.id, consent(plan))
    assert failure.value.code == "too_many_pulls"


def test_old_plans_are_forgotten(pulls: Pulls, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.downloads.queue.MOST_PLANS", 1)
    site.put(URLS[0], whole(DATA))
    first = pulls.plan(URLS[0], Choices())
    pulls.plan(URLS[0], Choices())
    with pytest.raises(BridgeError) as failure:
        pulls.start(first.id, consent(first))
    assert failure.value.code == "unknown_plan"


def test_a_bug_ends_one_pull_and_not_the_next(
    pulls: Pulls, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in URLS:
        site.put(url, whole(DATA))
    plans = [pulls.plan(url, Choices()) for url in URLS]

    def break_down(*arguments: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("bridge.downloads.queue.Puller", break_down)
        pulls.start(plans[0].id, consent(plans[0]))
        until(lambda: not pulls.is_busy)
    pulls.start(plans[1].id, consent(plans[1]))
    until(lambda: not pulls.is_busy)
    assert [status.state for status in pulls.statuses] == ["failed", "done"]
