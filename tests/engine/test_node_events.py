"""What clients of ComfyUI's API hear of each node of a run."""

from dataclasses import replace

import pytest

from bridge.engine import Cached, Executed, Executing, Job, NodeFailed
from bridge.errors import BridgeError, Interrupted

from .conftest import FOLDERS

SUM = {
    "1": ("Constant", {"value": 2}),
    "2": ("Constant", {"value": 3}),
    "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
    "4": ("Show", {"value": ["3", 0]}),
}


@pytest.fixture
def job(messages):
    return Job("job", FOLDERS, emit=messages.append, wants_nodes=True)


def told(messages):
    return [
        message for message in messages if isinstance(message, Cached | Executing | Executed | NodeFailed)
    ]


async def test_each_node_is_told_when_it_begins_and_ends(run, messages):
    await run(SUM)
    assert messages[0] == Cached("job", ())
    assert [(type(m), m.node) for m in messages[1:]] == [
        (kind, node) for node in ("1", "2", "3", "4") for kind in (Executing, Executed)
    ]
    assert [m.shown for m in messages if isinstance(m, Executed)] == [{}, {}, {}, {"values": [5]}]


async def test_whoever_does_not_want_to_know_is_told_nothing(run, messages, job):
    await run(SUM, job=replace(job, wants_nodes=False))
    with pytest.raises(BridgeError):
        await run({"1": ("Fail", {})}, "1", job=replace(job, wants_nodes=False))
    assert told(messages) == []


async def test_what_the_cache_knows_is_told_first_and_shown_again(run, messages):
    await run(SUM)
    messages.clear()
    await run({**SUM, "5": ("Show", {"value": ["1", 0]})})
    assert sorted(messages[0].nodes) == ["1", "2", "3", "4"]
    assert [(type(m), m.node) for m in messages[1:]] == [(Executed, "4"), (Executing, "5"), (Executed, "5")]


async def test_a_node_that_takes_over_what_another_shows_does_not_begin(run, messages):
    await run({**SUM, "5": ("Show", {"value": ["3", 0]})})
    assert [m.node for m in messages if isinstance(m, Executing)] == ["1", "2", "3", "4"]
    assert [m.node for m in messages if isinstance(m, Executed)][-2:] == ["4", "5"]


async def test_failure_is_told_with_its_exception_and_plain_inputs_only(run, messages):
    with pytest.raises(BridgeError):
        await run({"1": ("Constant", {"value": 2}), "2": ("Add", {"a": ["1", 0], "b": "x" * 999})}, "2")
    [failed] = [m for m in messages if isinstance(m, NodeFailed)]
    assert (failed.node, failed.kind) == ("2", "TypeError")
    assert failed.text
    assert failed.inputs == {"a": [2], "b": ["x" * 200]}


async def test_cancelled_run_has_not_failed(run, messages, job):
    job.cancel()
    with pytest.raises(Interrupted):
        await run(SUM)
    assert told(messages) == []


async def test_a_node_that_may_take_long_is_told_of_before_it_runs(run, messages, job):
    flushed = []
    noted = replace(job, flush=lambda: flushed.append(messages[-1].node), quick={"Add"})
    await run(SUM, job=noted)
    assert flushed == ["1", "2", "4"]


async def test_all_that_the_cache_knows_is_told_lazy_inputs_included(run, messages):
    await run({"1": ("Constant", {"value": 7}), "2": ("Show", {"value": ["1", 0]})})
    messages.clear()
    switch = ("Switch", {"on": True, "yes": ["1", 0], "no": ["3", 0]})
    nodes = {"1": ("Constant", {"value": 7}), "3": ("Constant", {"value": 8}), "4": switch}
    await run({**nodes, "5": ("Show", {"value": ["4", 0]})})
    assert messages[0] == Cached("job", ("1",))
