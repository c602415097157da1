import threading
import time

import pytest

from bridge.client import inbox as module
from bridge.client.inbox import Inbox
from bridge.errors import ConnectionLost, Problem
from bridge.protocol import (
    Accepted,
    Failure,
    Finished,
    Message,
    Plane,
    Preview,
    Progress,
    Result,
    Started,
    State,
)

PLANE = Plane("image", (1, 1, 3), "u8", b"abc")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(on_room=lambda: None)


def everything(inbox: Inbox) -> list[Message]:
    return list(inbox.drain(10))


def test_messages_of_jobs_keep_their_order_and_none_is_dropped(inbox: Inbox) -> None:
    messages: list[Message] = [
        Accepted("r", "j"),
        *(Result("9", (PLANE,), job="j") for _ in range(3)),
        Finished("done", job="j"),
        Failure((Problem("x", "y"),), request="r1"),
        Failure((Problem("x", "y"),), request="r2"),
    ]
    for message in messages:
        inbox.put(message)
    assert everything(inbox) == messages


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (State("busy"), State("ready")),
        (Progress("3", 1, 9, job="j"), Progress("4", 2, 9, job="j")),
        (Preview("3", (), job="j"), Preview("3", (PLANE,), job="j")),
        (Started(stream="s", frame=1), Started(stream="s", frame=2)),
        (Result("9", (PLANE,), stream="s", frame=1), Result("9", (PLANE,), stream="s", frame=2)),
        (Finished("failed", stream="s", frame=1), Finished("done", stream="s", frame=2)),
        (Failure((Problem("a", "1"),), stream="s"), Failure((Problem("a", "2"),), stream="s")),
    ],
)
def test_newest_of_a_kind_replaces_the_waiting_one(inbox: Inbox, older: Message, newer: Message) -> None:
    inbox.put(older)
    inbox.put(newer)
    assert everything(inbox) == [newer]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Progress("3", 1, 9, job="a"), Progress("3", 1, 9, job="b")),
        (Result("9", (PLANE,), stream="s"), Result("8", (PLANE,), stream="s")),
        (Result("9", (PLANE,), stream="s"), Result("9", (PLANE,), stream="t")),
        (Failure((Problem("a", ""),)), Failure((Problem("b", ""),))),
    ],
)
def test_different_things_do_not_replace_each_other(inbox: Inbox, first: Message, second: Message) -> None:
    inbox.put(first)
    inbox.put(second)
    assert everything(inbox) == [first, second]


def test_what_was_replaced_takes_its_place_at_the_end(inbox: Inbox) -> None:
    for message in (State("busy"), Started(job="j"), State("ready")):
        inbox.put(message)
    assert everything(inbox) == [Started(job="j"), State("ready")]


def test_dropped_frames_are_added_up(inbox: Inbox) -> None:
    inbox.put(Finished("done", stream="s", frame=1, dropped=2))
    inbox.put(Finished("done", stream="s", frame=5, dropped=3))
    assert everything(inbox) == [Finished("done", stream="s", frame=5, dropped=5)]


def test_budget_counts_the_time_of_the_host(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    for number in range(10):
        inbox.put(Accepted(str(number)))
    handled = 0
    for _ in inbox.drain(budget_s=0.005):
        clock[0] += 0.002
        handled += 1
    assert handled == 3
    assert len(everything(inbox)) == 7


def test_even_no_budget_moves_one_message(inbox: Inbox) -> None:
    inbox.put(Accepted("1"))
    inbox.put(Accepted("2"))
    assert list(inbox.drain(0.0)) == [Accepted("1")]


def test_full_inbox_says_so_and_tells_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    room: list[bool] = []
    inbox = Inbox(on_room=lambda: room.append(True))
    for number in range(3):
        assert not inbox.is_full
        inbox.put(Accepted(str(number)))
    assert inbox.is_full
    assert len(everything(inbox)) == 3
    assert not inbox.is_full
    assert room == [True]


def test_pictures_fill_an_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 6)
    inbox = Inbox(on_room=lambda: None)
    for _ in range(5):
        inbox.put(Result("9", (PLANE,), stream="s"))
    assert not inbox.is_full
    inbox.put(Result("9", (PLANE,), job="j"))
    assert inbox.is_full


def test_what_is_dropped_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 6)
    room: list[bool] = []
    inbox = Inbox(on_room=lambda: room.append(True))
    results = [Result("9", (PLANE,), job=job) for job in "abc"]
    for result in results:
        inbox.put(result)
    assert inbox.drop(lambda message: message in (results[0], results[2])) == [results[0], results[2]]
    assert room == [True]
    assert not inbox.is_full
    assert inbox.drop(lambda message: message == results[0]) == []
    assert room == [True]
    assert everything(inbox) == [results[1]]


def test_waiting_takes_only_what_is_wanted(inbox: Inbox) -> None:
    inbox.put(Accepted("1"))
    inbox.put(Accepted("2"))
    assert inbox.wait_for(lambda message: message == Accepted("2"), 0) == Accepted("2")
    assert everything(inbox) == [Accepted("1")]


def test_waiting_ends_when_the_message_comes(inbox: Inbox) -> None:
    timer = threading.Timer(0.02, inbox.put, [Accepted("1")])
    timer.start()
    assert inbox.wait_for(lambda message: True, 10) == Accepted("1")
    timer.join()


def test_waiting_ends_when_time_is_up(inbox: Inbox) -> None:
    before = time.monotonic()
    assert inbox.wait_for(lambda message: True, 0.02) is None
    assert time.monotonic() - before >= 0.02


def test_waiting_ends_when_the_connection_has_ended(inbox: Inbox) -> None:
    timer = threading.Timer(0.02, inbox.end, [ConnectionLost("gone")])
    timer.start()
    with pytest.raises(ConnectionLost, match="gone"):
        inbox.wait_for(lambda message: True, 10)
    timer.join()
    inbox.put(Accepted("1"))
    assert inbox.wait_for(lambda message: True, 10) == Accepted("1")
    inbox.end(None)
    assert inbox.wait_for(lambda message: True, 0) is None
