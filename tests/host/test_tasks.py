"""A job's life as the add-on follows it, message by message."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge import protocol
from bridge.errors import Problem
from bridge.host import tasks


class FakeSession:
    status = SimpleNamespace(is_ready=True)

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.given_up: list[tuple[str, str]] = []

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def give_up(self, request: str, job: str) -> None:
        self.given_up.append((request, job))


@pytest.fixture
def life():
    """A task that was sent, and a way to tell it things."""

    class Life:
        def __init__(self) -> None:
            self.ended: list[Any] = []
            self.session = FakeSession()
            self.all = tasks.Tasks()
            self.task = self.all.add(tasks.Task("r1", on_end=self.ended.append))

        def hear(self, *messages: Any) -> None:
            for message in messages:
                self.all.receive(message, self.session)

    return Life()


def picture(value: int = 0):
    return protocol.Plane("image", (1, 1, 3), "u8", bytes([value] * 3))


def test_whole_life(life):
    life.hear(protocol.Accepted("r1", job="j", position=2))
    assert (life.task.state, life.task.position) == ("queued", 2)
    life.hear(protocol.Started(job="j"), protocol.Progress("3", 2.0, 8.0, job="j"))
    assert (life.task.state, life.task.node, life.task.fraction) == ("running", "3", 0.25)
    life.hear(protocol.Result("9", (picture(),), job="j"), protocol.Finished("done", job="j"))
    assert life.ended == [life.task]
    assert len(life.task.pictures) == 1
    assert len(life.all) == 0


def test_warnings_of_nodes_are_no_problems_where_there_is_a_picture(life):
    early, late = (Problem(code, code, is_warning=True) for code in ("early", "late"))
    life.hear(
        protocol.Accepted("r1", job="j", warnings=(early,)), protocol.Result("9", (picture(),), job="j")
    )
    life.hear(protocol.Finished("done", job="j", problems=(late,)))
    assert (life.task.problems, life.task.warnings) == ((), (early, late))


def test_what_kept_a_picture_from_coming_is_a_problem(life):
    blocked = Problem("blocked", "no depth", is_warning=True)
    life.hear(protocol.Accepted("r1", job="j"), protocol.Finished("done", job="j", problems=(blocked,)))
    assert life.task.problems == (blocked,)


def test_strangers_messages_are_none_of_its_business(life):
    life.hear(protocol.Accepted("r2", job="k"), protocol.Finished("failed", job="k"))
    assert life.task.state == "sent"
    assert life.task.job == ""


def test_failure_without_a_word_is_told_as_one(life):
    life.hear(protocol.Accepted("r1", job="j"), protocol.Finished("failed", job="j"))
    assert life.task.problems[0].code == "node_failed"


@pytest.mark.parametrize(("value", "fraction"), [(-1e12, 0.0), (0.5, 0.5), (7.0, 1.0)])
def test_progress_stays_within_its_bar(life, value, fraction):
    life.hear(protocol.Accepted("r1", job="j"), protocol.Progress("3", value, 1.0, job="j"))
    assert life.task.fraction == fraction


def test_cancelling_while_the_connection_is_lost_ends_it_at_once(life):
    life.hear(protocol.Accepted("r1", job="j"))
    life.session.status = SimpleNamespace(is_ready=False)
    life.all.cancel(life.task, life.session)
    assert life.task.state == "cancelled"
    assert life.session.cancelled == []
    assert life.session.given_up == [("r1", "j")]


def test_results_of_a_job_that_began_anew_count_once(life):
    life.hear(protocol.Accepted("r1", job="j"), protocol.Started(job="j"))
    life.hear(protocol.Result("9", (picture(1),), job="j"), protocol.Started(job="j"))
    life.hear(protocol.Result("9", (picture(1),), job="j"))
    life.hear(protocol.Result("9", (picture(1),), job="j"))  # told again after a reconnect
    assert len(life.task.pictures) == 1


def test_refusal_ends_it_with_every_problem(life):
    problems = (Problem("a", "first"), Problem("b", "second"))
    life.hear(protocol.Failure(problems, "r1"))
    assert life.task.state == "failed"
    assert life.task.problems == problems
    assert life.ended == [life.task]


def test_cancelling_before_the_daemon_has_named_the_job(life):
    life.all.cancel(life.task, life.session)
    assert not life.task.has_ended
    life.hear(protocol.Accepted("r1", job="j"))
    assert life.session.cancelled == ["j"]
    life.hear(protocol.Finished("cancelled", job="j"))
    assert life.task.state == "cancelled"


def test_cancelling_without_a_connection_ends_it_at_once(life):
    life.all.cancel(life.task, None)
    assert life.task.state == "cancelled"
    assert life.ended == [life.task]


def test_cancelling_twice_does_not_wait_for_a_silent_daemon(life):
    life.hear(protocol.Accepted("r1", job="j"))
    life.all.cancel(life.task, life.session)
    life.all.cancel(life.task, life.session)
    assert life.task.state == "cancelled"
    assert life.ended == [life.task]
    assert life.session.cancelled == ["j"]


def test_lost_connection_ends_all_once(life):
    problem = Problem("disconnected", "gone")
    life.all.lose_all(problem)
    life.all.lose_all(problem)
    assert life.ended == [life.task]
    assert life.task.problems == (problem,)


def test_preview_is_told_while_it_runs(life):
    seen = []
    life.task.on_preview = lambda task: seen.append(task.preview.data)
    life.hear(protocol.Accepted("r1", job="j"), protocol.Preview("3", (picture(7),), job="j"))
    assert [bytes(data) for data in seen] == [bytes([7, 7, 7])]


def test_cancelling_what_has_ended_changes_nothing(life):
    life.hear(protocol.Accepted("r1", job="j"), protocol.Finished("done", job="j"))
    life.all.cancel(life.task, None)
    assert life.ended == [life.task]
    assert life.task.state == "done"


def test_pictures_that_come_again_are_kept_once(life):
    life.hear(protocol.Accepted("r1", job="j"), protocol.Started(job="j"))
    for value in (1, 2, 1):
        life.hear(protocol.Result("9", (picture(value),), job="j"))
    assert len(life.task.pictures) == 2
    life.hear(protocol.Started(job="j"), protocol.Result("9", (picture(1),), job="j"))
    assert len(life.task.pictures) == 1, "the job has begun anew"
