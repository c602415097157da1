"""The queue against a model of it: whatever is asked in whatever order, and whoever dies in between."""

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.engine import Run
from bridge.errors import BridgeError
from bridge.jobs.dispatch import Dispatcher
from bridge.jobs.queue import MAX_RETRIES, JobQueue
from bridge.jobs.sessions import Sessions
from bridge.jobs.store import JobStore, StoreSettings
from bridge.protocol import Finished, Plane, Result

SESSIONS = ("one", "two")


@dataclass
class Expected:
    """A job as the model knows it."""

    seq: int
    session: str
    number: float
    state: str = "waiting"
    attempts: int = 0
    is_interrupted: bool = False
    results: int = 0

    @property
    def name(self):
        return f"job {self.seq}"

    @property
    def place(self):
        return not self.is_interrupted, self.number, self.seq


class QueueMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.jobs = []
        self.ended = []
        self.last_words = []
        self.here = set()
        self.queue = None
        self.open()

    # ---- the real thing --------------------------------------------------------------------------

    def open(self):
        old = self.queue
        self.sent = []
        self.sessions = Sessions()
        self.dispatcher = Dispatcher(self.sent.append, self.sent.append, 1e6, 1e6)
        store = JobStore(StoreSettings(self.folder))
        self.queue = JobQueue(self.dispatcher, self.sessions, store, lambda: None)
        for session in self.here:
            self.sessions.connect(session, self.hear)
        self.run(self._open())
        if old:  # its file handles only: of a process that was killed, the system closes them
            old._store.close()

    async def _open(self):
        self.queue.open()

    def hear(self, message):
        if isinstance(message, Finished):
            self.last_words.append((message.job, message.state))

    def run(self, action):
        async def act():
            outcome = await action
            while self.queue._tasks:
                await asyncio.gather(*self.queue._tasks)
            return outcome

        return self.loop.run_until_complete(act())

    async def say(self, message):
        self.dispatcher.receive(message)

    # ---- the model -------------------------------------------------------------------------------

    @property
    def waiting(self):
        return sorted((job for job in self.jobs if job.state == "waiting"), key=lambda job: job.place)

    @property
    def running(self):
        return next((job for job in self.jobs if job.state == "running"), None)

    def end(self, job, state):
        job.state = state
        self.ended.append(job)

    def interrupt(self):
        job = self.running
        job.results = 0
        if job.attempts > MAX_RETRIES:
            self.end(job, "failed")
        else:
            job.state, job.is_interrupted = "waiting", True

    # ---- what may happen -------------------------------------------------------------------------

    @rule(session=st.sampled_from(SESSIONS), number=st.none() | st.integers(-3, 30), front=st.booleans())
    def submit(self, session, number, front):
        seq = len(self.jobs) + 1
        place = number if number is not None else -seq if front else seq
        job = Expected(seq, session, place)
        ahead = sum(other.place < job.place for other in self.waiting) + (self.running is not None)
        adding = self.queue.add(session, Run(job.name, {"1": {}}, ("1",)), number, front=front)
        assert self.run(adding) == ahead
        self.jobs.append(job)

    @precondition(lambda self: self.waiting and not self.running)
    @rule()
    def begin(self):
        job = self.waiting[0]

        async def start():
            self.dispatcher.start_some(self.queue.candidates())

        self.run(start())
        assert self.sent[-1] == Run(job.name, {"1": {}}, ("1",))
        job.state, job.attempts = "running", job.attempts + 1

    @precondition(lambda self: self.running)
    @rule()
    def hand_back(self):
        picture = Result("1", (Plane("image", (1, 1, 3), "u8", bytes(3)),), job=self.running.name)
        self.run(self.say(picture))
        self.running.results += 1

    @precondition(lambda self: self.running)
    @rule(state=st.sampled_from(["done", "failed"]))
    def finish(self, state):
        self.run(self.say(Finished(state, job=self.running.name)))
        self.end(self.running, state)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), asks_for_all=st.booleans())
    def cancel(self, data, asks_for_all):
        job = data.draw(st.sampled_from(self.jobs))
        cancelled = self.run(self.queue.cancel("" if asks_for_all else job.session, job.name))
        assert cancelled == (job.state in ("waiting", "running"))
        if job.state == "running":
            self.run(self.say(Finished("done", job=job.name)))
        if cancelled:
            self.end(job, "cancelled")

    @precondition(lambda self: self.running)
    @rule()
    def worker_dies(self):
        async def die():
            self.dispatcher.lose("the worker died")

        self.run(die())
        self.interrupt()

    @rule()
    def daemon_is_killed(self):
        if self.running:
            self.interrupt()
        self.open()

    @rule()
    def daemon_leaves_and_starts(self):
        async def leave():
            kept = self.queue.leave()
            self.dispatcher.lose("the worker left")
            return kept

        assert self.run(leave()) == len(self.waiting) + (self.running is not None)
        self.run(self.queue.close())
        if self.running:
            job = self.running
            job.state, job.attempts, job.results = "waiting", job.attempts - 1, 0
            job.is_interrupted = False
        self.open()

    @rule(session=st.sampled_from(SESSIONS))
    def client_comes(self, session):
        self.here.add(session)
        self.sessions.connect(session, self.hear)

    @rule(session=st.sampled_from(SESSIONS))
    def client_goes(self, session):
        self.here.discard(session)
        self.sessions.disconnect(session)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def attach(self, data):
        job = data.draw(st.sampled_from(self.jobs))
        heard = []
        self.sessions.connect(job.session, heard.append)
        heard.clear()
        self.run(self.queue.attach(job.session, job.name))
        results = [message for message in heard if isinstance(message, Result)]
        words = [message.state for message in heard if isinstance(message, Finished)]
        assert len(results) == job.results
        assert words == ([job.state] if job in self.ended else [])
        if job.session in self.here:
            self.sessions.connect(job.session, self.hear)
        else:
            self.sessions.disconnect(job.session)
        stranger = "two" if job.session == "one" else "one"
        with pytest.raises(BridgeError, match="there is no job"):
            self.run(self.queue.attach(stranger, job.name))

    # ---- what must hold --------------------------------------------------------------------------

    @invariant()
    def queue_is_as_expected(self):
        running = [self.running] if self.running else []
        expected = [(job.name, job.state, job.number, job.attempts) for job in [*running, *self.waiting]]
        assert [(job.id, job.state, job.number, job.attempts) for job in self.queue.jobs()] == expected

    @invariant()
    def history_is_as_expected(self):
        expected = [(job.name, job.state, job.attempts) for job in self.ended]
        assert [(job.id, job.state, job.attempts) for job in self.queue.history.page(10**6)] == expected

    @invariant()
    def no_last_word_comes_twice(self):
        assert len(self.last_words) == len(set(self.last_words))
        assert set(self.last_words) <= {(job.name, job.state) for job in self.ended}

    @invariant()
    def no_file_is_left_over(self):
        kept = {f"{job.seq}.results" for job in self.ended if job.results}
        assert {path.name for path in self.folder.iterdir() if not path.name.startswith("queue")} == kept

    def teardown(self):
        async def die():
            self.dispatcher.lose("the test is over")

        self.run(die())
        self.run(self.queue.close())
        self.loop.close()
        shutil.rmtree(self.folder)


QueueMachine.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestQueue = QueueMachine.TestCase
