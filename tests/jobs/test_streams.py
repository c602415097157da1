import pytest

from bridge.engine import CancelRun, Run
from bridge.errors import BridgeError, Problem
from bridge.jobs.dispatch import Dispatcher
from bridge.jobs.prepare import Prepared
from bridge.jobs.sessions import Sessions
from bridge.jobs.streams import Streams
from bridge.protocol import Finished, Frame, Plane, Progress, Result, SetStream, Started, StreamFrame


def prepared(number=1):
    return Prepared({"1": {"class_type": "Echo", "inputs": {"number": number}}}, {}, ("1",), ())


def frame(number):
    return Frame({"color": Plane("color", (1, 1, 3), "u8", bytes(3))}, number=number)


class Bench:
    """Streams whose worker is a list, and whose clients are one."""

    def __init__(self):
        self.sent, self.said, self.changes = [], [], 0
        self.sessions = Sessions()
        self.sessions.connect("session", self.said.append)
        self.dispatcher = Dispatcher(self.sent.append, self.sent.append, 60, 60)
        self.streams = Streams(self.dispatcher, self.sessions, self.note)
        self.set()

    def note(self):
        self.changes += 1

    def set(self, number=1, stream="view", session="session", **fields):
        self.streams.set(session, SetStream("r", stream, **fields), prepared(number))

    def push(self, *numbers, stream="view", session="session"):
        for number in numbers:
            self.streams.push(session, StreamFrame(stream, frame(number)))

    def start(self):
        self.dispatcher.start_some(self.streams.candidates())

    def finish(self, state="done", **fields):
        self.dispatcher.receive(Finished(state, job=self.runs[-1].job, **fields))

    @property
    def runs(self):
        return [message for message in self.sent if isinstance(message, Run)]

    @property
    def frames(self):
        return [run.frame.number for run in self.runs]

    @property
    def endings(self):
        return [(message.state, message.frame) for message in self.said if isinstance(message, Finished)]


@pytest.fixture
async def bench():
    bench = Bench()
    yield bench
    bench.dispatcher.lose("the test is over")


async def test_one_frame_runs_one_waits_and_the_newest_wins(bench):
    bench.push(1)
    bench.start()
    bench.push(2, 3, 4)
    bench.start()
    assert bench.frames == [1]
    bench.finish()
    bench.start()
    assert bench.frames == [1, 4]
    bench.finish()
    assert [(message.frame, message.dropped) for message in bench.said] == [(1, 2), (4, 0)]
    assert bench.streams.candidates() == []


async def test_what_is_said_of_a_frame_names_its_stream_and_number(bench):
    bench.push(7)
    bench.start()
    job = bench.runs[0].job
    plane = Plane("image", (1, 1, 3), "u8", bytes(3))
    for message in (Started(job=job), Progress("1", 1, 2, job=job), Result("1", (plane,), job=job)):
        bench.dispatcher.receive(message)
    bench.finish(outputs={"1": {}})
    assert all((message.job, message.stream, message.frame) == ("", "view", 7) for message in bench.said)
    assert [type(message) for message in bench.said] == [Started, Progress, Result, Finished]


async def test_streams_of_sessions_do_not_mix(bench):
    bench.set(2, session="other")
    bench.push(1)
    bench.push(2, session="other")
    bench.start()
    assert [run.workflow["1"]["inputs"]["number"] for run in bench.runs] == [1, 2]
    assert len(bench.streams) == 2


async def test_a_change_of_workflow_cancels_what_runs_and_renders_the_newest_frame(bench):
    bench.push(1)
    bench.start()
    bench.set(2, wants_preview=True)
    assert bench.sent[-1] == CancelRun(bench.runs[0].job)
    bench.finish()
    assert bench.endings == [("cancelled", 1)]
    bench.start()
    assert bench.frames == [1, 1]
    assert bench.runs[1].workflow == prepared(2).workflow
    assert bench.runs[1].wants_preview


async def test_a_change_of_workflow_prefers_the_frame_that_waits(bench):
    bench.push(1)
    bench.start()
    bench.push(2)
    bench.set(2)
    bench.finish("cancelled")
    bench.start()
    assert bench.frames == [1, 2]
    assert bench.said[-1].dropped == 0


async def test_a_change_while_nothing_runs_renders_the_newest_frame_again(bench):
    bench.push(1)
    bench.start()
    bench.finish()
    bench.set(2)
    bench.start()
    assert bench.frames == [1, 1]


async def test_a_change_before_the_first_frame_renders_nothing(bench):
    bench.set(2)
    bench.start()
    assert bench.frames == []


async def test_the_same_workflow_again_changes_nothing(bench):
    bench.push(1)
    bench.start()
    bench.set(1)
    assert bench.sent == bench.runs
    bench.finish()
    bench.start()
    assert bench.frames == [1]


async def test_a_stream_that_does_not_exist_takes_no_frames(bench):
    with pytest.raises(BridgeError) as caught:
        bench.push(1, stream="other")
    assert caught.value.code == "stream_not_found"


async def test_a_closed_stream_is_cancelled_and_forgotten(bench):
    bench.push(1)
    bench.start()
    bench.push(2)
    bench.streams.close("session", "view")
    bench.streams.close("session", "view")
    assert bench.sent[-1] == CancelRun(bench.runs[0].job)
    bench.finish()
    bench.start()
    assert (bench.endings, bench.frames, len(bench.streams)) == ([("cancelled", 1)], [1], 0)


async def test_sessions_close_their_own_streams(bench):
    bench.set(stream="second")
    bench.set(session="other")
    bench.streams.close_session("session")
    assert len(bench.streams) == 1
    bench.streams.close_all()
    assert len(bench.streams) == 0


async def test_frames_that_wait_can_be_failed_with_a_reason(bench):
    bench.set(stream="running")
    bench.set(stream="idle")
    bench.push(1, stream="running")
    bench.start()
    bench.push(2, stream="running")
    bench.push(3)
    problem = Problem("worker_failed", "no torch")
    bench.streams.fail_waiting(problem)
    (finished,) = bench.said
    assert (finished.stream, finished.frame, finished.problems) == ("view", 3, (problem,))
    bench.push(4)
    bench.start()
    assert bench.frames == [1, 4]


async def test_after_the_worker_died_the_newest_frame_is_tried_alone(bench):
    bench.push(1)
    bench.start()
    bench.push(2)
    bench.dispatcher.lose("gone")
    (candidate,) = bench.streams.candidates()
    assert (candidate.is_suspect, candidate.run.frame.number) == (True, 2)
    bench.start()
    bench.dispatcher.lose("gone")
    bench.start()
    assert bench.frames == [1, 2, 2]
    bench.finish()
    bench.push(3)
    (candidate,) = bench.streams.candidates()
    assert not candidate.is_suspect


async def test_a_stream_that_kills_the_worker_three_times_refuses_frames_until_it_changes(bench):
    bench.push(1)
    for _ in range(3):
        bench.start()
        bench.push(2)
        bench.dispatcher.lose("gone")
    assert bench.endings == [("failed", 2)]
    assert bench.said[0].problems[0].code == "worker_crashed"
    assert bench.dispatcher.metrics.registry.get_sample_value("framebridge_redeliveries_total") == 2
    with pytest.raises(BridgeError) as caught:
        bench.push(5)
    assert caught.value.code == "worker_crashed"
    assert bench.streams.candidates() == []
    bench.set(2)
    bench.start()
    assert bench.frames[-1] == 5
    bench.finish("failed")
    bench.push(6)
    assert bench.changes > 0


async def test_messages_the_client_need_not_see_are_not_passed_on(bench):
    bench.push(1)
    bench.start()
    bench.dispatcher.receive(CancelRun(bench.runs[0].job))
    assert bench.said == []
