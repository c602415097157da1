import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.client import Client, connection, exchange, inbox
from bridge.client.connection import CLOSE_S, Connection
from bridge.client.target import Target
from bridge.errors import BridgeError, ConnectionLost, Problem
from bridge.protocol import (
    Accepted,
    Answer,
    Attach,
    Cancel,
    Failure,
    Finished,
    Frame,
    Free,
    Hello,
    Plane,
    Query,
    Result,
    SetStream,
    Started,
    StreamFrame,
    Submit,
    Welcome,
)

Daemon = Any
Drain = Callable[..., Any]
StartClient = Callable[..., Client]


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def settled(client: Client, *states: str) -> Problem:
    """Wait for one of some states; return the problem that comes with it."""
    until(lambda: client.status.state in states)
    assert client.status.problem is not None
    return client.status.problem


def view(size: int = 1, number: int = 0) -> Frame:
    return Frame({"color": Plane("color", (size, size, 3), "u8", bytes(3 * size * size))}, number=number)


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def port_of(listener: socket.socket) -> str:
    return str(listener.getsockname()[1])


# ---- becoming ready, and the thread


def test_client_says_hello_and_is_ready(daemon: Daemon, client: Client, drain: Drain) -> None:
    assert (client.status.state, client.status.problem, client.status.is_ready) == ("ready", None, True)
    assert daemon.heard == [Hello((1,), "test")]
    assert drain(client, Welcome) == Welcome(1, "test", "s1")


def test_there_is_one_thread_and_no_more(daemon: Daemon, start_client: StartClient) -> None:
    before = threading.active_count()
    client = start_client(daemon.address)
    client.wait_ready()
    client.start()
    client.query("models")
    assert threading.active_count() == before + 1
    client.close()
    assert threading.active_count() == before
    assert client.status.state == "offline"


def test_proxies_of_the_environment_are_ignored(
    daemon: Daemon, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "socks_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    start_client(daemon.address).wait_ready()


def test_closed_client_can_start_again_with_a_new_session(daemon: Daemon, client: Client) -> None:
    client.close()
    client.start()
    client.wait_ready()
    assert daemon.of(Hello) == [Hello((1,), "test")] * 2
    assert client.query("models") == {"subject": "models"}


# ---- closing within a second, whatever happens


def test_close_before_start_does_nothing() -> None:
    Client().close()


def test_close_twice(client: Client) -> None:
    client.close()
    client.close()


def closes_in_time(client: Client) -> bool:
    began = time.monotonic()
    client.close()
    threads = [thread for thread in threading.enumerate() if thread.name == "framebridge"]
    return time.monotonic() - began < CLOSE_S and not threads


def test_close_while_the_handshake_hangs(mute: socket.socket, start_client: StartClient) -> None:
    client = start_client(port_of(mute))
    with mute.accept()[0] as accepted:
        accepted.recv(10)
        assert closes_in_time(client)


def test_close_while_connecting(start_client: StartClient) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # they fill the listener's queue: what comes after them hangs
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        client = start_client(port_of(listener))
        assert client.status.state == "connecting"
        assert closes_in_time(client)
        for filler in fillers:
            filler.close()


def test_close_while_waiting_for_the_next_attempt(
    start_client: StartClient, mute: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_DELAY_S", 60)
    mute.close()
    client = start_client("127.0.0.1:9")
    settled(client, "retrying")
    assert closes_in_time(client)


def test_close_while_the_daemon_reads_nothing(daemon: Daemon, client: Client) -> None:
    daemon.is_paused = True
    client.send(Free("r"))
    for number in range(40):  # more than the network and the daemon's library hold
        client.send(StreamFrame(f"s{number}", view(1024, number)))
    time.sleep(0.5)  # until nothing moves any more
    assert closes_in_time(client)


def test_close_while_the_inbox_is_full(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_WAITING", 2)
    daemon.say(*[Accepted(f"x{number}") for number in range(10)])
    until(lambda: client._connection.inbox.is_full)
    assert closes_in_time(client)


def test_close_fails_what_is_under_way(daemon: Daemon, client: Client, drain: Drain) -> None:
    daemon.answer = lambda message: [Accepted(message.request, "j")] if isinstance(message, Submit) else []
    client.send(Submit("r1", preset="x"))
    drain(client, Accepted)
    client.send(Query("r2", "models"))
    daemon.wait(lambda: len(daemon.of(Query)) == 1)
    client.close()
    assert drain(client, Failure).request == "r2"
    assert drain(client, Finished).state == "failed"
    with pytest.raises(ConnectionLost, match="not connected"):
        client.send(Free("r3"))


# ---- no daemon, or another program


def test_nothing_listens_and_then_the_daemon_comes(
    start_fake: Callable[..., Daemon], start_client: StartClient
) -> None:
    gone = start_fake()
    gone.stop()
    client = start_client(gone.address)
    problem = settled(client, "retrying")
    assert problem.code == "connection_lost"
    assert problem.message.startswith(f"nothing answers at {gone.address}")
    assert "framebridge serve" in problem.hint
    client.send(Free("r1"))
    daemon = start_fake(port=gone.port)
    client.wait_ready()
    daemon.wait(lambda: daemon.of(Free) == [Free("r1")])


def test_port_that_never_answers_is_named(
    mute: socket.socket, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "OPEN_TIMEOUT_S", 0.05)
    problem = settled(start_client(port_of(mute)), "retrying")
    assert problem.message == f"127.0.0.1:{port_of(mute)} does not answer"


def test_program_that_is_no_web_server_is_named(mute: socket.socket, start_client: StartClient) -> None:
    client = start_client(port_of(mute))
    with mute.accept()[0] as accepted:
        accepted.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
    problem = settled(client, "retrying")
    assert problem.code == "not_framebridge"
    assert "does not speak WebSocket" in problem.message


def test_other_web_server_is_named_and_left_alone(daemon: Daemon, start_client: StartClient) -> None:
    daemon.status = 404
    problem = settled(start_client(daemon.address), "refused")
    assert problem.code == "not_framebridge"
    assert "HTTP 404" in problem.message


def test_server_in_trouble_is_tried_again(daemon: Daemon, start_client: StartClient) -> None:
    daemon.status = 503
    client = start_client(daemon.address)
    assert "HTTP 503" in settled(client, "retrying").message
    daemon.status = 0
    client.wait_ready()


# ---- refusals


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_token_is_refused_with_a_hint(daemon: Daemon, start_client: StartClient, status: int) -> None:
    daemon.status = status
    client = start_client(daemon.address, "")
    problem = settled(client, "refused")
    assert problem.code == "not_allowed"
    assert "token" in problem.hint
    with pytest.raises(BridgeError, match="does not accept the token") as caught:
        client.send(Free("r"))
    assert caught.value.code == "not_allowed"


def test_program_that_took_the_port_is_told_nothing(start_client: StartClient) -> None:
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as thief:
        client = start_client(port_of(thief), "the-token")
        with thief.accept()[0] as accepted:
            heard.append(accepted.recv(65536))
            accepted.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"0" * 64)
        problem = settled(client, "refused")
    assert problem.code == "not_allowed"
    assert b"the-token" not in heard[0]
    assert b"Authorization" not in heard[0]
    assert heard[0].startswith(b"GET /framebridge/proof?nonce=")


def test_program_that_passes_the_question_on_cannot_pass_the_answer_back(
    daemon: Daemon, start_client: StartClient
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as thief:
        client = start_client(port_of(thief), daemon.token)
        with thief.accept()[0] as accepted, socket.create_connection(("127.0.0.1", daemon.port)) as real:
            question = accepted.recv(65536)
            real.sendall(question.replace(port_of(thief).encode(), str(daemon.port).encode()))
            accepted.sendall(real.makefile("rb").read())
        assert settled(client, "refused").code == "not_allowed"
    assert daemon.heard == []


def test_token_of_a_restarted_daemon_is_used(daemon: Daemon) -> None:
    tokens = iter(["old"])
    client = Connection(lambda may_start: Target(daemon.url, next(tokens, daemon.token)), Hello((1,), "test"))
    client.start()
    assert client.wait_while("connecting", "retrying", timeout_s=60).is_ready
    client.close()


def test_daemon_that_leaves_while_it_refuses_is_waited_for(daemon: Daemon) -> None:
    def find(may_start: bool) -> Target:
        calls.append(1)
        if len(calls) == 2:
            raise ConnectionLost("not running")
        return Target(daemon.url, "old" if len(calls) == 1 else daemon.token)

    calls: list[int] = []
    client = Connection(find, Hello((1,), "test"))
    client.start()
    assert client.wait_while("connecting", "retrying", timeout_s=60).is_ready
    client.close()


def test_a_thread_that_is_slow_to_end_leaves_the_next_connection_alone(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_S", 0.01)
    gates = [threading.Event()]

    def find(may_start: bool) -> Target:
        if gates:
            gates.pop().wait(60)
        return Target(daemon.url, daemon.token)

    gate = gates[0]
    client = Connection(find, Hello((1,), "test"))
    client.start()
    until(lambda: not gates)
    first = client._thread
    client.close()
    client.start()
    assert client.wait_while("connecting", "retrying", timeout_s=60).is_ready
    gate.set()
    assert first is not None
    first.join()
    client.send(Query("r", "models"))
    assert client.inbox.wait_for(lambda message: isinstance(message, Answer), 60) is not None
    monkeypatch.undo()
    client.close()


def test_version_mismatch_is_named(daemon: Daemon, start_client: StartClient) -> None:
    daemon.welcome = lambda hello: Failure((Problem("unsupported_protocol", "no"),), protocols=(2,))
    problem = settled(start_client(daemon.address), "refused")
    assert problem == Problem(
        "unsupported_protocol", "the daemon speaks protocol 2, this client speaks 1", "Update the add-on."
    )


def test_welcome_of_another_version_is_refused(daemon: Daemon, start_client: StartClient) -> None:
    daemon.welcome = lambda hello: Welcome(3, "9.9", "s")
    assert settled(start_client(daemon.address), "refused").code == "unsupported_protocol"


def test_other_refusal_is_tried_again(daemon: Daemon, start_client: StartClient) -> None:
    daemon.welcome = lambda hello: Failure((Problem("too_many_clients", "no room"),))
    client = start_client(daemon.address)
    assert settled(client, "retrying").code == "too_many_clients"
    daemon.welcome = lambda hello: Welcome(1, "test", "s")
    client.wait_ready()


def test_daemon_that_does_not_welcome_is_tried_again(
    daemon: Daemon, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.protocol.session.HELLO_TIMEOUT_S", 0.05)
    daemon.welcome = lambda hello: None
    assert settled(start_client(daemon.address), "retrying").code == "hello_timeout"


@pytest.mark.parametrize(
    ("close_code", "state", "code"),
    [
        (4001, "refused", "unsupported_protocol"),
        (4006, "refused", "taken_over"),
        (1009, "retrying", "message_too_large"),
        (1001, "retrying", "connection_lost"),
        (1012, "retrying", "connection_lost"),
        (4005, "retrying", "too_slow"),
        (4999, "retrying", "connection_lost"),
    ],
)
def test_close_code_says_what_to_do(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch, close_code: int, state: str, code: str
) -> None:
    monkeypatch.setattr(connection, "FIRST_DELAY_S", 0.2)
    daemon.welcome = lambda hello: None
    daemon.close(close_code)
    assert settled(client, state).code == code


def test_client_that_leaves_says_so(daemon: Daemon, client: Client) -> None:
    client.close()
    daemon.wait(lambda: bool(daemon.closed))
    assert daemon.closed == [1000]


def test_refusal_fails_what_waits(daemon: Daemon, client: Client, drain: Drain) -> None:
    daemon.answer = lambda message: []
    client.send(Query("r1", "models"))
    daemon.wait(lambda: len(daemon.of(Query)) == 1)
    daemon.close(4001)
    failure = drain(client, Failure)
    assert (failure.request, failure.problems[0].code) == ("r1", "unsupported_protocol")


def test_mistake_of_ours_ends_the_waiting(caplog: pytest.LogCaptureFixture) -> None:
    def find(may_start: bool) -> Target:
        raise ZeroDivisionError("oh")

    client = Connection(find, Hello((1,), "test"))
    client.start()
    status = client.wait_while("connecting", timeout_s=60)
    client.close()
    assert status.state == "refused"
    assert status.problem is not None
    assert status.problem.code == "internal_error"
    assert "ZeroDivisionError" in caplog.text


# ---- broken connections


def test_lost_connection_is_taken_up_again(
    daemon: Daemon, client: Client, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.drop()
    daemon.wait(lambda: len(daemon.of(Hello)) == 2)
    client.wait_ready()
    assert daemon.of(Hello)[1] == Hello((1,), "test", session="s1")
    assert client._connection.meetings == 2


def test_states_of_a_break_are_told_apart(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_DELAY_S", 0.1)
    ready_since = client.status.since
    daemon.welcome = lambda hello: None
    daemon.drop()
    until(lambda: client.status.state == "lost")
    lost = client.status
    assert lost.since > ready_since
    assert lost.problem is not None
    assert lost.problem.message == "the connection to the daemon broke (code 1006)"
    until(lambda: client.status.state == "retrying")
    assert client.status.since == lost.since
    assert client.status.problem == lost.problem


def test_streams_jobs_and_requests_survive_as_they_should(
    daemon: Daemon, client: Client, drain: Drain
) -> None:
    stream = SetStream("r1", "v", preset="x")
    client.send(stream)
    drain(client, Accepted)
    daemon.answer = lambda message: [Accepted(message.request, "j")] if isinstance(message, Submit) else []
    client.send(Submit("r2", preset="x"))
    drain(client, Accepted)
    client.send(Query("r3", "models"))
    daemon.wait(lambda: len(daemon.of(Query)) == 1)
    daemon.answer = lambda message: (
        [Accepted(message.request, "j"), Finished("done", job="j")] if isinstance(message, Attach) else []
    )
    daemon.drop()
    assert drain(client, Failure).request == "r3"
    assert drain(client, Finished) == Finished("done", job="j")
    assert daemon.of(SetStream) == [stream, stream]
    assert daemon.of(Attach) == [Attach("attach j", "j")]


def test_attempts_become_rarer_until_a_connection_was_steady(
    daemon: Daemon, start_client: StartClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    async def note(delay: float) -> None:
        delays.append(delay)
        await asyncio.sleep(0)

    monkeypatch.setattr(connection, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": note}))
    monkeypatch.setattr(connection, "LONGEST_DELAY_S", 0.05)
    daemon.status = 503
    start_client(daemon.address)
    until(lambda: len(delays) > 5)
    assert delays[:5] == [0.01, 0.02, 0.04, 0.05, 0.05]
    monkeypatch.setattr(connection, "STEADY_S", 0.0)
    count = len(delays)
    until(lambda: len(delays) > count + 2)
    assert delays[-1] == 0.01


def test_daemon_is_started_before_the_first_meeting_only(daemon: Daemon) -> None:
    asked: list[bool] = []

    def find(may_start: bool) -> Target:
        asked.append(may_start)
        if len(asked) in (1, 3):
            raise ConnectionLost("not running")
        return Target(daemon.url, daemon.token)

    client = Connection(find, Hello((1,), "test"))
    client.start()
    assert client.wait_while("connecting", "retrying", timeout_s=60).is_ready
    daemon.drop()
    daemon.wait(lambda: len(daemon.of(Hello)) == 2)
    client.close()
    client.start()
    client.wait_while("connecting", timeout_s=60)
    client.close()
    assert asked == [True, True, False, False, True]


# ---- garbage


def test_garbage_is_reported_and_the_connection_lives(daemon: Daemon, client: Client, drain: Drain) -> None:
    daemon.say("not json")
    assert drain(client, Failure).problems[0].code == "bad_json"
    assert client.query("models") == {"subject": "models"}


def test_ten_pieces_of_garbage_end_the_connection(daemon: Daemon, client: Client) -> None:
    daemon.say(*[b"\0garbage"] * 10)
    daemon.wait(lambda: len(daemon.of(Hello)) == 2)
    client.wait_ready()


def test_reason_of_the_end_is_kept(daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.welcome = lambda hello: None
    monkeypatch.setattr(connection, "FIRST_DELAY_S", 0.2)
    daemon.say(*["{}"] * 10)
    assert settled(client, "lost", "retrying").code == "bad_message"


@pytest.mark.parametrize("garbage", ["hello?", b"\0", '{"type":"state","worker":"ready"}'])
def test_garbage_instead_of_a_welcome_is_tried_again(
    daemon: Daemon, start_client: StartClient, garbage: str | bytes
) -> None:
    daemon.welcome = lambda hello: garbage
    client = start_client(daemon.address)
    assert settled(client, "retrying").code in ("bad_json", "bad_envelope", "out_of_order")
    daemon.welcome = lambda hello: Welcome(1, "test", "s")
    client.wait_ready()


def test_message_beyond_the_limit_breaks_the_connection_only(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.say(" " * (64 * 2**20 + 1))
    daemon.wait(lambda: len(daemon.of(Hello)) == 2)
    client.wait_ready()


# ---- traffic


def test_message_the_daemon_would_refuse_fails_here(daemon: Daemon, client: Client, drain: Drain) -> None:
    client.send(Submit("r1", workflow={"seed": float("nan")}))
    failure = drain(client, Failure)
    assert (failure.request, failure.problems[0].code) == ("r1", "bad_message")
    client.send(StreamFrame("v", Frame({"mask": Plane("mask", (2, 2), "u8", b"abc")})))
    failure = drain(client, Failure)
    assert (failure.stream, failure.problems[0].code) == ("v", "size_mismatch")
    client.send(Welcome(1, "", "s"))
    assert drain(client, Failure).problems[0].code == "wrong_direction"
    assert client.query("models") == {"subject": "models"}


@pytest.mark.parametrize(
    "frame",
    [
        Frame({"color": Plane("color", (64, 64, 3), "u8", None)}),  # type: ignore[arg-type]
        Frame({"color": Plane("color", (1, 1, 2), "u8", [1, 1])}),  # type: ignore[arg-type]
        Frame({"color": Plane("color", None, "u8", b"abc")}),  # type: ignore[arg-type]
        Frame([Plane("color", (1, 1, 3), "u8", b"abc")]),  # type: ignore[arg-type]
    ],
    ids=["no data", "numbers", "no shape", "a list"],
)
def test_message_that_is_none_fails_and_the_rest_goes_on(
    daemon: Daemon, client: Client, drain: Drain, frame: Frame
) -> None:
    client.send(Submit("r1", preset="x", frame=frame))
    failure = drain(client, Failure)
    assert (failure.request, failure.problems[0].code) == ("r1", "bad_message")
    assert "Submit holds what cannot be sent" in failure.problems[0].message
    client.send(StreamFrame("v", frame))
    failure = drain(client, Failure)
    assert (failure.stream, failure.problems[0].code) == ("v", "bad_message")
    assert client.query("models") == {"subject": "models"}


@pytest.mark.parametrize("message", ["free", Free(["r1"])], ids=["no message", "a list for a name"])
def test_nothing_that_is_sent_ends_the_connection(
    daemon: Daemon, client: Client, drain: Drain, message: Any
) -> None:
    client.send(message)
    failure = drain(client, Failure)
    assert (failure.request, failure.problems[0].code) == ("", "bad_message")
    assert client.query("models") == {"subject": "models"}


def test_newest_frame_wins_while_the_daemon_is_slow(daemon: Daemon, client: Client) -> None:
    def pause(message: Any) -> list[Any]:
        daemon.is_paused = isinstance(message, Free)
        return []

    daemon.answer = pause
    client.send(Free("r"))
    daemon.wait(lambda: len(daemon.of(Free)) == 1)
    last = 400
    for number in range(1, last + 1):
        client.send(StreamFrame("v", view(512, number)))
    daemon.is_paused = False
    daemon.wait(lambda: any(message.frame.number == last for message in daemon.of(StreamFrame)))
    numbers = [message.frame.number for message in daemon.of(StreamFrame)]
    assert numbers == sorted(numbers)
    assert len(numbers) < last / 2


def test_full_inbox_stops_reading_until_the_host_catches_up(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MAX_WAITING", 5)
    daemon.say(*[Answer(f"x{number}", {}) for number in range(100)])
    until(lambda: client._connection.inbox.is_full)
    seen: list[str] = []
    most = 0
    while len(seen) < 100:
        most = max(most, len(client._connection.inbox._waiting))
        seen += [message.request for message in client.pump() if isinstance(message, Answer)]
    assert seen == [f"x{number}" for number in range(100)]
    assert most <= 5


def test_job_whose_answer_was_lost_runs_once_and_is_followed(daemon: Daemon, client: Client) -> None:
    answer, daemon.answer = daemon.answer, lambda message: []
    outcomes: list[Any] = []
    thread = threading.Thread(target=lambda: outcomes.append(client.run(preset="x")))
    thread.start()
    daemon.wait(lambda: daemon.of(Submit))
    daemon.answer = answer
    daemon.drop()
    thread.join(60)
    assert [len(outcome.images) for outcome in outcomes] == [1]
    first, second = daemon.of(Submit)
    assert first == second
    assert first.job == outcomes[0].job != ""


def test_job_that_nobody_waits_for_after_a_break_is_cancelled(daemon: Daemon, client: Client) -> None:
    answer, daemon.answer = daemon.answer, lambda message: []
    client.send(Submit("r1", preset="x"))
    daemon.wait(lambda: daemon.of(Submit))
    daemon.drop()
    until(lambda: not client.status.is_ready)
    client.give_up("r1")
    daemon.answer = answer
    daemon.wait(lambda: daemon.of(Cancel))
    first, second = daemon.of(Submit)
    assert daemon.of(Cancel)[0].job == first.job == second.job


def test_results_of_a_finished_job_are_not_heard_twice(daemon: Daemon, client: Client) -> None:
    messages = [Started(job="j"), Finished("done", job="j"), Result("9", (), job="j"), Answer("end", {})]
    daemon.say(*messages)
    heard: list[Any] = []
    until(lambda: bool(heard.extend(client.pump())) or messages[-1] in heard)
    assert heard == [Welcome(1, "test", "s1"), messages[0], messages[1], messages[3]]
