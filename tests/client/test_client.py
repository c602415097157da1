import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.client import Client, Locator, Runtime, connect, write_runtime
from bridge.client import client as module
from bridge.errors import (
    BridgeError,
    ConnectionLost,
    ExecutionError,
    Interrupted,
    ModelNotFound,
    Problem,
    WorkflowError,
)
from bridge.protocol import (
    Accepted,
    Answer,
    Attach,
    Cancel,
    Failure,
    Finished,
    Frame,
    Message,
    Plane,
    Preview,
    Progress,
    Query,
    Result,
    Started,
    Submit,
)

Daemon = Any


def picture(value: int) -> tuple[Plane, ...]:
    return (Plane("image", (1, 1, 3), "u8", bytes([value] * 3)),)


def job(*messages: Message) -> Callable[[Message], list[Message]]:
    """Answers that accept a job "j" and then say something about it."""

    def answer(message: Message) -> list[Message]:
        match message:
            case Submit():
                warning = Problem("unused_input", "odd", is_warning=True)
                return [Accepted(message.request, "j", warnings=(warning,)), *messages]
            case Cancel():
                return [Answer(message.request, {"cancelled": message.job == "j"})]
        return []

    return answer


# ---- for hosts


def test_pump_hands_out_what_arrived(daemon: Daemon, client: Client, drain: Callable[..., Message]) -> None:
    request = client.new_request()
    client.send(Submit(request, preset="x"))
    assert drain(client, Accepted) == Accepted(request, daemon.of(Submit)[0].job)
    assert drain(client, Finished)
    assert list(client.pump()) == []


def test_requests_have_names_of_their_own(client: Client) -> None:
    assert len({client.new_request() for _ in range(100)}) == 100


def test_status_of_a_new_client_is_offline() -> None:
    assert Client().status.state == "offline"


def test_host_finds_the_daemon_by_its_file(daemon: Daemon) -> None:
    write_runtime(Runtime(daemon.url, daemon.port, daemon.token, os.getpid(), "0", 0.0))
    with Client(name="blender", version="1.2") as client:
        client.wait_ready()
    assert daemon.heard[0].client == "blender"
    assert daemon.heard[0].client_version == "1.2"


def test_waiting_for_ready_ends_with_the_reason(daemon: Daemon) -> None:
    daemon.status = 503
    with Client(Locator(daemon.address)) as client, pytest.raises(ConnectionLost, match="HTTP 503"):
        client.wait_ready(0.1)
    with pytest.raises(ConnectionLost, match="not connected"):
        Client().wait_ready(0)


# ---- running a job


def test_run_returns_pictures_and_the_last_word(daemon: Daemon, client: Client) -> None:
    daemon.answer = job(
        Started(job="j"),
        Result("8", picture(1), job="j"),
        Result("9", picture(2) + picture(3), job="j"),
        Result("9", picture(9), job="somebody else's"),
        Finished("done", job="j", timings={"run": 1.5}),
    )
    outcome = client.run(
        workflow={"1": {"class_type": "X", "inputs": {}}}, values={"1.seed": 3}, extra={"a": 1}
    )
    assert outcome.images == picture(1) + picture(2) + picture(3)
    assert outcome.finished.timings == {"run": 1.5}
    assert [warning.code for warning in outcome.warnings] == ["unused_input"]
    (submit,) = daemon.of(Submit)
    workflow = {"1": {"class_type": "X", "inputs": {}}}
    assert submit == Submit("r1", workflow, values={"1.seed": 3}, extra={"a": 1}, job=submit.job)


def test_run_passes_frame_and_preset(daemon: Daemon, client: Client) -> None:
    frame = Frame({"color": Plane("color", (1, 1, 3), "u8", b"abc")})
    client.run(preset="Stylize", frame=frame, wants_preview=True)
    (submit,) = daemon.of(Submit)
    assert submit == Submit("r1", preset="Stylize", frame=frame, wants_preview=True, job=submit.job)


def test_run_asks_for_some_outputs_before_all_others(daemon: Daemon, client: Client) -> None:
    client.run(preset="x", targets=["9"], front=True)
    (submit,) = daemon.of(Submit)
    assert submit == Submit("r1", preset="x", targets=("9",), front=True, job=submit.job)


def test_run_reports_progress_in_the_callers_thread(daemon: Daemon, client: Client) -> None:
    steps = [Started(job="j"), Progress("3", 1, 2, job="j"), Preview("3", (), job="j")]
    daemon.answer = job(*steps, Finished("done", job="j"))
    seen: list[Any] = []
    client.run(preset="x", on_progress=lambda message: seen.append((message, threading.current_thread())))
    assert seen == [(step, threading.current_thread()) for step in steps]


def test_run_raises_every_fault_of_a_refused_workflow(daemon: Daemon, client: Client) -> None:
    faults = (Problem("unknown_node", "a", node_id="1"), Problem("missing_input", "b", node_id="2"))
    daemon.answer = lambda message: [Failure(faults, message.request)]
    with pytest.raises(WorkflowError) as caught:
        client.run(preset="x")
    assert caught.value.problems == faults


@pytest.mark.parametrize(
    ("finished", "kind", "said"),
    [
        (
            Finished("failed", job="j", problems=(Problem("node_failed", "boom", node_id="3"),)),
            ExecutionError,
            "boom",
        ),
        (Finished("failed", job="j", problems=(Problem("model_not_found", "no x"),)), ModelNotFound, "no x"),
        (Finished("failed", job="j"), ExecutionError, "did not say why"),
        (Finished("cancelled", job="j"), Interrupted, "was cancelled"),
    ],
)
def test_run_raises_why_a_job_failed(
    daemon: Daemon, client: Client, finished: Finished, kind: type[BridgeError], said: str
) -> None:
    daemon.answer = job(finished)
    with pytest.raises(kind, match=said) as caught:
        client.run(preset="x")
    assert type(caught.value) is kind


def test_run_that_takes_too_long_is_cancelled(daemon: Daemon, client: Client) -> None:
    daemon.answer = job()
    with pytest.raises(BridgeError, match=r"did not end within 0\.1 s and was cancelled") as caught:
        client.run(preset="x", timeout_s=0.1)
    assert caught.value.code == "timeout"
    assert "Raise timeout_s" in caught.value.hint
    daemon.wait(lambda: len(daemon.of(Cancel)) == 1)
    assert daemon.of(Cancel)[0].job == "j"


def test_run_that_is_late_for_want_of_a_daemon_says_so(daemon: Daemon, client: Client) -> None:
    daemon.answer = job(Started(job="j"))
    with pytest.raises(ConnectionLost, match=r"nothing answers|broke|stopped"):
        client.run(preset="x", timeout_s=0.3, on_progress=lambda message: daemon.stop())


def test_run_that_is_interrupted_is_cancelled(daemon: Daemon, client: Client) -> None:
    def interrupt(message: Message) -> None:
        raise KeyboardInterrupt

    daemon.answer = job(Started(job="j"))
    with pytest.raises(KeyboardInterrupt):
        client.run(preset="x", on_progress=interrupt)
    daemon.wait(lambda: len(daemon.of(Cancel)) == 1)


def test_run_that_is_late_before_it_is_sent_is_not_sent(
    start_fake: Callable[..., Daemon], start_client: Callable[..., Client]
) -> None:
    gone = start_fake()
    gone.stop()
    client = start_client(gone.address)
    with pytest.raises(BridgeError):
        client.run(preset="x", timeout_s=0.05)
    daemon = start_fake(port=gone.port)
    client.wait_ready()
    client.query("models")
    assert daemon.of(Submit) == []


def test_run_that_is_accepted_too_late_is_cancelled_and_forgotten(daemon: Daemon, client: Client) -> None:
    daemon.answer = lambda message: []
    with pytest.raises(BridgeError, match="in time"):
        client.run(preset="x", timeout_s=0.05)
    daemon.answer = job()
    daemon.say(Accepted("r1", "j"), Started("j"), Result("9", picture(1), job="j"))
    daemon.wait(lambda: [message.job for message in daemon.of(Cancel)] == ["j"])
    daemon.say(Finished("cancelled", job="j"), Answer("end", {}))
    left = client._connection.inbox.wait_for(lambda message: message == Answer("end", {}), 10)
    assert left is not None
    assert [message.type for message in client.pump(1)] == ["welcome"]


@pytest.mark.parametrize("answers", [[], [Accepted("r1", "j"), Result("9", picture(1), job="j")]])
def test_run_that_is_interrupted_while_it_waits_is_forgotten(
    daemon: Daemon, client: Client, monkeypatch: pytest.MonkeyPatch, answers: list[Message]
) -> None:
    def interrupt(*arguments: Any) -> None:
        daemon.wait(lambda: len(daemon.of(Submit)) == 1)
        daemon.say(*answers, Answer("r0", {}))
        inbox.wait_for(lambda message: message == Answer("r0", {}), 10)
        raise KeyboardInterrupt

    inbox = client._connection.inbox
    daemon.answer = lambda message: [Answer(message.request, {})] if isinstance(message, Query) else []
    with monkeypatch.context() as patch:
        patch.setattr("bridge.client.calls.wait_for", interrupt)
        with pytest.raises(KeyboardInterrupt):
            client.run(preset="x")
    if not answers:
        daemon.say(Accepted("r1", "j"))
    daemon.wait(lambda: [message.job for message in daemon.of(Cancel)] == ["j"])
    assert [message.type for message in client.pump(1)] == ["welcome"]


def test_run_that_is_late_is_cancelled_though_the_client_leaves(daemon: Daemon) -> None:
    daemon.answer = job()
    for _ in range(5):
        with pytest.raises(BridgeError, match="did not end"), connect(daemon.address, daemon.token) as client:
            client.run(preset="x", timeout_s=0.1)
    daemon.wait(lambda: len(daemon.of(Cancel)) == 5, 2)


def test_run_that_loses_its_client_raises(daemon: Daemon, client: Client) -> None:
    daemon.answer = job(Started(job="j"))

    def close(message: Message) -> None:
        client.close()

    with pytest.raises(ConnectionLost, match="not connected"):
        client.run(preset="x", on_progress=close)


def test_job_that_begins_anew_drops_what_it_had(daemon: Daemon, client: Client) -> None:
    daemon.answer = job(
        Started(job="j"),
        Result("9", picture(1), job="j"),
        Started(job="j"),
        Result("9", picture(2), job="j"),
        Result("9", picture(2), job="j"),
        Finished("done", job="j"),
    )
    assert client.run(preset="x").images == picture(2) + picture(2)


def test_what_is_sent_again_after_a_break_is_kept_once(daemon: Daemon, client: Client) -> None:
    first, second = Result("9", picture(1), job="j"), Result("9", picture(2), job="j")
    begin = job(Started(job="j"), first)

    def answer(message: Message) -> list[Message]:
        if isinstance(message, Attach):
            again = [Started(job="j"), first, second]
            return [Accepted(message.request, "j"), *again, Finished("done", job="j")]
        return begin(message)

    def drop(message: Message) -> None:
        if not dropped:
            dropped.append(True)
            daemon.drop()

    dropped: list[bool] = []
    daemon.answer = answer
    outcome = client.run(preset="x", on_progress=drop)
    assert dropped
    assert outcome.images == picture(1) + picture(2)


def test_pictures_that_a_restart_made_void_are_dropped(daemon: Daemon, client: Client) -> None:
    lost, made = Result("9", picture(1), job="j"), Result("9", picture(2), job="j")
    begin = job(Started(job="j"), lost)

    def answer(message: Message) -> list[Message]:
        if isinstance(message, Attach):
            return [Accepted(message.request, "j"), Started(job="j"), made, Finished("done", job="j")]
        return begin(message)

    daemon.answer = answer
    threading.Timer(0.3, daemon.drop).start()  # once the first picture is here
    assert client.run(preset="x").images == picture(2)


# ---- other calls


def test_cancel_tells_whether_there_was_a_job(daemon: Daemon, client: Client) -> None:
    daemon.answer = job()
    assert client.cancel("j") is True
    assert client.cancel("k") is False


def test_query_returns_the_data(client: Client) -> None:
    assert client.query("presets") == {"subject": "presets"}


def test_free_waits_for_the_answer(daemon: Daemon, client: Client) -> None:
    client.free()
    assert [message.type for message in daemon.heard] == ["hello", "free"]


# ---- connecting


def test_connect_is_ready_at_once(daemon: Daemon) -> None:
    with connect(daemon.address, daemon.token, name="cli") as client:
        assert client.status.is_ready
    assert client.status.state == "offline"


def test_connect_raises_at_once_if_there_is_no_daemon(daemon: Daemon) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionLost, match="not running"):
        connect()
    with pytest.raises(BridgeError, match="does not accept the token"):
        connect(daemon.address, "wrong")
    assert time.monotonic() - began < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "framebridge"]


def test_connect_starts_the_daemon_if_asked_to(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(command: Any, timeout_s: float) -> None:
        started.append(command)
        write_runtime(Runtime(daemon.url, daemon.port, daemon.token, os.getpid(), "0", 0.0))

    started: list[Any] = []
    monkeypatch.setattr(module, "ensure_daemon", start)
    with connect(starts_daemon=True, command=["x"]) as client:
        assert client.status.is_ready
    with connect(daemon.address, daemon.token, starts_daemon=True):
        pass
    assert started == [["x"]]


def test_importing_the_client_is_light() -> None:
    code = "import sys, bridge.client; print(*sys.modules)"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    heavy = {
        "numpy",
        "torch",
        "diffusers",
        "transformers",
        "cv2",
        "PIL",
        "starlette",
        "uvicorn",
        "platformdirs",
    }
    assert "bridge.client" in run.stdout.split()
    assert not heavy & set(run.stdout.split())
