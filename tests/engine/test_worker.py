import asyncio
import gc
import itertools
import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import fake_nodes
import pytest
from fake_nodes import CALLS, EVENTS, FREED, GATES

from bridge.engine import (
    TO_DAEMON,
    CancelRun,
    Configure,
    Freed,
    FreeMemory,
    Measure,
    Measured,
    Outbox,
    Ready,
    Run,
    Stop,
    Warm,
    WarmUp,
    WorkerFailed,
    read_message,
)
from bridge.engine.pipe import LENGTH
from bridge.engine.worker import Worker, folders_of
from bridge.protocol import Finished, Frame, Plane, Preview, Progress, Result, Started


class Daemon:
    """The other end of a worker's pipes."""

    def __init__(self, bootstrap="fake_nodes:load"):
        to_worker, from_daemon = os.pipe()
        to_daemon, from_worker = os.pipe()
        self.files = [
            open(descriptor, mode, buffering=0)  # noqa: SIM115
            for descriptor, mode in (
                (to_worker, "rb"),
                (from_daemon, "wb"),
                (to_daemon, "rb"),
                (from_worker, "wb"),
            )
        ]
        self.abandoned = threading.Event()
        self.outbox = Outbox(self.files[1], "daemon")
        self.worker = Worker(self.files[0], self.files[3], bootstrap, self.abandoned.set)

    async def begin(self, settings=None):
        self.outbox.put(Configure(settings or {}))
        self.serving = asyncio.create_task(self.worker.serve())
        self.messages = asyncio.Queue()
        self.loop = asyncio.get_running_loop()
        threading.Thread(target=self.listen, name="listener", daemon=True).start()
        return await self.read()

    def listen(self):
        with suppress(RuntimeError):  # the test, and its loop, may be over
            while message := read_message(self.files[2], TO_DAEMON):
                self.loop.call_soon_threadsafe(self.messages.put_nowait, message)

    async def read(self):
        async with asyncio.timeout(10):
            return await self.messages.get()

    async def read_until(self, kind):
        messages = [await self.read()]
        while not isinstance(messages[-1], kind):
            messages.append(await self.read())
        return messages

    def put(self, message):
        self.outbox.put(message)

    def run(self, job, nodes, *outputs, **more):
        workflow = {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}
        self.put(Run(job, workflow, outputs, **more))

    def hang_up(self):
        self.outbox.close(10)
        self.files[1].close()

    def close(self):
        self.hang_up()
        for thread in threading.enumerate():
            if thread.name == "worker-control":
                thread.join(10)
        self.files[3].close()
        for thread in threading.enumerate():
            if thread.name == "listener":
                thread.join(10)
        for file in self.files:
            file.close()


@pytest.fixture
def daemon_of():
    daemons = []

    def make(bootstrap):
        daemons.append(Daemon(bootstrap))
        return daemons[-1]

    yield make
    for daemon in daemons:
        daemon.close()
    gc.unfreeze()


@pytest.fixture
async def daemon(daemon_of):
    daemon = daemon_of("fake_nodes:load")
    assert isinstance(await daemon.begin(), Ready)
    yield daemon
    daemon.put(Stop())
    async with asyncio.timeout(10):
        assert await daemon.serving == 0
    assert not daemon.abandoned.is_set()


async def test_a_device_that_cannot_be_measured_does_not_make_it_deaf(daemon, monkeypatch, caplog):
    def fail():
        raise RuntimeError("the context is broken")

    monkeypatch.setattr(daemon.worker, "_library", replace(daemon.worker._library, measure=fail))
    daemon.put(Measure())
    measured = await daemon.read()
    assert "cache_bytes" in measured.figures
    assert "the context is broken" in caplog.text
    daemon.put(Measure())
    assert isinstance(await daemon.read(), Measured)


async def test_the_worker_tells_what_it_can_do_and_where_it_computes(daemon_of):
    daemon = daemon_of("fake_nodes:load")
    ready = await daemon.begin({"device": "auto", "models": ["/models"]})
    assert ready.definitions["Add"]["outputs"][0]["type"] == "NUMBER"
    assert ready.environment == {"device": "fake", "settings": {"device": "auto", "models": ["/models"]}}
    daemon.hang_up()
    assert await daemon.serving == 0


@pytest.mark.parametrize(
    ("bootstrap", "code", "words"),
    [
        ("fake_nodes:load_badly", "worker_failed", "ImportError: No module named 'torch'"),
        ("fake_nodes:load_nothing", "no_device", "no device called cuda:7"),
        ("no_such_package:load", "worker_failed", "ModuleNotFoundError"),
        ("fake_nodes:no_such_function", "worker_failed", "AttributeError"),
    ],
)
async def test_a_worker_whose_nodes_cannot_be_loaded_says_why_and_leaves(daemon_of, bootstrap, code, words):
    daemon = daemon_of(bootstrap)
    failed = await daemon.begin()
    assert isinstance(failed, WorkerFailed)
    assert failed.problems[0].code == code
    assert words in failed.problems[0].message
    assert await daemon.serving == 1


async def test_a_daemon_that_goes_before_it_speaks_leaves_no_worker(daemon_of):
    daemon = daemon_of("fake_nodes:load")
    daemon.hang_up()
    assert await daemon.worker.serve() == 0


async def test_a_run_is_started_executed_and_finished(daemon):
    nodes = {
        "1": ("Constant", {"value": 4}),
        "2": ("Show", {"value": ["1", 0]}),
        "3": ("Steps", {"count": 2}),
    }
    daemon.run("job", nodes, "2", "3", wants_preview=True)
    started, *middle, finished = await daemon.read_until(Finished)
    assert started == Started(job="job")
    assert [type(message) for message in middle] == [Progress, Preview] * 2
    assert (finished.state, finished.job, finished.outputs) == ("done", "job", {"2": {"values": [4]}})
    assert set(finished.timings) == {"run", "other", "save"}


async def test_a_run_sees_its_frame_and_the_workflow_as_submitted(daemon):
    frame = Frame({"color": Plane("color", (2, 2, 3), "u8", bytes(range(12)))}, number=5)
    nodes = {"1": ("Echo", {}), "2": ("Hidden", {}), "3": ("Show", {"value": ["2", 0]})}
    daemon.run("job", nodes, "1", "3", frame=frame, prompt={"as": {}, "submitted": {}}, extra={"workflow": 1})
    _, result, finished = await daemon.read_until(Finished)
    assert isinstance(result, Result)
    assert bytes(result.planes[0].data) == bytes(range(12))
    shown = finished.outputs["3"]["values"][0]
    assert (shown["prompt"], shown["extra"]) == (["as", "submitted"], {"workflow": 1})


async def test_an_error_finishes_the_run_and_the_worker_goes_on(daemon):
    daemon.run("bad", {"1": ("Fail", {})}, "1")
    finished = (await daemon.read_until(Finished))[-1]
    assert (finished.state, finished.problems[0].node_id) == ("failed", "1")
    daemon.run("good", {"1": ("Constant", {})}, "1")
    assert (await daemon.read_until(Finished))[-1].state == "done"


async def test_what_a_blocker_stopped_is_told_with_the_end_of_a_run_that_is_done(daemon):
    nodes = {"1": ("BlockBoth", {"message": "no depth"}), "2": ("Show", {"value": ["1", 0]})}
    daemon.run("job", nodes, "2")
    finished = (await daemon.read_until(Finished))[-1]
    assert finished.state == "done"
    assert [(problem.node_id, problem.is_warning) for problem in finished.problems] == [("2", True)]


async def test_what_nodes_warn_of_is_told_with_the_end_of_a_run_that_is_done(daemon):
    daemon.run("job", {"1": ("Warn", {})}, "1")
    finished = (await daemon.read_until(Finished))[-1]
    assert finished.state == "done"
    assert [(problem.code, problem.node_id, problem.is_warning) for problem in finished.problems] == [
        ("odd", "1", True)
    ]


async def test_a_workflow_that_is_none_finishes_the_run(daemon):
    daemon.put(Run("bad", {"1": 5}, ("1",)))
    assert (await daemon.read_until(Finished))[-1].state == "failed"


async def test_a_fault_of_the_engine_finishes_the_run(daemon):
    daemon.put(Run("bad", {"1": {"class_type": "Constant", "inputs": {}}}, ("no such node",)))
    finished = (await daemon.read_until(Finished))[-1]
    assert (finished.state, finished.problems[0].code) == ("failed", "internal_error")


@pytest.mark.parametrize("how", ["failed", "cancelled"])
async def test_what_was_shown_before_the_end_came_early_is_told_with_it(daemon, how):
    last = ("Fail", {}) if how == "failed" else ("Steps", {"count": 10_000})
    daemon.run("job", {"1": ("Show", {"value": 1}), "2": last}, "1", "2")
    if how == "cancelled":
        await daemon.read_until(Progress)
        daemon.put(CancelRun("job"))
    finished = (await daemon.read_until(Finished))[-1]
    assert (finished.state, finished.outputs) == (how, {"1": {"values": [1]}})


async def test_what_the_protocol_cannot_say_finishes_the_run(daemon):
    daemon.run("bad", {"1": ("Unsayable", {"value": "deep"})}, "1")
    finished = (await daemon.read_until(Finished))[-1]
    assert (finished.state, finished.problems[0].code) == ("failed", "bad_message")


async def test_what_is_cached_does_not_run_in_the_next_job(daemon):
    for job in ("a", "b"):
        daemon.run(job, {"1": ("Constant", {})}, "1")
        await daemon.read_until(Finished)
    assert CALLS["Constant"] == 1


async def test_two_jobs_alternate_by_step(daemon):
    for job in "ab":
        daemon.run(job, {"1": ("Steps", {"count": 30, "seconds": 0.005, "label": job})}, "1")
    await daemon.read_until(Finished)
    await daemon.read_until(Finished)
    owners = [job for job, _ in EVENTS]
    both = owners[owners.index("b") : 30]
    assert len(both) > 10
    assert all(left != right for left, right in itertools.pairwise(both))


async def test_a_cancelled_run_stops_while_it_waits(daemon):
    daemon.run("job", {"1": ("Wait", {})}, "1")
    await daemon.read_until(Progress)
    daemon.put(CancelRun("job"))
    finished = (await daemon.read_until(Finished))[-1]
    assert (finished.state, finished.problems) == ("cancelled", ())


async def test_a_cancelled_run_stops_between_steps(daemon):
    daemon.run("job", {"1": ("Steps", {"count": 100_000, "seconds": 0.001})}, "1")
    await daemon.read_until(Progress)
    daemon.put(CancelRun("job"))
    assert (await daemon.read_until(Finished))[-1].state == "cancelled"
    assert len(EVENTS) < 100_000


async def test_a_run_cancelled_before_it_began_is_finished_all_the_same(daemon):
    """Both messages come while the event loop is busy; its task would be cancelled before it begins."""
    daemon.run("busy", {"1": ("Hang", {"seconds": 0.3})}, "1")
    daemon.run("job", {"1": ("Constant", {})}, "1")
    daemon.put(CancelRun("job"))
    finished = [(await daemon.read_until(Finished))[-1] for _ in range(2)]
    assert {message.job: message.state for message in finished} == {"busy": "done", "job": "cancelled"}
    assert CALLS["Constant"] == 0


async def test_cancelling_what_does_not_run_does_nothing(daemon):
    daemon.put(CancelRun("nothing"))
    daemon.run("job", {"1": ("Constant", {})}, "1")
    assert (await daemon.read_until(Finished))[-1].state == "done"


async def test_memory_is_freed_once_nothing_runs(daemon):
    daemon.run("job", {"1": ("Wait", {}), "2": ("Constant", {})}, "1", "2")
    await daemon.read_until(Progress)
    daemon.put(FreeMemory())
    daemon.run("other", {"1": ("Constant", {})}, "1")
    assert (await daemon.read_until(Finished))[-1].job == "other"
    assert not FREED
    GATES["gate"].set()
    assert (await daemon.read_until(Freed))[-2].job == "job"
    assert FREED == ["models"]
    CALLS.clear()
    daemon.run("again", {"1": ("Constant", {})}, "1")
    await daemon.read_until(Finished)
    assert CALLS["Constant"] == 1


async def test_models_that_cannot_be_freed_do_not_keep_the_daemon_waiting(daemon_of):
    daemon = daemon_of("fake_nodes:load_frail")
    await daemon.begin()
    daemon.put(FreeMemory())
    assert (await daemon.read()) == Freed()
    daemon.put(Stop())
    await daemon.serving


async def test_worker_that_cannot_be_prepared_for_pictures_says_so_and_works(daemon_of, caplog):
    daemon = daemon_of("fake_nodes:load_cold")
    await daemon.begin()
    daemon.put(WarmUp())
    assert await daemon.read() == Warm()
    daemon.run("job", {"1": ("Constant", {})}, "1")
    assert (await daemon.read_until(Finished))[-1].state == "done"
    assert "cannot be prepared" in caplog.text
    daemon.put(Stop())
    await daemon.serving


async def test_running_out_of_memory_makes_room(daemon):
    daemon.run("job", {"1": ("Constant", {}), "2": ("Fail", {"value": ["1", 0], "how": "memory"})}, "2")
    finished = (await daemon.read_until(Finished))[-1]
    assert finished.problems[0].code == "out_of_memory"
    assert FREED == ["models"]
    daemon.run("again", {"1": ("Constant", {})}, "1")
    await daemon.read_until(Finished)
    assert CALLS["Constant"] == 2


STAGES = {"load": "Stage", "encode": "Stage", "sample": "SampleStage", "decode": "Stage"}


def picture(fails_at="", how=""):
    """Return the nodes of a picture, each fed by the one before, of which one may fail."""
    nodes, before = {}, {}
    for name, kind in STAGES.items():
        nodes[name] = (kind, {"name": name, **before, **({"how": how} if name == fails_at else {})})
        before = {"value": [name, 0]}
    return {**nodes, "save": ("Show", before)}


@pytest.mark.parametrize("how", ["memory", "host memory", "allocator", "value", "ours", "exit"])
@pytest.mark.parametrize("fails_at", STAGES)
async def test_a_failure_at_any_stage_leaves_the_worker_fit_for_the_next_job(daemon, fails_at, how):
    daemon.run("bad", picture(fails_at, how), "save")
    failed = (await daemon.read_until(Finished))[-1]
    assert (failed.state, [problem.node_id for problem in failed.problems]) == ("failed", [fails_at])
    ran_out = how in ("memory", "host memory", "allocator")
    assert (failed.problems[0].code == "out_of_memory") == ran_out
    assert len(FREED) == ran_out
    CALLS.clear()
    daemon.run("good", picture(), "save")
    assert (await daemon.read_until(Finished))[-1].state == "done"
    before = list(STAGES)[: list(STAGES).index(fails_at)]
    again = {name for name in STAGES if CALLS[name]}
    assert again == set(STAGES) - (set() if ran_out else set(before))


async def test_running_out_of_memory_takes_no_models_from_other_runs(daemon):
    daemon.run("other", {"1": ("Wait", {})}, "1")
    await daemon.read_until(Progress)
    daemon.run("job", {"2": ("Fail", {"how": "memory"})}, "2")
    await daemon.read_until(Finished)
    assert not FREED
    GATES["gate"].set()
    await daemon.read_until(Finished)


async def test_stop_cancels_what_runs(daemon_of):
    daemon = daemon_of("fake_nodes:load")
    await daemon.begin()
    daemon.run("job", {"1": ("Wait", {})}, "1")
    await daemon.read_until(Progress)
    daemon.put(FreeMemory())
    daemon.put(Stop())
    assert (await daemon.read_until(Finished))[-1].state == "cancelled"
    assert await daemon.serving == 0


async def test_when_the_daemon_is_gone_the_worker_goes(daemon_of):
    daemon = daemon_of("fake_nodes:load")
    await daemon.begin()
    daemon.run("job", {"1": ("Steps", {"count": 100_000, "seconds": 0.001})}, "1")
    await daemon.read_until(Progress)
    daemon.hang_up()
    async with asyncio.timeout(10):
        assert await daemon.serving == 0


async def test_a_daemon_that_makes_no_sense_is_left(daemon_of):
    daemon = daemon_of("fake_nodes:load")
    await daemon.begin()
    daemon.files[1].write(LENGTH.pack(5) + b"hello")
    assert await daemon.serving == 0


async def test_a_worker_stuck_in_a_call_is_left_by_force(daemon_of, monkeypatch):
    monkeypatch.setattr("bridge.engine.worker.GRACE_S", 0.05)
    daemon = daemon_of("fake_nodes:load")
    await daemon.begin()
    daemon.hang_up()
    assert daemon.abandoned.wait(10)  # holds the event loop, as the call would
    await daemon.serving


def test_folders_are_what_the_settings_say():
    folders = folders_of(
        {"input": "/in", "output": "/out", "temp": "/t", "frames": "/f", "models": ["/a", "/b"]}
    )
    assert (folders.input, folders.frames) == (Path("/in"), Path("/f"))
    assert folders.models == (Path("/a"), Path("/b"))
    assert folders_of({}).output == Path(".")


def test_fake_nodes_load():
    assert "Echo" in fake_nodes.load({}).registry
