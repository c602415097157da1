"""Queue and history of real daemons, one after the other in one home."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx

from bridge.client import Client
from bridge.errors import BridgeError
from bridge.protocol import Accepted, Attach, Finished, Message, Result, State, Submit


def echo(**inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": "Echo", "inputs": {"steps": 1, "seconds": 0.0, "text": "", **inputs}}}


def status(daemon: Any) -> dict[str, Any]:
    runtime = daemon.runtime
    address = f"http://127.0.0.1:{runtime.port}/status"
    answer = httpx.get(address, headers={"Authorization": f"Bearer {runtime.token}"}, trust_env=False)
    return dict(answer.json())


class Heard:
    """Everything that a client has heard."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.messages: list[Message] = []

    def of(self, kind: type[Message], **fields: Any) -> list[Any]:
        self.messages += self.client.pump()
        return [
            message
            for message in self.messages
            if isinstance(message, kind)
            and all(getattr(message, name, None) == value for name, value in fields.items())
        ]


def test_jobs_and_sessions_outlive_a_daemon_that_leaves(spawn: Any, until: Any) -> None:
    first = spawn()
    with first.client() as client:
        heard = Heard(client)
        client.send(Submit("long", workflow=echo(steps=40, seconds=0.05)))
        client.send(Submit("next", workflow=echo()))
        until(lambda: len(heard.of(Accepted)) == 2)
        jobs = [accepted.job for accepted in heard.of(Accepted)]
        until(lambda: status(first)["worker"] == "busy")
        httpx.post(
            f"http://127.0.0.1:{first.runtime.port}/stop",
            headers={"Authorization": f"Bearer {first.runtime.token}"},
            trust_env=False,
        )
        assert first.wait() == 0
        until(lambda: any("2 jobs wait for its next start" in state.detail for state in heard.of(State)))
        assert not heard.of(Finished), "they have not ended"
        spawn()
        until(lambda: len(heard.of(Finished)) == 2)
        assert [(word.job, word.state) for word in heard.of(Finished)] == [(job, "done") for job in jobs]
        assert {result.job for result in heard.of(Result)} == set(jobs)


def test_results_are_fetched_from_the_next_daemon(spawn: Any, until: Any) -> None:
    first = spawn()
    with first.client() as client:
        outcome = client.run(workflow=echo(), timeout_s=30)
        first.process.kill()
        first.wait()
        second = spawn()
        heard = Heard(client)
        until(lambda: client.status.is_ready and status(second)["history"] == 1)
        client.send(Attach("again", outcome.job))
        until(lambda: heard.of(Finished, job=outcome.job))
        [result] = heard.of(Result)
        assert bytes(result.planes[0].data) == bytes(outcome.images[0].data)
    with second.client() as stranger:
        heard = Heard(stranger)
        stranger.send(Attach("theirs", outcome.job))
        until(lambda: heard.of(Message, request="theirs"))
        assert heard.of(Message, request="theirs")[0].problems[0].code == "job_not_found"


def test_queue_of_a_newer_framebridge_is_refused_and_left_alone(spawn: Any, home: Path) -> None:
    (home / "jobs").mkdir(parents=True)
    file = home / "jobs" / "queue.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.executescript("CREATE TABLE things (name TEXT); PRAGMA user_version = 99;")
    before = file.read_bytes()
    daemon = spawn()
    assert daemon.wait() == 3
    problem = json.loads(daemon.output().splitlines()[-1])
    assert (problem["code"], str(file) in problem["message"]) == ("newer_database", True)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["queue.sqlite3"]


def test_damaged_queue_is_moved_aside_and_told_of(spawn: Any, home: Path) -> None:
    (home / "jobs").mkdir(parents=True)
    (home / "jobs" / "queue.sqlite3").write_bytes(b"not a database" * 1000)
    daemon = spawn()
    with daemon.client() as client:
        assert client.run(workflow=echo(), timeout_s=30).finished.state == "done"
    assert "damaged" in status(daemon)["queue_problem"]
    [aside] = (home / "jobs").glob("queue.sqlite3.corrupt-*")
    assert aside.read_bytes() == b"not a database" * 1000


def test_full_disk_refuses_jobs_and_harms_nothing(spawn: Any, home: Path) -> None:
    daemon = spawn(file_size_limit=256 * 1024)
    accepted, refusals = 0, set()
    with daemon.client() as client:
        for _ in range(40):
            try:
                client.run(workflow=echo(text="x" * 20_000), timeout_s=30)
                accepted += 1
            except BridgeError as error:
                refusals.add(error.code)
        assert accepted
        assert refusals == {"queue_unavailable"}
        assert "cannot be written" in status(daemon)["queue_problem"]
    daemon.process.kill()
    daemon.wait()
    with contextlib.closing(sqlite3.connect(home / "jobs" / "queue.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM jobs").fetchone()[0] >= accepted
    with spawn().client() as client:
        assert client.run(workflow=echo(text="x" * 20_000), timeout_s=30).finished.state == "done"
