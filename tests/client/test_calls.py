import time
from typing import Any

import pytest

from bridge.client import Client, calls
from bridge.errors import BridgeError, ConnectionLost, Problem, RemoteProtocolError, WorkflowError
from bridge.protocol import Accepted, Answer, Failure, Query, Submit

Daemon = Any


def test_answer_is_returned(client: Client) -> None:
    assert calls.ask(client._connection, Query("r1", "models"), Answer).data == {"subject": "models"}


def test_answers_to_others_are_left_alone(daemon: Daemon, client: Client) -> None:
    daemon.answer = lambda message: [Answer("r0", {}), Answer(message.request, {"mine": 1})]
    assert calls.ask(client._connection, Query("r1", "models"), Answer).data == {"mine": 1}
    assert Answer("r0", {}) in list(client.pump())


def test_refusal_is_raised(daemon: Daemon, client: Client) -> None:
    problem = Problem("unknown_subject", "no such thing", "Ask for models.")
    daemon.answer = lambda message: [Failure((problem,), message.request)]
    with pytest.raises(BridgeError) as caught:
        calls.ask(client._connection, Query("r1", "moodels"), Answer)
    assert caught.value.problem == problem
    with pytest.raises(WorkflowError):
        calls.ask(client._connection, Submit("r2", preset="x"), Accepted)


def test_answer_of_another_kind_is_the_daemons_fault(daemon: Daemon, client: Client) -> None:
    daemon.answer = lambda message: [Accepted(message.request)]
    with pytest.raises(RemoteProtocolError, match='answered "query" with "accepted"'):
        calls.ask(client._connection, Query("r1", "models"), Answer)


def test_silence_is_a_timeout(daemon: Daemon, client: Client) -> None:
    daemon.answer = lambda message: []
    with pytest.raises(BridgeError) as caught:
        calls.ask(client._connection, Query("r1", "models"), Answer, timeout_s=0.05)
    assert caught.value.code == "timeout"
    assert caught.value.hint


def test_silence_for_want_of_a_daemon_says_so(daemon: Daemon, client: Client) -> None:
    daemon.stop()
    client._connection.wait_while("ready", timeout_s=60)
    with pytest.raises(ConnectionLost, match=r"nothing answers|broke|stopped") as caught:
        calls.ask(client._connection, Query("r1", "models"), Answer, timeout_s=0.05)
    assert caught.value.code == "connection_lost"


def test_patience_with_a_broken_connection_ends(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PATIENCE_S", 0.1)
    monkeypatch.setattr(calls, "LOOK_S", 0.01)
    daemon.stop()
    began = time.monotonic()
    with pytest.raises(ConnectionLost, match=r"nothing answers|broke"):
        calls.wait_for(client._connection, lambda message: False, deadline=None)
    assert time.monotonic() - began < 10


def test_waiting_without_a_deadline_ends_with_the_message(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LOOK_S", 0.001)
    daemon.answer = lambda message: time.sleep(0.05) or [Answer(message.request, {})]
    client.send(Query("r1", "models"))
    answer = calls.wait_for(client._connection, lambda message: isinstance(message, Answer), None)
    assert answer == Answer("r1", {})
