import pytest

from bridge.client.outbox import MAX_WAITING, Outbox
from bridge.errors import BridgeError
from bridge.protocol import Cancel, CloseStream, Frame, Free, Message, Plane, SetStream, StreamFrame


def frame(stream: str, number: int) -> StreamFrame:
    return StreamFrame(stream, Frame({"mask": Plane("mask", (1, 1), "u8", b"x")}, number=number))


def everything(outbox: Outbox) -> list[Message]:
    return list(iter(outbox.take, None))


@pytest.fixture
def woken() -> list[bool]:
    return []


@pytest.fixture
def outbox(woken: list[bool]) -> Outbox:
    return Outbox(wake=lambda: woken.append(True))


def test_requests_keep_their_order(outbox: Outbox) -> None:
    requests = [Free(str(number)) for number in range(5)]
    for request in requests:
        outbox.put(request)
    assert everything(outbox) == requests


def test_newer_frame_replaces_the_waiting_one(outbox: Outbox) -> None:
    for number in range(100):
        outbox.put(frame("a", number))
    assert everything(outbox) == [frame("a", 99)]


def test_each_stream_has_a_place_and_keeps_its_turn(outbox: Outbox) -> None:
    for message in (frame("a", 1), frame("b", 1), frame("a", 2)):
        outbox.put(message)
    assert everything(outbox) == [frame("a", 2), frame("b", 1)]


def test_settings_go_before_frames(outbox: Outbox) -> None:
    outbox.put(frame("a", 1))
    outbox.put(SetStream("r", "a"))
    assert everything(outbox) == [SetStream("r", "a"), frame("a", 1)]


def test_request_that_is_removed_is_not_sent(outbox: Outbox) -> None:
    for name in "abc":
        outbox.put(Free(name))
    assert outbox.remove("b")
    assert not outbox.remove("b")
    assert everything(outbox) == [Free("a"), Free("c")]


def test_older_frame_does_not_replace_the_waiting_one(outbox: Outbox) -> None:
    outbox.put(frame("a", 2))
    outbox.put(Free("r"))
    outbox.put_first([SetStream("s", "a"), frame("a", 1), frame("b", 1)])
    assert everything(outbox) == [SetStream("s", "a"), Free("r"), frame("a", 2), frame("b", 1)]


def test_cancels_are_taken_before_the_rest(outbox: Outbox) -> None:
    for message in (Free("a"), Cancel("b", "j"), Free("c")):
        outbox.put(message)
    assert outbox.take_cancels() == [Cancel("b", "j")]
    assert everything(outbox) == [Free("a"), Free("c")]


def test_closing_a_stream_forgets_its_frame(outbox: Outbox) -> None:
    outbox.put(frame("a", 1))
    outbox.put(frame("b", 1))
    outbox.put(CloseStream("a"))
    assert everything(outbox) == [CloseStream("a"), frame("b", 1)]


def test_what_comes_first_goes_before_what_waits(outbox: Outbox) -> None:
    outbox.put(Free("3"))
    outbox.put_first([Free("1"), Free("2")])
    assert everything(outbox) == [Free("1"), Free("2"), Free("3")]


def test_too_many_requests_are_refused(outbox: Outbox) -> None:
    for number in range(MAX_WAITING):
        outbox.put(Free(str(number)))
    outbox.put(frame("a", 1))
    with pytest.raises(BridgeError) as caught:
        outbox.put(Free("one more"))
    assert caught.value.code == "outbox_full"


def test_clearing_returns_the_requests(outbox: Outbox) -> None:
    outbox.put(Free("1"))
    outbox.put(frame("a", 1))
    assert outbox.clear() == [Free("1")]
    assert outbox.take() is None


def test_putting_wakes_the_sender(outbox: Outbox, woken: list[bool]) -> None:
    outbox.put(Free("1"))
    outbox.put(frame("a", 1))
    outbox.put_first([Free("0")])
    assert len(woken) == 3
