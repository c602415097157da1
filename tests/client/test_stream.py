from collections.abc import Callable
from typing import Any

import pytest

from bridge.client import Client
from bridge.errors import BridgeError, ConnectionLost, ExecutionError, Problem, WorkflowError
from bridge.protocol import (
    Accepted,
    CloseStream,
    Failure,
    Finished,
    Frame,
    Message,
    Plane,
    Result,
    SetStream,
    StreamFrame,
)

Daemon = Any
VIEW = Frame({"color": Plane("color", (1, 1, 3), "u8", b"abc")})


def on_frame(*messages: Message) -> Callable[[Message], list[Message]]:
    def answer(message: Message) -> list[Message]:
        if isinstance(message, SetStream):
            return [Accepted(message.request)]
        return list(messages) if isinstance(message, StreamFrame) else []

    return answer


def test_stream_is_set_before_its_frames(daemon: Daemon, client: Client) -> None:
    with client.stream("v", preset="Stylize", values={"prompt": "clay"}, wants_preview=True) as stream:
        assert [stream.push(VIEW) for _ in range(3)] == [1, 2, 3]
        daemon.wait(lambda: any(message.frame.number == 3 for message in daemon.of(StreamFrame)))
    daemon.wait(lambda: daemon.of(CloseStream) == [CloseStream("v")])
    assert daemon.of(SetStream) == [SetStream("r1", "v", {}, "Stylize", {"prompt": "clay"}, True)]


def test_latest_is_the_newest_and_each_is_returned_once(daemon: Daemon, client: Client) -> None:
    stream = client.stream("v", preset="x")
    number = stream.push(VIEW)
    result = stream.latest(10)
    assert result is not None
    assert (result.frame, result.planes) == (number, (VIEW.planes["color"],))
    assert stream.latest() is None


def test_other_streams_are_left_alone(daemon: Daemon, client: Client) -> None:
    first, second = client.stream("a", preset="x"), client.stream("b", preset="x")
    second.push(VIEW)
    assert second.latest(10) is not None
    assert first.latest() is None


def test_dropped_frames_are_counted(daemon: Daemon, client: Client) -> None:
    daemon.answer = on_frame(
        Finished("cancelled", stream="v", frame=1, dropped=2, problems=(Problem("cancelled", ""),)),
        Result("9", (), stream="v", frame=2),
    )
    stream = client.stream("v", preset="x")
    stream.push(VIEW)
    assert stream.latest(10) == Result("9", (), stream="v", frame=2)
    assert stream.dropped == 2


@pytest.mark.parametrize(
    "message",
    [
        Finished("failed", stream="v", frame=1),
        Finished("failed", stream="v", frame=1, problems=(Problem("node_failed", "boom", node_id="3"),)),
        Failure((Problem("node_failed", "boom", node_id="3"),), stream="v"),
    ],
)
def test_frame_that_fails_raises(daemon: Daemon, client: Client, message: Message) -> None:
    daemon.answer = on_frame(message)
    stream = client.stream("v", preset="x")
    stream.push(VIEW)
    with pytest.raises(ExecutionError, match=r"boom|did not say why"):
        stream.latest(10)


def test_refused_change_raises_every_fault(daemon: Daemon, client: Client) -> None:
    stream = client.stream("v", preset="x")
    daemon.answer = lambda message: [Failure((Problem("unknown_preset", "no y"),), message.request)]
    with pytest.raises(WorkflowError, match="no y"):
        stream.change(preset="y")


def test_workflow_may_change(daemon: Daemon, client: Client) -> None:
    stream = client.stream("v", preset="x")
    assert stream.change(workflow={"1": {}}) == Accepted("r2")
    assert daemon.of(SetStream)[1] == SetStream("r2", "v", {"1": {}})


def test_frame_under_way_survives_a_broken_connection(daemon: Daemon, client: Client) -> None:
    stream = client.stream("v", preset="x")
    whole, daemon.answer = daemon.answer, on_frame()
    number = stream.push(VIEW)
    daemon.wait(lambda: len(daemon.of(StreamFrame)) == 1)
    daemon.answer = whole
    daemon.drop()
    result = stream.latest(10)
    assert result is not None
    assert result.frame == number


def test_closed_client_raises(client: Client) -> None:
    stream = client.stream("v", preset="x")
    client.close()
    with pytest.raises(ConnectionLost):
        stream.push(VIEW)
    with pytest.raises(ConnectionLost):
        stream.latest(1)


def test_reopened_stream_shows_only_its_own_frames(daemon: Daemon, client: Client) -> None:
    daemon.answer = on_frame(
        Failure((Problem("node_failed", "old"),), stream="v"),
        Finished("failed", stream="v", frame=1, problems=(Problem("node_failed", "old"),)),
        Result("9", (), stream="v", frame=1),
    )
    with client.stream("v", preset="x") as old:
        assert old.push(VIEW) == 1
        daemon.wait(lambda: len(daemon.of(StreamFrame)) == 1)
    new = client.stream("v", preset="x")
    assert new.latest() is None
    daemon.answer = on_frame(
        Result("8", (), stream="v", frame=1),
        Finished("failed", stream="v", frame=1),
        Result("9", (), stream="v", frame=2),
    )
    assert new.push(VIEW) == 2
    assert new.latest(10) == Result("9", (), stream="v", frame=2)


def test_closed_stream_takes_nothing_and_leaves_its_successor_alone(daemon: Daemon, client: Client) -> None:
    old = client.stream("v", preset="x")
    old.close()
    new = client.stream("v", preset="x")
    old.close()
    for use in (lambda: old.push(VIEW), lambda: old.change(preset="y")):
        with pytest.raises(BridgeError, match='stream "v" is closed') as caught:
            use()
        assert caught.value.code == "stream_closed"
    new.push(VIEW)
    assert new.latest(10) is not None
    assert len(daemon.of(CloseStream)) == 1
