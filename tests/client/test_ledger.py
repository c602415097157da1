import pytest

from bridge.client import ledger as module
from bridge.client.ledger import Ledger, request_of
from bridge.errors import Problem
from bridge.protocol import (
    Accepted,
    Answer,
    Attach,
    Cancel,
    CloseStream,
    Failure,
    Finished,
    Frame,
    Message,
    Plane,
    Query,
    Result,
    SetStream,
    Started,
    State,
    StreamFrame,
    Submit,
)

LOST = Problem("connection_lost", "gone")
ATTACH = Attach("attach j", "j")


def ledger_with(*messages: Message) -> Ledger:
    ledger = Ledger()
    for message in messages:
        ledger.sent(message)
    return ledger


def with_job() -> Ledger:
    ledger = ledger_with(Submit("r1", preset="x"))
    ledger.received(Accepted("r1", "j"))
    return ledger


def test_request_without_an_answer_fails_when_the_connection_breaks() -> None:
    ledger = ledger_with(Query("r1", "models"), Query("r2", "nodes"))
    ledger.received(Answer("r1", {}))
    assert ledger.broken(LOST) == [Failure((LOST,), request="r2")]
    assert ledger.broken(LOST) == []


def test_refused_request_is_answered() -> None:
    ledger = ledger_with(Submit("r1", preset="x"))
    assert ledger.received(Failure((LOST,), request="r1")) == Failure((LOST,), request="r1")
    assert ledger.broken(LOST) == ledger.resumed() == []


SUBMIT = Submit("r1", preset="x", job="j")


@pytest.fixture
def owing() -> Ledger:
    """What has sent a job whose answer was lost with the connection."""
    ledger = ledger_with(SUBMIT)
    assert ledger.broken(LOST) == []
    return ledger


def test_job_without_an_answer_is_submitted_again_and_asked_for(owing: Ledger) -> None:
    assert owing.resumed() == [SUBMIT, ATTACH]
    assert owing.broken(LOST) == owing.resumed() == []  # they still wait to be sent


def test_job_is_submitted_again_as_often_as_it_takes(owing: Ledger) -> None:
    owing.resumed()
    owing.sent(SUBMIT)
    assert owing.broken(LOST) == []
    assert owing.resumed() == [SUBMIT, ATTACH]


def test_what_comes_for_a_job_before_the_answer_is_dropped_as_it_comes_again(owing: Ledger) -> None:
    for message in owing.resumed():
        owing.sent(message)
    result, end = Result("9", (), job="j"), Finished("done", job="j")
    stream = Finished("done", stream="live")
    assert [owing.received(message) for message in (Started("j"), result, end)] == [None] * 3
    assert owing.received(stream) == stream
    accepted = Accepted("r1", "j")
    again = [owing.received(message) for message in (accepted, Accepted("attach j", "j"), result, end)]
    assert again == [accepted, None, result, end]
    assert owing.resumed() == []


def test_job_that_is_refused_at_the_second_attempt_fails_once(owing: Ledger) -> None:
    for message in owing.resumed():
        owing.sent(message)
    refusal = Failure((Problem("queue_full", "no"),), "r1")
    assert owing.received(refusal) == refusal
    assert owing.received(Failure((LOST,), "attach j")) is None


@pytest.mark.parametrize("is_resumed", [False, True])
def test_job_without_an_answer_fails_when_there_is_no_way_back(owing: Ledger, is_resumed: bool) -> None:
    unsent = owing.resumed() if is_resumed else []
    assert owing.abandoned(LOST, unsent) == [Failure((LOST,), "r1")]
    assert owing.abandoned(LOST, []) == []


def test_accepted_job_is_asked_for_again() -> None:
    ledger = with_job()
    assert ledger.broken(LOST) == []
    assert ledger.resumed() == [ATTACH]


def test_answer_to_our_own_question_for_a_job_is_not_told() -> None:
    ledger = with_job()
    ledger.broken(LOST)
    ledger.sent(*ledger.resumed())
    assert ledger.received(Accepted("attach j", "j")) is None
    assert ledger.resumed() == [ATTACH]


def test_finished_job_is_not_asked_for_again() -> None:
    ledger = with_job()
    done = Finished("done", job="j")
    assert ledger.received(done) == done
    assert ledger.resumed() == []


@pytest.mark.parametrize("late", [Finished("done", job="j"), Result("9", (), job="j"), Started(job="j")])
def test_what_comes_after_the_last_word_is_dropped(late: Message) -> None:
    ledger = with_job()
    ledger.received(Finished("done", job="j"))
    assert ledger.received(late) is None
    assert ledger.received(Accepted("attach j", "j")) is not None
    assert ledger.resumed() == []


def test_finished_job_that_the_host_asks_for_is_heard_again() -> None:
    ledger = with_job()
    ledger.received(Finished("done", job="j"))
    ledger.sent(Attach("r9", "j"))
    assert ledger.received(Result("9", (), job="j")) is not None


def test_only_so_many_finished_jobs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_FINISHED", 2)
    ledger = Ledger()
    for job in "abc":
        ledger.received(Finished("done", job=job))
    assert [ledger.received(Started(job=job)) is None for job in "abc"] == [False, True, True]


def test_job_that_the_daemon_does_not_know_any_more_has_failed() -> None:
    ledger = with_job()
    ledger.broken(LOST)
    for message in ledger.resumed():
        ledger.sent(message)
    unknown = Problem("job_not_found", "no such job")
    assert ledger.received(Failure((unknown,), request="attach j")) == Finished(
        "failed", job="j", problems=(unknown,)
    )
    assert ledger.resumed() == []


def test_job_that_finished_meanwhile_does_not_fail_as_well() -> None:
    ledger = with_job()
    ledger.sent(ATTACH)
    ledger.received(Finished("done", job="j"))
    assert ledger.received(Failure((LOST,), request="attach j")) is None


def test_a_second_break_does_not_fail_our_own_requests() -> None:
    ledger = with_job()
    ledger.sent(ATTACH)
    assert ledger.broken(LOST) == []
    assert ledger.resumed() == [ATTACH]


def test_attach_of_the_host_fails_like_any_request() -> None:
    ledger = ledger_with(Attach("r5", "old"))
    failure = Failure((LOST,), request="r5")
    assert ledger.received(failure) == failure


def test_streams_are_set_again_as_last_accepted() -> None:
    good, bad = SetStream("r1", "v", preset="a"), SetStream("r2", "v", preset="b")
    ledger = ledger_with(good, bad)
    ledger.received(Accepted("r1"))
    ledger.received(Failure((LOST,), request="r2"))
    assert ledger.broken(LOST) == []
    assert ledger.resumed() == [good]


def test_streams_whose_answer_is_lost_are_asked_for_again() -> None:
    first, second = SetStream("r1", "v", preset="a"), SetStream("r2", "v", preset="b")
    ledger = ledger_with(first, second)
    ledger.received(Accepted("r1"))
    assert ledger.broken(LOST) == []
    assert ledger.resumed() == [first, second]


def test_closed_streams_are_forgotten() -> None:
    ledger = ledger_with(SetStream("r1", "v"), SetStream("r2", "w"), SetStream("r3", "v"))
    ledger.received(Accepted("r1"))
    ledger.sent(CloseStream("v"))
    assert ledger.resumed() == [SetStream("r2", "w")]


def frame(number: int) -> StreamFrame:
    plane = Plane("color", (1, 1, 3), "u8", b"abc")
    return StreamFrame("v", Frame({"color": plane}, number=number))


def test_newest_frame_that_is_under_way_is_sent_again() -> None:
    stream = SetStream("r1", "v")
    ledger = ledger_with(stream, frame(1), frame(2))
    ledger.received(Accepted("r1"))
    for state, number in (("done", 1), ("cancelled", 2)):
        ledger.received(Finished(state, stream="v", frame=number))
    assert ledger.resumed() == ledger.resumed() == [stream, frame(2)]


@pytest.mark.parametrize(
    "end",
    [
        Finished("done", stream="v", frame=2),
        Finished("failed", stream="v", frame=2),
        Failure((LOST,), stream="v"),
    ],
)
def test_frame_that_has_ended_is_not_sent_again(end: Message) -> None:
    stream = SetStream("r1", "v")
    ledger = ledger_with(stream, frame(2))
    assert ledger.received(end) == end
    assert ledger.resumed() == [stream]


def test_frame_of_no_stream_is_not_sent_again() -> None:
    ledger = ledger_with(SetStream("r1", "v"), frame(1), CloseStream("v"))
    assert ledger.resumed() == []
    ledger = ledger_with(SetStream("r1", "v"), frame(1))
    ledger.received(Failure((LOST,), request="r1"))
    assert ledger.resumed() == []


def test_everything_fails_when_there_is_no_way_back() -> None:
    ledger = with_job()
    ledger.sent(Query("r2", "models"))
    ledger.sent(SetStream("r3", "v"))
    assert ledger.abandoned(LOST, [Query("r4", "nodes"), CloseStream("v")]) == [
        Failure((LOST,), request="r2"),
        Failure((LOST,), request="r3"),
        Failure((LOST,), request="r4"),
        Finished("failed", job="j", problems=(LOST,)),
    ]
    assert ledger.resumed() == ledger.abandoned(LOST, []) == []


def test_nothing_is_heard_of_a_request_that_was_given_up() -> None:
    ledger = ledger_with(Submit("r1", preset="x"), Query("r2", "models"), SetStream("r3", "v"))
    for request in ("r1", "r3", "r4"):
        ledger.give_up(request)
    assert ledger.is_given_up(Accepted("r1", "j"))
    assert not ledger.is_given_up(Answer("r2", {}))
    assert not ledger.is_given_up(State("ready"))
    assert ledger.broken(LOST) == [Failure((LOST,), request="r2")]
    assert ledger.is_given_up(Accepted("r1", "j"))
    assert ledger.abandoned(LOST, [Query("r4", "nodes")]) == []


def test_nothing_is_heard_of_a_job_that_was_given_up() -> None:
    ledger = with_job()
    cancel = ledger.give_up_job("j")
    assert cancel == Cancel("cancel j", "j")
    ledger.sent(cancel)
    assert ledger.received(Result("9", (), job="j")) is None
    assert ledger.received(Answer("cancel j", {"cancelled": True})) is None
    assert ledger.received(Finished("cancelled", job="j")) is None
    assert ledger.broken(LOST) == ledger.resumed() == []


def test_job_that_was_given_up_is_cancelled_on_the_next_connection() -> None:
    ledger = with_job()
    ledger.sent(ATTACH)
    cancel = ledger.give_up_job("j")
    ledger.sent(cancel)
    assert ledger.broken(LOST) == ledger.broken(LOST) == []
    assert ledger.resumed() == [cancel]
    assert ledger.resumed() == []
    assert ledger.abandoned(LOST, [cancel]) == []


def test_other_messages_pass() -> None:
    assert Ledger().received(State("ready")) == State("ready")
    assert Ledger().received(Finished("done", stream="s")) == Finished("done", stream="s")
    assert request_of(State("ready")) == ""
