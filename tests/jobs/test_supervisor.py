import asyncio
import os
import signal

import psutil
import pytest

from bridge.engine import Run, Stop
from bridge.jobs import WorkerSettings
from bridge.jobs import supervisor as supervisor_module
from bridge.jobs.supervisor import Supervisor
from bridge.protocol import Finished


class Watcher:
    """A supervisor, and everything it told."""

    def __init__(self, bootstrap="fake_nodes:load", settings=None, hang_timeout_s=600.0):
        self.messages, self.states, self.losses = [], [], []
        self.changed = asyncio.Event()
        worker = WorkerSettings(settings or {}, bootstrap, hang_timeout_s)
        self.supervisor = Supervisor(worker, self.hear, self.note, self.lose)
        self.supervisor.start()

    def hear(self, message):
        self.messages.append(message)
        self.changed.set()

    def note(self):
        self.states.append(self.supervisor.state if hasattr(self, "supervisor") else "starting")
        self.changed.set()

    def lose(self, reason):
        self.losses.append(reason)
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(30):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def settled(self):
        async with asyncio.timeout(30):
            await self.supervisor.settle()

    def die(self):
        os.kill(self.supervisor.pid, signal.SIGKILL)


@pytest.fixture
async def watch():
    watchers = []

    def make(*arguments):
        watchers.append(Watcher(*arguments))
        return watchers[-1]

    yield make
    for watcher in watchers:
        await watcher.supervisor.close()


async def test_a_worker_starts_gets_ready_and_leaves_when_asked_to(watch):
    watcher = watch("fake_nodes:load", {"device": "auto"})
    assert watcher.supervisor.state == "starting"
    await watcher.settled()
    assert watcher.supervisor.state == "ready"
    assert watcher.supervisor.ready.environment["settings"] == {"device": "auto"}
    pid = watcher.supervisor.pid
    await watcher.supervisor.close()
    assert not psutil.pid_exists(pid)
    assert (watcher.supervisor.pid, watcher.states) == (0, ["starting", "ready"])
    await watcher.supervisor.close()


async def test_a_worker_that_dies_is_replaced_and_its_loss_is_told(watch):
    watcher = watch()
    await watcher.settled()
    first = watcher.supervisor.pid
    watcher.die()
    await watcher.until(lambda: watcher.losses)
    assert watcher.losses == ["the worker process was killed by SIGKILL"]
    assert watcher.supervisor.detail.startswith("the worker process was killed by SIGKILL")
    await watcher.settled()
    assert watcher.states == ["starting", "ready", "restarting", "restarting", "ready"]
    assert watcher.supervisor.pid != first


async def test_a_worker_is_killed_for_a_reason(watch):
    watcher = watch()
    await watcher.settled()
    watcher.supervisor.kill("it hangs")
    await watcher.until(lambda: watcher.losses)
    assert watcher.losses == ["it hangs"]


async def test_pauses_grow_until_a_run_succeeds(watch, monkeypatch):
    pauses = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def note(delay, callback, *arguments):
        if callback.__name__ == "_spawn":
            pauses.append(delay)
            delay = 0
        return call_later(delay, callback, *arguments)

    monkeypatch.setattr(loop, "call_later", note)
    monkeypatch.setattr(supervisor_module, "FIRST_PAUSE_S", 0.5)
    monkeypatch.setattr(supervisor_module, "LONGEST_PAUSE_S", 1.5)
    monkeypatch.setattr(supervisor_module, "TRIAL_S", 0.0)
    watcher = watch()
    for _ in range(3):
        await watcher.settled()
        watcher.die()
        await watcher.until(lambda: watcher.losses)
        watcher.losses.clear()
    await watcher.settled()
    watcher.supervisor.send(Run("job", {"1": {"class_type": "Constant", "inputs": {}}}, ("1",)))
    await watcher.until(lambda: any(isinstance(message, Finished) for message in watcher.messages))
    watcher.die()
    await watcher.until(lambda: watcher.losses)
    assert pauses == [0.5, 1.0, 1.5, 0.5]


@pytest.mark.parametrize(
    ("bootstrap", "words"),
    [
        ("fake_nodes:load_badly", "the nodes cannot be loaded: ImportError: No module named 'torch'"),
        ("fake_nodes:load_interrupted", "the nodes cannot be loaded: KeyboardInterrupt"),
        ("fake_nodes:load_nothing", "no device called cuda:7"),
        ("fake_nodes:load_and_die", "the worker process ended with status 7 3 times while starting"),
    ],
)
async def test_a_worker_that_cannot_start_has_failed_and_says_why(watch, bootstrap, words):
    watcher = watch(bootstrap)
    await watcher.settled()
    assert (watcher.supervisor.state, watcher.supervisor.detail) == ("failed", words)
    assert watcher.supervisor.problem.message == words
    assert watcher.losses == []


async def test_a_worker_that_is_never_ready_is_killed_and_another_tried(watch, monkeypatch, tmp_path):
    monkeypatch.setattr(supervisor_module, "START_S", 0.1)
    how = tmp_path / "how"
    how.write_text("hang")
    watcher = watch("fake_nodes:load_or_die", {"input": str(how)}, 0.1)
    await watcher.until(lambda: watcher.supervisor.state == "restarting")
    assert watcher.supervisor.detail == "the worker was not ready after 0.1 s; starting another"
    monkeypatch.setattr(supervisor_module, "START_S", 300.0)
    how.write_text("load")
    await watcher.settled()
    assert watcher.supervisor.state == "ready"


async def test_workers_that_die_soon_after_they_are_ready_are_given_up(watch, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_PAUSE_S", 0.0)
    watcher = watch("fake_nodes:load_pack")

    async def lose():
        watcher.die()
        await watcher.until(lambda: watcher.losses)
        watcher.losses.clear()
        await watcher.settled()

    await watcher.settled()
    await lose()
    await lose()
    watcher.supervisor.send(Run("job", {"1": {"class_type": "Constant", "inputs": {}}}, ("1",)))
    await lose()  # whoever was given a run is not counted
    await lose()
    await lose()
    assert watcher.supervisor.state == "ready"
    await lose()
    problem = watcher.supervisor.problem
    assert watcher.supervisor.state == "failed"
    assert problem.message == "the worker process was killed by SIGKILL 3 times soon after it was ready"
    assert "A pack of nodes may have ended it: leave some out. Loaded were own." in problem.hint


async def test_a_worker_that_is_ready_has_no_deadline(watch, monkeypatch):
    loop = asyncio.get_running_loop()
    call_later, deadlines = loop.call_later, []

    def note(delay, callback, *arguments):
        handle = call_later(delay, callback, *arguments)
        if delay == 600.0:  # its runs may be silent for longer than ``START_S``
            deadlines.append(handle)
        return handle

    monkeypatch.setattr(loop, "call_later", note)
    watcher = watch()
    await watcher.settled()
    assert [deadline.cancelled() for deadline in deadlines] == [True]


async def test_a_failed_worker_is_tried_again_on_request_only(watch, tmp_path):
    how = tmp_path / "how"
    how.write_text("fail")
    watcher = watch("fake_nodes:load_or_die", {"input": str(how)})
    await watcher.settled()
    how.write_text("load")
    await watcher.settled()
    assert watcher.supervisor.state == "failed"
    watcher.supervisor.revive()
    assert watcher.supervisor.state == "starting"
    watcher.supervisor.revive()
    await watcher.settled()
    assert (watcher.supervisor.state, watcher.supervisor.problem) == ("ready", None)


async def test_a_worker_that_cannot_even_be_spawned_has_failed(watch, monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/such/python")
    watcher = watch()
    await watcher.settled()
    assert watcher.supervisor.state == "failed"
    assert "cannot be started" in watcher.supervisor.detail


async def test_a_worker_that_does_not_leave_is_killed(watch, monkeypatch):
    monkeypatch.setattr(supervisor_module, "STOP_S", 0.1)
    watcher = watch()
    await watcher.settled()
    watcher.supervisor.send(Run("job", {"1": {"class_type": "Hang", "inputs": {}}}, ("1",)))
    await watcher.until(lambda: len(watcher.messages) > 1)
    pid = watcher.supervisor.pid
    await watcher.supervisor.close()
    assert not psutil.pid_exists(pid)
    assert len(watcher.losses) == 1


async def test_no_worker_is_started_after_close(watch, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_PAUSE_S", 0.05)
    watcher = watch()
    await watcher.settled()
    watcher.die()
    await watcher.until(lambda: watcher.supervisor.state == "restarting")
    await watcher.supervisor.close()
    await asyncio.sleep(0.1)
    assert watcher.supervisor.pid == 0


async def test_stop_by_itself_is_an_exit_like_any_other(watch):
    watcher = watch()
    await watcher.settled()
    watcher.supervisor.send(Stop())
    await watcher.until(lambda: watcher.losses)
    assert watcher.losses == ["the worker process ended with status 0"]
