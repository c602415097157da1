import pytest

from bridge.engine import CancelRun, Run
from bridge.errors import BridgeError, Problem
from bridge.jobs.dispatch import Dispatcher
from bridge.jobs.queue import MAX_WAITING, JobQueue
from bridge.jobs.sessions import Sessions
from bridge.protocol import Finished, Plane, Progress, Result, Started

PICTURE = Result("1", (Plane("image", (1, 1, 3), "u8", bytes(3)),), job="a")


class Bench:
    """A queue whose worker is a list, and whose clients are one."""

    def __init__(self):
        self.sent, self.said, self.changes = [], [], 0
        self.sessions = Sessions()
        self.sessions.connect("session", self.said.append)
        self.dispatcher = Dispatcher(self.sent.append, self.sent.append, 60, 60)
        self.queue = JobQueue(self.dispatcher, self.sessions, self.note)

    def note(self):
        self.changes += 1

    def add(self, *names, session="session", **place):
        return [self.queue.add(session, Run(name, {}, ()), **place) for name in names]

    def run_all(self):
        while len(self.queue):
            self.start()
            self.receive(Finished("done", job=self.runs[-1]))
        return self.runs

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


async def test_jobs_run_one_at_a_time_in_order(bench):
    assert bench.add("a", "b", "c") == [0, 1, 2]
    bench.start()
    bench.start()
    assert (bench.runs, bench.queue.is_running, len(bench.queue)) == (["a"], True, 3)
    assert bench.add("d") == [3]
    bench.receive(Finished("done", job="a"))
    assert (bench.queue.is_running, len(bench.queue)) == (False, 3)
    bench.start()
    assert bench.runs == ["a", "b"]


async def test_the_lowest_number_runs_first_and_what_runs_is_not_interrupted(bench):
    bench.add("running")
    bench.start()
    assert bench.add("next", "later") == [1, 2]
    assert bench.add("first of the front", front=True) == [1]
    assert bench.add("second of the front", front=True) == [1]
    assert bench.add("between", number=0.5, front=True) == [3]
    assert bench.add("urgent", number=-5e9) == [1]
    assert bench.add("last") == [7]
    assert bench.run_all() == [
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
    bench.add("a")
    bench.start()
    bench.add("urgent", number=-5e9)
    bench.dispatcher.lose("gone")
    assert bench.run_all() == ["a", "a", "urgent"]


async def test_clients_hear_everything_about_their_jobs_and_the_wait_is_told(bench):
    bench.add("a")
    bench.start()
    bench.receive(Started(job="a"), Progress("1", 1, 2, job="a"), PICTURE)
    bench.receive(Finished("done", job="a", timings={"run": 1.0}))
    *others, finished = bench.said
    assert [type(message) for message in others] == [Started, Progress, Result]
    assert finished.timings["run"] == 1.0
    assert finished.timings["queue"] >= 0


async def test_a_session_has_only_so_many_jobs_waiting(bench):
    bench.add(*map(str, range(MAX_WAITING)))
    for ask in (lambda: bench.queue.raise_if_full("session"), lambda: bench.add("one more")):
        with pytest.raises(BridgeError) as caught:
            ask()
        assert caught.value.code == "queue_full"
    bench.add("of another", session="other")
    bench.start()
    bench.add("one more")


async def test_a_waiting_job_ends_when_it_is_cancelled_a_running_one_is_told(bench):
    bench.add("a", "b")
    bench.start()
    assert bench.queue.cancel("session", "b")
    assert bench.said == [Finished("cancelled", job="b")]
    assert bench.queue.cancel("session", "a")
    assert bench.sent[-1] == CancelRun("a")
    bench.receive(Finished("done", job="a"))
    assert bench.said[-1].state == "cancelled"
    assert not bench.queue.cancel("session", "a")
    assert bench.runs == ["a"]


async def test_what_a_job_said_is_said_again_on_request(bench):
    bench.add("a")
    bench.queue.attach("session", "a")
    assert bench.said == []
    bench.start()
    bench.receive(Started(job="a"), PICTURE)
    bench.said.clear()
    bench.queue.attach("session", "a")
    assert bench.said == [PICTURE]
    bench.receive(Finished("done", job="a"))
    last_word = bench.said[-1]
    bench.said.clear()
    bench.queue.attach("session", "a")
    assert bench.said == [PICTURE, last_word]


async def test_jobs_of_others_and_unknown_ones_do_not_exist(bench):
    bench.add("done", "running", "waiting")
    bench.start()
    bench.receive(Finished("done", job="done"))
    bench.start()
    for name, session in (("done", "x"), ("running", "x"), ("waiting", "x"), ("nothing", "session")):
        for ask in (bench.queue.attach, bench.queue.cancel):
            with pytest.raises(BridgeError) as caught:
                ask(session, name)
            assert caught.value.code == "job_not_found"


async def test_a_job_under_which_the_worker_died_is_first_and_suspect_and_tried_three_times(bench):
    bench.add("a", "b")
    for attempt in range(3):
        (candidate,) = bench.queue.candidates()
        assert (candidate.run.job, candidate.is_suspect) == ("a", attempt > 0)
        bench.start()
        bench.receive(PICTURE)
        bench.dispatcher.lose("the worker process was killed by SIGKILL")
    finished = bench.said[-1]
    assert (finished.job, finished.state) == ("a", "failed")
    assert finished.problems[0].code == "worker_crashed"
    assert "SIGKILL while this ran, 3 times" in finished.problems[0].message
    bench.start()
    assert bench.runs == ["a", "a", "a", "b"]


async def test_results_of_an_attempt_that_failed_are_forgotten(bench):
    bench.add("a")
    bench.start()
    bench.receive(PICTURE)
    bench.dispatcher.lose("gone")
    bench.start()
    bench.receive(Finished("done", job="a"))
    bench.said.clear()
    bench.queue.attach("session", "a")
    assert [type(message) for message in bench.said] == [Finished]


async def test_all_that_waits_can_be_ended_with_a_reason(bench):
    bench.add("a", "b", "c")
    bench.start()
    problem = Problem("worker_failed", "no torch")
    bench.queue.end_waiting("failed", problem)
    assert [(message.job, message.problems) for message in bench.said] == [
        ("b", (problem,)),
        ("c", (problem,)),
    ]
    assert len(bench.queue) == 1


async def test_what_runs_can_be_cancelled_without_knowing_it(bench):
    bench.queue.cancel_running()
    bench.add("a")
    bench.start()
    bench.queue.cancel_running()
    assert bench.sent[-1] == CancelRun("a")


async def test_every_change_is_noted(bench):
    bench.add("a")
    bench.start()
    bench.receive(Finished("done", job="a"))
    assert bench.changes == 3
