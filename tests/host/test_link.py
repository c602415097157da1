"""The connection of a host, as it comes, goes and is told of."""

import pytest

from bridge import protocol
from bridge.builtin import load_preset
from bridge.client import Locator
from bridge.errors import BridgeError, Problem
from bridge.host import link as module

from .fakes import FakeSession

PRESETS = {"presets": [load_preset("stylize").to_json(lambda folder: ["m"])]}


@pytest.fixture
def offered():
    return []


@pytest.fixture
def asked():
    return []


@pytest.fixture
def link(monkeypatch, offered, asked):
    monkeypatch.setattr(module, "Session", FakeSession)

    def locate(starts_daemon):
        asked.append(starts_daemon)
        return Locator(starts_daemon=starts_daemon)

    return module.Link(locate, offered.extend, name="unreal", version="5.6")


def ready(link):
    link.connect()
    link.tick()
    request = f"r{len(link.session.sent)}"
    link.receive(protocol.Answer(request, PRESETS))
    return link


def test_nothing_is_done_until_it_is_asked_for(link, asked):
    assert link.words == "Not connected"
    assert not link.is_connected
    assert asked == []


def test_presets_are_asked_for_once_and_offered(link, offered):
    ready(link)
    link.tick()
    assert [preset.name for preset in offered] == ["stylize"]
    assert [name for name, *_ in link.session.sent] == ["start", "ask"]
    assert link.is_ready
    assert link.session.about == {"name": "unreal", "version": "5.6"}


def test_the_worker_decides_whether_a_picture_is_begun_at_once(link):
    ready(link)
    assert not link.can_paint
    link.receive(protocol.State("ready", device="cuda:0"))
    assert link.can_paint
    assert link.words == "Ready on cuda:0"
    link.receive(protocol.State("failed", detail="no CUDA"))
    assert link.trouble.code == "worker_failed"
    assert "no CUDA" in link.trouble.message


def test_looking_does_not_start_a_daemon_and_asking_does(link, asked):
    link.connect()
    link.session.become("retrying", Problem("connection_lost", "the daemon is not running"))
    assert link.words == "The daemon is not running"
    assert link.connect(starts_daemon=True)
    assert asked == [False, True]
    assert not link.connect(starts_daemon=True), "that is under way"
    link.session.become("connecting")
    assert link.words == "Starting the daemon…"
    assert link.trouble is None


def test_a_lost_connection_forgets_what_was_known(link):
    ready(link)
    link.session.become("lost", Problem("connection_lost", "gone"))
    link.tick()
    assert not link.is_ready
    assert link.words == "Connection lost, trying again"
    link.session.become("ready")
    link.tick()
    assert link.session.sent[-1] == ("ask", "presets")


def test_a_refusal_is_hopeless_until_one_connects_anew(link):
    link.connect()
    link.session.become("refused", Problem("not_allowed", "the token is wrong"))
    assert link.is_hopeless
    assert link.trouble.code == "not_allowed"
    assert link.connect()


def test_a_daemon_that_cannot_be_found_is_told(monkeypatch, offered):
    def locate(starts_daemon):
        raise BridgeError("the address is none", code="bad_address")

    link = module.Link(locate, offered.extend, name="unreal")
    link.connect()
    assert link.session is None
    assert link.is_hopeless
    assert link.trouble.code == "bad_address"


@pytest.mark.parametrize("data", [{}, {"presets": []}, {"presets": [{"name": 1}]}])
def test_presets_that_make_no_sense_are_told(link, data):
    link.connect()
    link.tick()
    link.receive(protocol.Answer(f"r{len(link.session.sent)}", data))
    assert link.problem.code == "bad_answer"
    assert not link.is_ready
    assert link.is_hopeless


def test_a_refused_question_is_told(link):
    link.connect()
    link.tick()
    link.receive(protocol.Failure((Problem("internal_error", "no"),), f"r{len(link.session.sent)}"))
    assert link.trouble.code == "internal_error"


def test_disconnecting_closes_the_session(link):
    session = ready(link).session
    link.disconnect()
    assert session.sent[-1] == ("close",)
    assert link.session is None
    assert link.words == "Not connected"
