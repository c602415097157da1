import asyncio
import errno
import math
from dataclasses import replace

import pytest
from job_stores import Full

from bridge.engine import CancelRun, Executing, Run
from bridge.errors import BridgeError, Problem
from bridge.jobs.dispatch import Dispatcher
from bridge.jobs.queue import MAX_WAITING, JobQueue
from bridge.jobs.sessions import Sessions
from bridge.jobs.store import IN_MEMORY, JobStore, StoreSettings
from bridge.protocol import Finished, Frame, Plane, Progress, Result, Started

PICTURE = Result("1", (Plane("image", (1, 1, 3), "u8", bytes(3)),), job="a")
PICTURE_OF_URGENT = replace(PICTURE, job="urgent")


class Bench:
    """A queue whose worker is a list, and whose clients are one."""

    def __init__(self, store=IN_MEMORY):
        self.sent, self.said, self.changes = [], [], 0
        self.sessions = Sessions()
        self.sessions.connect("session", self.said.append)
        self.dispatcher = Dispatcher(self.sent.append, self.sent.append, 60, 60)
        self.queue = JobQueue(self.dispatcher, self.sessions, JobStore(store), self.note)
        self.queue.open()

    def note(self):
        self.changes += 1

    async def add(self, *names, session="session", **place):
        return [await self.queue.add(session, Run(name, {}, ()), **place) for name in names]

    async def run_all(self):
        while len(self.queue):
            self.start()
            await self.finish(self.runs[-1])
        return self.runs

    async def finish(self, job, **fields):
        self.receive(Finished("done", job=job, **fields))
        await self.settle()

    async def settle(self):
        """Wait until everything is written."""
        while self.queue._tasks:
            await asyncio.gather(*self.queue._tasks)
        await self.queue._journal._in_thread(lambda: None)

    def start(self):
        self.dispatcher.start_some(self.queue.candidates())

    def receive(self, *messages):
        for message in messages:
            self.dispatcher.receive(message)

    @property
    def runs(self):
        return [message.job for message in self.sent if isinstance(message, Run)]


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.dispatcher.lose("the test is over")
    await bench.queue.close()


async def test_jobs_run_one_at_a_time_in_order(bench):
    assert await bench.add("a", "b", "c") == [0, 1, 2]
    bench.start()
    bench.start()
    assert (bench.runs, bench.queue.is_running, len(bench.queue)) == (["a"], True, 3)
    assert await bench.add("d") == [3]
    await bench.finish("a")
    assert (bench.queue.is_running, len(bench.queue)) == (False, 3)
    bench.start()
    assert bench.runs == ["a", "b"]


async def test_it_is_idle_from_when_a_job_last_came_or_ended(bench):
    assert bench.queue.idle_s == math.inf
    await bench.add("a")
    assert bench.queue.idle_s == 0
    bench.start()
    await bench.finish("a")
    await asyncio.sleep(0.02)
    assert 0.01 < bench.queue.idle_s < 10


async def test_the_lowest_number_runs_first_and_what_runs_is_not_interrupted(bench):
    await bench.add("running")
    bench.start()
    assert await bench.add("next", "later") == [1, 2]
    assert await bench.add("first of the front", front=True) == [1]
    assert await bench.add("second of the front", front=True) == [1]
    assert await bench.add("between", number=0.5, front=True) == [3]
    assert await bench.add("urgent", number=-5e9) == [1]
    assert await bench.add("last") == [7]
    assert await bench.run_all() == [
        "running",
        "urgent",
        "second of the front",
        "first of the front",
        "between",
        "next",
        "later",
        "last",
    ]


async def test_a_job_under_which_the_worker_died_goes_before_the_front(bench):
    await bench.add("a")
    bench.start()
    await bench.add("urgent", number=-5e9)
    bench.dispatcher.lose("gone")
    assert await bench.run_all() == ["a", "a", "urgent"]


async def test_clients_hear_everything_about_their_jobs_and_the_wait_is_told(bench):
    await bench.add("a")
    bench.start()
    bench.receive(Started(job="a"), Progress("1", 1, 2, job="a"), PICTURE)
    await bench.finish("a", timings={"run": 1.0})
    *others, finished = bench.said
    assert [type(message) for message in others] == [Started, Progress, Result]
    assert finished.timings["run"] == 1.0
    assert finished.timings["queue"] >= 0


async def test_a_session_has_only_so_many_jobs_waiting(bench):
    await bench.add(*map(str, range(MAX_WAITING)))
    with pytest.raises(BridgeError) as caught:
        bench.queue.raise_if_full("session")
    assert caught.value.code == "queue_full"
    with pytest.raises(BridgeError, match="1000 jobs of this client"):
        await bench.add("one more")
    await bench.add("of another", session="other")
    bench.start()
    await bench.add("one more")


async def test_a_waiting_job_ends_when_it_is_cancelled_a_running_one_is_told(bench):
    await bench.add("a", "b")
    bench.start()
    assert await bench.queue.cancel("session", "b")
    assert bench.said == [Finished("cancelled", job="b")]
    assert await bench.queue.cancel("session", "a")
    assert bench.sent[-1] == CancelRun("a")
    await bench.finish("a")
    assert bench.said[-1].state == "cancelled"
    assert not await bench.queue.cancel("session", "a")
    assert bench.runs == ["a"]


async def test_what_a_job_said_is_said_again_on_request(bench):
    await bench.add("a")
    await bench.queue.attach("session", "a")
    assert bench.said == []
    bench.start()
    bench.receive(Started(job="a"), PICTURE)
    bench.said.clear()
    await bench.queue.attach("session", "a")
    assert bench.said == [PICTURE]
    await bench.finish("a")
    last_word = bench.said[-1]
    bench.said.clear()
    await bench.queue.attach("session", "a")
    assert bench.said == [PICTURE, last_word]


async def test_jobs_of_others_and_unknown_ones_do_not_exist(bench):
    await bench.add("done", "running", "waiting")
    bench.start()
    await bench.finish("done")
    bench.start()
    for name, session in (("done", "x"), ("running", "x"), ("waiting", "x"), ("nothing", "session")):
        for ask in (bench.queue.attach, bench.queue.cancel):
            with pytest.raises(BridgeError) as caught:
                await ask(session, name)
            assert caught.value.code == "job_not_found"


async def test_a_job_under_which_the_worker_died_is_first_and_suspect_and_tried_three_times(bench):
    await bench.add("a", "b")
    for attempt in range(3):
        (candidate,) = bench.queue.candidates()
        assert (candidate.run.job, candidate.is_suspect) == ("a", attempt > 0)
        bench.start()
        bench.receive(PICTURE)
        bench.dispatcher.lose("the worker process was killed by SIGKILL")
    await bench.settle()
    finished = bench.said[-1]
    assert (finished.job, finished.state) == ("a", "failed")
    assert finished.problems[0].code == "worker_crashed"
    assert "SIGKILL while this ran, 3 times" in finished.problems[0].message
    assert bench.dispatcher.metrics.registry.get_sample_value("framebridge_redeliveries_total") == 2
    bench.start()
    assert bench.runs == ["a", "a", "a", "b"]


@pytest.mark.parametrize(
    ("heard", "blamed"),
    [
        (Executing("a", "7.0.inner", "7"), ("7", "KSampler")),
        (Progress("7", 1, 2, job="a"), ("7", "KSampler")),
        (Started(job="a"), ("", "this")),
    ],
)
async def test_a_node_under_which_the_worker_died_is_named(bench, heard, blamed):
    await bench.queue.add("session", Run("a", {"7": {"class_type": "KSampler", "inputs": {}}}, ("7",)))
    for _ in range(3):
        bench.start()
        bench.receive(heard)
        bench.dispatcher.lose("the worker process ended with status 7")
    await bench.settle()
    [problem] = bench.said[-1].problems
    node, name = blamed
    assert problem.node_id == node
    assert f"status 7 while {name} ran, 3 times" in problem.message


async def test_results_of_an_attempt_that_failed_are_forgotten(bench):
    await bench.add("a")
    bench.start()
    bench.receive(PICTURE)
    bench.dispatcher.lose("gone")
    bench.start()
    await bench.finish("a")
    bench.said.clear()
    await bench.queue.attach("session", "a")
    assert [type(message) for message in bench.said] == [Finished]


async def test_all_that_waits_can_be_ended_with_a_reason(bench):
    await bench.add("a", "b", "c")
    bench.start()
    problem = Problem("worker_failed", "no torch")
    bench.queue.end_waiting("failed", problem)
    await bench.settle()
    assert [(message.job, message.problems) for message in bench.said] == [
        ("b", (problem,)),
        ("c", (problem,)),
    ]
    assert len(bench.queue) == 1


async def test_the_next_job_begins_when_the_end_of_the_last_one_is_written(bench):
    await bench.add("a", "b")
    bench.start()
    bench.receive(Finished("done", job="a"))
    assert (bench.said, bench.queue.is_running, bench.queue.candidates()) == ([], True, ())
    assert not await bench.queue.cancel("session", "a")
    await bench.settle()
    assert [message.job for message in bench.said] == ["a"]
    bench.start()
    assert bench.runs == ["a", "b"]


async def test_a_job_is_queued_even_if_its_client_goes_away_meanwhile(bench):
    adding = asyncio.create_task(bench.add("a"))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    await bench.settle()
    assert [record.id for record in bench.queue.jobs()] == ["a"]


# ---- leaving and coming back ---------------------------------------------------------------------


async def test_a_queue_in_memory_cancels_everything_when_the_daemon_leaves(bench):
    await bench.add("a", "b")
    bench.start()
    assert bench.queue.leave() == 0
    assert bench.sent[-1] == CancelRun("a")
    await bench.settle()
    assert [(message.job, message.state, message.problems[0].code) for message in bench.said] == [
        ("b", "cancelled", "daemon_stopped")
    ]


@pytest.fixture
async def lasting(tmp_path):
    """Make queues, one after the other, that share a folder."""
    benches = []

    async def make(is_killed=False):
        if benches and not is_killed:
            await benches[-1].queue.close()
        benches.append(Bench(StoreSettings(tmp_path)))
        await benches[-1].settle()
        return benches[-1]

    yield make
    for bench in benches:
        bench.dispatcher.lose("the test is over")
    await benches[-1].queue.close()


async def test_a_job_that_ran_and_was_cancelled_does_not_begin_again_though_the_daemon_is_killed(lasting):
    bench = await lasting()
    await bench.add("a", "b")
    bench.start()
    assert await bench.queue.cancel("session", "a")
    bench = await lasting(is_killed=True)
    assert bench.queue.record("a").state == "cancelled"
    assert bench.queue.record("a").problems == ()
    assert await bench.run_all() == ["b"]


async def test_jobs_wait_for_the_next_start_when_the_daemon_leaves(lasting):
    bench = await lasting()
    await bench.add("a", "b")
    await bench.add("urgent", front=True)
    bench.start()
    bench.receive(PICTURE_OF_URGENT)
    assert bench.queue.leave() == 3
    assert bench.sent[-1] == CancelRun("urgent")
    bench.receive(Finished("cancelled", job="urgent"))
    assert [type(message) for message in bench.said] == [Result]
    bench = await lasting()
    (candidate,) = bench.queue.candidates()
    assert (candidate.run.job, candidate.is_suspect, candidate.attempt) == ("urgent", False, 1)
    assert await bench.add("c") == [3]
    assert [(job.id, job.number) for job in bench.queue.jobs()] == [
        ("urgent", -3),
        ("a", 1),
        ("b", 2),
        ("c", 4),
    ]
    assert await bench.run_all() == ["urgent", "a", "b", "c"]


async def test_what_the_user_cancels_is_cancelled_even_if_the_daemon_leaves(lasting):
    bench = await lasting()
    await bench.add("a")
    bench.start()
    await bench.queue.cancel("session", "a")
    assert bench.queue.leave() == 0
    bench.receive(Finished("cancelled", job="a"))
    await bench.settle()
    assert [message.state for message in bench.said] == ["cancelled"]
    bench = await lasting()
    assert (bench.queue.jobs(), bench.queue.record("a").state) == ([], "cancelled")


async def test_a_job_under_which_the_daemon_died_goes_first_and_three_times_at_most(lasting):
    bench = await lasting()
    await bench.add("a", "b")
    bench.start()
    await bench.settle()
    for attempt in (2, 3):
        bench = await lasting(is_killed=True)
        await bench.add(f"urgent {attempt}", front=True)
        (candidate,) = bench.queue.candidates()
        assert (candidate.run.job, candidate.is_suspect, candidate.attempt) == ("a", True, attempt)
        bench.start()
        await bench.settle()
        await bench.add(f"later {attempt}")
    bench = await lasting(is_killed=True)
    record = bench.queue.record("a")
    assert (record.state, record.attempts, record.problems[0].code) == ("failed", 3, "worker_crashed")
    assert [message.problems for message in bench.said] == [record.problems]
    assert await bench.run_all() == ["urgent 3", "urgent 2", "b", "later 2", "later 3"]


async def test_results_of_an_earlier_daemon_are_fetched_by_their_owner_only(lasting):
    bench = await lasting()
    await bench.add("a")
    bench.start()
    bench.receive(PICTURE)
    await bench.finish("a", outputs={"1": {"text": ["x"]}})
    said = bench.said
    bench = await lasting()
    await bench.queue.attach("session", "a")
    assert bench.said == said
    with pytest.raises(BridgeError, match="there is no job"):
        await bench.queue.attach("other", "a")
    await bench.queue.forget({"a"})
    with pytest.raises(BridgeError, match="there is no job"):
        await bench.queue.attach("session", "a")


async def test_a_job_keeps_its_frame_and_one_that_lost_it_fails(lasting, tmp_path):
    bench = await lasting()
    frame = Frame({"color": Plane("color", (2, 2, 3), "u8", bytes(range(12)))}, number=7)
    for name in "ab":
        await bench.queue.add("session", Run(name, {"1": {}}, ("1",), frame=frame, wants_preview=True))
    (tmp_path / "2.frame").unlink()
    bench = await lasting()
    bench.start()
    assert bench.sent[0] == Run("a", {"1": {}}, ("1",), frame=frame, wants_preview=True)
    assert [(message.job, message.problems[0].code) for message in bench.said] == [("b", "queue_damaged")]
    await bench.finish("a")
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("queue")] == []


async def test_a_job_that_the_disk_does_not_take_is_refused(lasting, monkeypatch):
    bench = await lasting()
    monkeypatch.setattr(bench.queue._store, "_database", Full(bench.queue._store._database))
    with pytest.raises(BridgeError) as caught:
        await bench.add("a")
    assert (caught.value.code, "disk is full" in caught.value.message) == ("queue_unavailable", True)
    assert (bench.queue.jobs(), len(bench.queue)) == ([], 0)
    assert "disk is full" in bench.queue.problem
    monkeypatch.undo()
    await bench.add("a")
    assert bench.queue.problem == ""


async def test_a_clock_that_jumps_changes_neither_order_nor_durations(lasting, monkeypatch):
    bench = await lasting()
    await bench.add("a", "b")
    bench.start()
    await bench.finish("a")
    monkeypatch.setattr("time.time", lambda: 1e9)  # long ago
    await bench.add("c")
    for name in "bc":
        bench.start()
        await bench.finish(name)
    assert [job.id for job in bench.queue.history.page(9)] == ["a", "b", "c"]
    for record in map(bench.queue.record, "abc"):
        assert record.queued_at <= record.began_at <= record.ended_at
    assert all(0 <= message.timings["queue"] < 60 for message in bench.said)


async def test_a_last_word_that_the_disk_does_not_take_is_told_and_written_later(lasting, monkeypatch):
    bench = await lasting()
    await bench.add("a", "b")
    bench.start()
    monkeypatch.setattr("bridge.jobs.journal.RETRY_S", 0.01)
    with monkeypatch.context() as full:
        full.setattr(bench.queue._store, "_database", Full(bench.queue._store._database))
        await bench.finish("a")
        finished = bench.said[-1]
        assert (finished.state, finished.problems[0].code) == ("done", "output_failed")
        assert finished.problems[0].is_warning
        assert bench.queue.record("a").state == "done"
        await bench.queue.attach("session", "a")
        assert bench.said[-2:] == [finished, finished]
        bench.start()
        assert bench.runs == ["a", "b"]
        await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        while bench.queue.history.find("a").state != "done":
            await asyncio.sleep(0.01)
    assert bench.queue.record("a").problems == finished.problems


async def test_a_last_word_is_written_at_the_latest_when_the_daemon_leaves(lasting, monkeypatch):
    bench = await lasting()
    await bench.add("a")
    bench.start()
    with monkeypatch.context() as full:
        full.setattr(bench.queue._store, "_database", Full(bench.queue._store._database))
        await bench.finish("a")
    bench = await lasting()
    assert (bench.queue.jobs(), bench.queue.record("a").state) == ([], "done")


async def test_results_that_the_disk_does_not_take_are_told(lasting, monkeypatch):
    bench = await lasting()
    await bench.add("a")
    bench.start()
    bench.receive(PICTURE)
    monkeypatch.setattr("bridge.jobs.blobs.write_pieces", no_space)
    await bench.finish("a")
    assert [problem.code for problem in bench.said[-1].problems] == ["output_failed"]
    assert "No space left" in bench.said[-1].problems[0].message
    bench.said.clear()
    await bench.queue.attach("session", "a")
    assert [type(message) for message in bench.said] == [Finished]


def no_space(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_every_change_is_noted(bench):
    await bench.add("a")
    bench.start()
    await bench.finish("a")
    assert bench.changes == 3
