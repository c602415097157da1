"""What is told of one job, from what the worker says, without a wire between."""

import time
from types import SimpleNamespace

import pytest

from bridge.comfy import story as story_module
from bridge.comfy.hub import outline
from bridge.comfy.story import Story
from bridge.comfy.told import Event, Picture, Words
from bridge.engine import Cached, Executed, Executing, NodeFailed, PackEvent
from bridge.errors import Problem
from bridge.jobs import JobRecord
from bridge.protocol import Finished, Plane, Preview, Progress, Result, Started

PROMPT = {"1": {"class_type": "KSampler", "inputs": {}}}


def told(story, *messages):
    return [event for message in messages for event in story.tell(message)]


def kinds(events):
    return [event.type if isinstance(event, Event) else "picture" for event in events]


@pytest.fixture
def story():
    return Story("j", lambda: PROMPT)


def begun(story):
    return told(story, Started(job="j"), Cached("j", ()), Executing("j", "1", "1"))


def test_progress_says_how_far_its_node_is(story):
    begun(story)
    state, progress = told(story, Progress("1", 3, 20, job="j"))
    assert state.data["nodes"]["1"]["value"] == 3
    assert state.data["nodes"]["1"]["max"] == 20
    assert progress.data == {"value": 3, "max": 20, "node": "1", "prompt_id": "j"}


def test_progress_of_a_node_that_is_not_known_is_told_alone(story):
    assert kinds(told(story, Progress("9", 1, 2, job="j"))) == ["progress"]


def test_progress_is_told_in_whole_numbers(story):
    begun(story)
    for value, maximum, expected in (
        (4.0, 20.0, (4, 20)),
        (1.5, 6.0, (25, 100)),
        (0.0, 6.5, (0, 100)),
        (0.5, 0.0, (0, 100)),
    ):
        data = told(story, Progress("1", value, maximum, job="j"))[-1].data
        assert (data["value"], data["max"]) == expected
        assert {type(data["value"]), type(data["max"])} == {int}


def test_progress_of_a_node_that_has_ended_is_told_in_words_alone(story):
    begun(story)
    told(story, Executed("j", "1", "1"), Executing("j", "2", "2"))
    assert told(story, Progress("1", 0, 6.5, job="j", detail="sdxl")) == [Words("1", "sdxl")]


def test_what_was_shown_is_told_to_a_client_that_was_away_however_it_ended(story):
    events = told(
        story, Finished("failed", job="j", outputs={"1": {"text": []}}, problems=(Problem("x", "y"),))
    )
    assert kinds(events) == ["executed", "execution_error"]


def test_only_what_ages_is_passing(story):
    events = begun(story) + told(story, Executed("j", "1", "1", shown={"text": ["x"]}))
    events += told(story, Finished("done", job="j"))
    passing = {event.type for event in events if event.is_passing}
    assert passing == {"progress_state"}


def test_every_picture_of_a_batch_is_told(story):
    begun(story)
    plane = Plane("image", (1, 1, 3), "u8", b"png", "png")
    events = told(story, Result("1", (plane, plane), job="j"))
    assert kinds(events) == ["progress_state", "picture", "progress"] * 2
    progress = [event.data for event in events if isinstance(event, Event) and event.type == "progress"]
    assert [data["value"] for data in progress] == [0, 1]


def test_preview_is_passing_and_says_its_node(story):
    begun(story)
    plane = Plane("preview", (1, 1, 3), "u8", b"jpg", "jpeg")
    [picture] = told(story, Preview("1", (plane,), job="j"))
    assert isinstance(picture, Picture)
    assert picture.is_passing
    assert (picture.media_type, picture.about["node_id"]) == ("image/jpeg", "1")


def test_what_a_pack_tells_goes_through(story):
    assert told(story, PackEvent("j", "my-pack", {"a": 1})) == [Event("my-pack", {"a": 1})]


def test_what_a_node_says_of_its_progress_is_told_in_words(story):
    begun(story)
    assert told(story, Progress("1", 0, 1, job="j", detail="loading sdxl"))[-1] == Words("1", "loading sdxl")
    assert told(story, PackEvent("j", "progress_text", {"node": "1", "text": "x"})) == [Words("1", "x")]


def test_failure_without_details_is_told_with_our_words(story):
    begun(story)
    problem = Problem("out_of_memory", "KSampler ran out of memory", "Choose a smaller size.", "1")
    [error] = told(story, Finished("failed", job="j", problems=(problem,)))
    assert error.data["exception_type"] == "out_of_memory"
    assert error.data["exception_message"] == "KSampler ran out of memory"
    assert error.data["traceback"] == ["Choose a smaller size."]
    assert error.data["node_type"] == "KSampler"


def test_own_error_keeps_our_sentence_and_tells_its_class(story):
    begun(story)
    failed = NodeFailed("j", "1", "InputError", "raw text", {"image": ["x.png"]})
    problem = Problem("bad_image", "picture 'x.png' is damaged", node_id="1")
    [error] = told(story, failed, Finished("failed", job="j", problems=(problem,)))
    assert error.data["exception_message"] == "picture 'x.png' is damaged"
    assert error.data["exception_type"] == "InputError"
    assert error.data["current_inputs"] == {"image": ["x.png"]}


def test_details_of_another_node_are_not_mixed_in(story):
    begun(story)
    problem = Problem("worker_crashed", "the worker was killed by SIGKILL while this ran")
    events = told(story, NodeFailed("j", "1", "RuntimeError", "x"), Finished("failed", problems=(problem,)))
    assert events[-1].data["exception_type"] == "worker_crashed"


def test_results_of_a_job_that_was_not_followed_are_told_at_its_end(story):
    events = told(story, Finished("done", job="j", outputs={"2": {"images": []}}))
    assert kinds(events) == ["executed", "execution_success"]
    assert events[0].data["output"] == {"images": []}


def test_no_time_is_earlier_than_the_one_before(story, monkeypatch):
    times = iter((5.0, 2.0, 7.0))
    monkeypatch.setattr(story_module, "time", SimpleNamespace(time=times.__next__, monotonic=time.monotonic))
    told(story, Started(job="j"), Cached("j", ()), Finished("done", job="j"))
    assert [data["timestamp"] for _, data in story.milestones] == [5000, 5000, 7000]


def test_of_many_nodes_not_every_change_is_told(story, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(story_module, "time", SimpleNamespace(time=time.time, monotonic=lambda: clock[0]))
    for number in range(story_module.MANY_NODES):
        told(story, Executing("j", f"n{number}", f"n{number}"))
    clock[0] += 2 * story_module.STATE_EVERY_S
    assert kinds(told(story, Executing("j", "a", "a"))) == ["progress_state", "executing"]
    assert kinds(told(story, Executing("j", "b", "b"))) == ["executing"]
    assert kinds(told(story, Finished("done", job="j")))[-2:] == ["progress_state", "execution_success"]


@pytest.mark.parametrize(
    ("state", "last"),
    [("done", "execution_success"), ("failed", "execution_error"), ("cancelled", "execution_interrupted")],
)
def test_outline_of_an_old_job_has_its_times(state, last):
    problems = (Problem("node_failed", "it failed", node_id="1"),) if state == "failed" else ()
    record = JobRecord(
        *("j", "comfy:", 1.0, PROMPT, {}, ("1",), state),
        queued_at=1.0,
        began_at=2.0,
        ended_at=3.0,
        problems=problems,
    )
    first, end = outline(record)
    assert (first[0], first[1]["timestamp"]) == ("execution_start", 2000)
    assert (end[0], end[1]["timestamp"]) == (last, 3000)
