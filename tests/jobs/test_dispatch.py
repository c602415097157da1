import asyncio
import time
from dataclasses import replace

import pytest

from bridge.engine import CancelRun, Run
from bridge.engine.log import current_ids
from bridge.errors import LocalProtocolError
from bridge.jobs.dispatch import Candidate, Dispatcher
from bridge.jobs.notes import RUN_NOTES
from bridge.protocol import Finished, Progress, Started


class Bench:
    """A dispatcher whose worker is a list."""

    def __init__(self, hang_timeout_s=60.0, cancel_timeout_s=60.0):
        self.sent, self.heard, self.killed = [], [], []
        self.dispatcher = Dispatcher(self.send, self.kill, hang_timeout_s, cancel_timeout_s)

    def send(self, message):
        if isinstance(message, Run) and message.extra:
            raise LocalProtocolError("too large", code="message_too_large")
        self.sent.append(message)

    def kill(self, reason):
        self.killed.append(reason)

    def candidate(self, name, is_suspect=False, **fields):
        def note(what):
            return lambda *value: self.heard.append((name, what, *value))

        run = Run(name, {}, (), **fields)
        return Candidate(run, is_suspect, note("began"), note("said"), note("finished"), note("lost"))

    def start(self, *names, suspects=()):
        self.dispatcher.start_some([self.candidate(name, name in suspects) for name in names])

    @property
    def begun(self):
        return [name for name, what, *_ in self.heard if what == "began"]


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.dispatcher.lose("the test is over")


async def test_a_run_is_sent_and_what_it_says_reaches_its_owner_and_nobody_else(bench):
    bench.start("a", "b")
    assert [message.job for message in bench.sent] == ["a", "b"]
    for message in (
        Started(job="a"),
        Progress("1", 1, 2, job="b"),
        Finished("done", job="a"),
        Started(job="x"),
    ):
        bench.dispatcher.receive(message)
    bench.dispatcher.receive(Started(job="a"))
    assert [entry[:2] for entry in bench.heard] == [
        ("a", "began"),
        ("b", "began"),
        ("a", "said"),
        ("b", "said"),
        ("a", "finished"),
    ]


async def test_after_a_cancellation_a_run_says_nothing_but_what_it_showed_and_its_last_word(bench):
    bench.start("a")
    bench.dispatcher.cancel("a")
    bench.dispatcher.cancel("a")
    assert bench.sent[1:] == [CancelRun("a")]
    bench.dispatcher.receive(Progress("1", 1, 2, job="a"))
    bench.dispatcher.receive(Finished("done", job="a", outputs={"1": {}}))
    assert bench.heard[1:] == [("a", "finished", Finished("cancelled", job="a", outputs={"1": {}}))]


async def test_when_the_worker_dies_owners_learn_why_and_the_cancelled_are_cancelled(bench):
    bench.start("a", "b")
    bench.dispatcher.cancel("b")
    bench.dispatcher.lose("it was killed")
    assert bench.heard[2:] == [
        ("a", "lost", "it was killed"),
        ("b", "finished", Finished("cancelled", job="b")),
    ]
    bench.dispatcher.lose("again")
    assert len(bench.heard) == 4


async def test_a_suspect_begins_only_when_nothing_else_runs_and_holds_back_the_others(bench):
    bench.start("a")
    bench.start("s", "b", suspects="s")
    assert bench.begun == ["a"]
    bench.dispatcher.receive(Finished("done", job="a"))
    bench.start("s", "t", "b", suspects="st")
    assert bench.begun == ["a", "s"]
    bench.start("t", "b", suspects="t")
    assert bench.begun == ["a", "s"]
    bench.dispatcher.receive(Finished("done", job="s"))
    bench.start("b", "t", suspects="t")
    assert bench.begun == ["a", "s", "t"]


async def test_a_run_that_cannot_be_sent_fails_at_once(bench):
    bench.dispatcher.start_some([bench.candidate("a", extra={"too": "large"})])
    (_, what, finished) = bench.heard[-1]
    assert (what, finished.state, finished.problems[0].code) == ("finished", "failed", "message_too_large")
    assert bench.sent == []


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_silent_run_gets_the_worker_killed():
    bench = Bench(hang_timeout_s=0.1)
    bench.start("a")
    await until(lambda: bench.killed)
    assert bench.killed[0] == "a run did nothing for 0.1 s"
    bench.dispatcher.lose(bench.killed[0])


async def test_a_cancelled_run_that_goes_on_gets_the_worker_killed_however_much_it_says():
    bench = Bench(cancel_timeout_s=0.1)
    bench.start("a")
    bench.dispatcher.cancel("a")

    def goes_on():
        bench.dispatcher.receive(Progress("1", 1, 2, job="a"))
        return bench.killed

    await until(goes_on)
    assert bench.killed[0] == "a run did not stop when asked to for 0.1 s"
    bench.dispatcher.lose(bench.killed[0])


async def test_a_pause_of_the_daemon_is_not_taken_for_silence_of_a_run():
    bench = Bench(hang_timeout_s=0.4)
    bench.start("a")
    await asyncio.sleep(0)
    time.sleep(0.8)
    await asyncio.sleep(0.15)
    assert not bench.killed
    await until(lambda: bench.killed)
    bench.dispatcher.lose(bench.killed[0])


async def test_a_run_that_hangs_alone_has_failed():
    bench = Bench(hang_timeout_s=0.1)
    bench.start("a")
    await until(lambda: bench.killed)
    bench.dispatcher.lose(bench.killed[0])
    name, what, finished = bench.heard[-1]
    assert (name, what, finished.state, finished.problems[0].code) == ("a", "finished", "failed", "job_hung")
    assert finished.problems[0].message == "a run did nothing for 0.1 s and was ended"


async def test_of_several_that_hang_nobody_is_blamed_yet():
    bench = Bench(hang_timeout_s=0.1)
    bench.start("a", "b")
    await until(lambda: bench.killed)
    bench.dispatcher.lose(bench.killed[0])
    assert [entry[:2] for entry in bench.heard[2:]] == [("a", "lost"), ("b", "lost")]


async def test_steps_of_one_node_are_timed(bench):
    bench.start("a")
    for progress in (Progress("1", 1, 3), Progress("1", 2, 3), Progress("2", 1, 3), Progress("2", 2, 3)):
        bench.dispatcher.receive(replace(progress, job="a"))
    registry = bench.dispatcher.metrics.registry
    assert registry.get_sample_value("framebridge_step_seconds_count") == 2


async def test_what_a_run_must_not_tell_is_noted_before_it_begins(bench):
    noted = []
    run = Run("noted", {"1": {"class_type": "Any", "inputs": {"text": "a private matter"}}}, ())

    def begin():
        noted.append((RUN_NOTES.redact("a private matter"), current_ids()))

    nothing = lambda *_: None  # noqa: E731
    candidate = Candidate(run, False, begin, nothing, nothing, nothing, session="0123456789", attempt=2)
    bench.dispatcher.start_some([candidate])
    assert noted == [("‹hidden›", {"job": "noted", "session": "012345", "attempt": "2"})]


async def test_nobody_watches_when_nothing_runs():
    bench = Bench(hang_timeout_s=0.04)
    bench.start("a")
    bench.dispatcher.receive(Finished("done", job="a"))
    await until(lambda: bench.dispatcher._check is None)
    bench.start("b")
    await until(lambda: bench.killed)
    bench.dispatcher.lose("")
