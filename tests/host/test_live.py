"""The live stream, message by message."""

import itertools
from types import SimpleNamespace

import pytest

from bridge import protocol
from bridge.errors import BridgeError, Problem
from bridge.host import live
from bridge.host.live import REMEMBERED, LiveStream
from bridge.host.preset import Preset
from bridge.host.recipe import Recipe

from .fakes import FakeLink, picture

CLAY, NEON = Recipe("p", {"prompt": "clay", "steps": 4}), Recipe("p", {"prompt": "neon"})
PRESET = Preset("p", "P", "", (), titles={"1": "Checkpoint", "2": "Sampler"}, loaders=frozenset("1"))


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    """Every look at the clock is a second later: ten looks are later than any rest."""
    seconds = itertools.count()
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))


@pytest.fixture
def link():
    return FakeLink()


@pytest.fixture
def stream(link):
    made = LiveStream(link, lambda name: PRESET if name == "p" else None)
    made.apply(CLAY)
    return made


def wants(stream, seen):
    return any(stream.wants(seen) for _ in range(10))


def push(stream, seen="here", context="view"):
    frame = protocol.Frame({"color": picture()})
    assert wants(stream, seen)
    stream.push(seen, lambda number: (frame, context))


def result(frame):
    return protocol.Result("9", (picture(),), stream="live", frame=frame)


def finished(frame, state="done", problems=()):
    return protocol.Finished(state, stream="live", frame=frame, problems=problems)


def test_a_picture_comes_with_what_it_was_made_of(stream):
    push(stream)
    assert stream.receive(result(1)) == (picture(), CLAY, "view")
    assert stream.receive(protocol.Result("9", (picture(),), job="other")) is None
    assert stream.receive(result(99)) is None


def test_another_recipe_is_said_once(stream, link):
    assert not stream.apply(CLAY)
    assert stream.apply(NEON)
    assert [name for name, *_ in link.session.sent] == ["set_live", "set_live"]


def test_the_newest_frame_is_repainted_with_the_new_recipe(stream):
    push(stream)
    stream.apply(NEON)
    assert stream.receive(result(1))[1] == NEON


def test_one_frame_is_under_way(stream):
    push(stream)
    assert not wants(stream, "there")
    stream.receive(finished(1))
    assert wants(stream, "there")


def test_a_failure_is_told_and_tried_again_after_a_change(stream):
    push(stream)
    stream.receive(finished(1, "failed", (Problem("out_of_memory", "no room"),)))
    assert stream.problem.code == "out_of_memory"
    assert not wants(stream, "here")
    assert wants(stream, "there")


def test_a_refused_recipe_is_told_until_another_is_asked_for(stream, link):
    request = f"r{len(link.session.sent)}"
    stream.receive(protocol.Failure((Problem("bad_value", "no"),), request))
    assert stream.problem.code == "bad_value"
    stream.receive(protocol.Failure((Problem("other", "no"),), "another request"))
    assert stream.problem.code == "bad_value"
    stream.apply(NEON)
    assert stream.problem is None


def test_a_capture_that_fails_is_passed_on_and_not_sent(stream, link):
    def fail(number):
        raise BridgeError("no level", code="no_level")

    assert wants(stream, "here")
    with pytest.raises(BridgeError):
        stream.push("here", fail)
    assert "push_live" not in [name for name, *_ in link.session.sent]
    assert not wants(stream, "here")
    assert wants(stream, "there")


def test_a_new_connection_begins_anew(stream, link):
    push(stream)
    stream.receive(protocol.Welcome(1, "0.1.0", "s", ()))
    assert stream.apply(CLAY)
    assert wants(stream, "here")


def test_the_end_of_a_frame_of_before_the_break_ends_no_newer_one(stream):
    push(stream)
    stream.receive(protocol.Welcome(1, "test", "s"))
    stream.apply(CLAY)
    push(stream)
    stream.receive(finished(1, "failed", (Problem("out_of_memory", "no room"),)))
    assert stream.problem is None
    assert not wants(stream, "there")
    stream.receive(finished(2))
    assert wants(stream, "there")


def test_old_frames_are_forgotten(stream):
    for number in range(REMEMBERED + 2):
        stream._pace.forget()
        push(stream, seen=number, context=number)
    assert stream.receive(result(1)) is None
    assert stream.receive(result(REMEMBERED + 2)) is not None


def test_words_tell_what_was_odd_about_the_newest_picture(stream):
    odd = Problem("object_missing", 'no object of this view is called "Car"', is_warning=True)
    push(stream)
    stream.receive(finished(1, problems=(odd,)))
    assert stream.words.endswith(f": {odd.message}")
    assert stream.problem is None
    push(stream, seen="there")
    stream.receive(finished(2))
    assert odd.message not in stream.words


def test_words_tell_what_is_loaded_and_then_the_pace(stream, link):
    assert stream.words == "Live"
    push(stream)
    stream.receive(protocol.Progress("2", 1.0, 4.0, stream="live"))
    assert stream.words == "Live: Sampler 1 of 4"
    stream.receive(result(1))
    stream.receive(protocol.Progress("2", 1.0, 4.0, stream="live"))
    assert "Sampler" not in stream.words
    stream.receive(protocol.Progress("1", 1.0, 2.0, stream="live"))
    assert "Loading checkpoint 50%" in stream.words
    stream.receive(finished(1))
    assert "pictures a second" in stream.words
    link.session.become("lost")
    assert stream.words == "Live waits for the daemon"


def test_stopping_tells_the_daemon_if_it_can_be_told(stream, link):
    stream.stop()
    assert link.session.sent[-1] == ("end_live",)
    link.session.fault = BridgeError("gone", code="connection_lost")
    stream.stop()
