import asyncio

import fake_nodes
import pytest
from fake_nodes import CALLS, EVENTS, GATES, SEEN

from bridge.engine import Cache, Folders, Job, execute
from bridge.engine.cache import ENTRY_BYTES
from bridge.errors import BridgeError, ExecutionError, InputError, Interrupted, OutOfMemory, Problem
from bridge.graph import Registry, node, parse_workflow
from bridge.protocol import Frame, Plane, Progress, Result

SUM = {
    "1": ("Constant", {"value": 2}),
    "2": ("Constant", {"value": 3}),
    "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
    "4": ("Show", {"value": ["3", 0]}),
}


def frame(number):
    return Frame({"color": Plane("color", (1, 1, 3), "u8", bytes(3))}, number=number)


# ---- order and demand ----------------------------------------------------------------------------


async def test_outputs_get_what_they_need_and_nothing_else_runs(run):
    outcome = await run({**SUM, "5": ("Constant", {"value": 9})})
    assert outcome.shown == {"4": {"values": [5]}}
    assert CALLS == {"Constant": 2, "Add": 1, "Show": 1}
    assert set(outcome.seconds) == {"Constant", "Add", "Show"}


async def test_any_node_can_be_asked_for(run):
    outcome = await run(SUM, "3", "1")
    assert outcome.outputs == {"3": ([5],), "1": ([2],)}
    assert CALLS["Show"] == 0


async def test_output_nodes_run_first_when_they_are_ready(run, messages):
    nodes = {
        "1": ("Constant", {"value": 1}),
        "2": ("Steps", {"count": 1, "label": "a"}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Echo", {"value": ["1", 0]}),
    }
    await run(nodes, "4", "5")
    assert [type(message) for message in messages] == [Result, Progress]


async def test_an_output_that_takes_its_time_begins_before_what_is_ready_after_it(run):
    nodes = {"1": ("Constant", {}), "2": ("SlowShow", {"value": ["1", 0]}), "3": ("Steps", {"count": 1})}
    await run(nodes, "2", "3")
    assert EVENTS == [("slow", 0), ("job", 0)]


async def test_outputs_that_have_begun_are_finished_when_something_else_fails(run, job):
    nodes = {
        "1": ("Constant", {"value": 7}),
        "2": ("SlowShow", {"value": ["1", 0]}),
        "3": ("Fail", {}),
        "4": ("Show", {"value": ["3", 0]}),
    }
    with pytest.raises(ExecutionError):
        await run(nodes)
    assert job.shown == {"2": {"values": [7]}}


async def test_outputs_that_have_begun_are_abandoned_when_the_run_is_cancelled(run, job):
    nodes = {"1": ("Constant", {}), "2": ("SlowShow", {"value": ["1", 0]}), "3": ("Steps", {"count": 9})}
    running = asyncio.create_task(run(nodes, "2", "3"))
    while not EVENTS:
        await asyncio.sleep(0)
    job.cancel()
    with pytest.raises(Interrupted):
        await running
    assert job.shown == {}


async def test_a_node_that_shows_a_file_which_was_deleted_runs_again_and_nothing_else_does(run, tmp_path):
    job = Job("job", Folders(*(tmp_path / name for name in ("in", "out", "temp", "frames"))))
    nodes = {"1": ("Constant", {"value": 7}), "2": ("Save", {"value": ["1", 0]})}
    await run(nodes, job=job)
    first = await run(nodes, job=job)
    assert CALLS == {"Constant": 1, "Save": 1}
    picture = tmp_path / "out" / "sub" / "7.png"
    picture.unlink()
    assert (await run(nodes, job=job)).shown == first.shown
    assert CALLS == {"Constant": 1, "Save": 2}
    assert picture.exists()


async def test_a_chain_longer_than_the_stack_is_deep_runs(run):
    chain = {str(n): ("Add", {"a": [str(n - 1), 0], "b": ["0", 0]}) for n in range(1, 3000)}
    outcome = await run({"0": ("Constant", {"value": 1}), **chain}, "2999")
    assert outcome.outputs["2999"] == ([3000],)


async def test_an_optional_input_may_be_left_out_or_linked(run):
    outcome = await run({**SUM, "5": ("Add", {"a": ["3", 0], "b": ["3", 0], "c": ["1", 0]})}, "3", "5")
    assert outcome.outputs == {"3": ([5],), "5": ([12],)}


async def test_each_output_slot_has_its_values(run):
    outcome = await run({"1": ("Constant", {"value": 42}), "2": ("Split", {"value": ["1", 0]})}, "2")
    assert outcome.outputs == {"2": ([4], [2])}


async def test_inputs_that_the_node_does_not_declare_are_left_out(run):
    outcome = await run({"1": ("Constant", {"value": 42, "nonsense": 1})}, "1")
    assert outcome.outputs == {"1": ([42],)}


async def test_hidden_inputs_come_from_the_engine(run, job):
    job.workflow, job.extra = {"8": {}, "9": {}}, {"workflow": 1}
    outcome = await run({"7": ("Hidden", {})}, "7")
    assert outcome.outputs["7"] == (
        [{"id": "7", "prompt": ["8", "9"], "extra": {"workflow": 1}, "other": None}],
    )


# ---- lists ---------------------------------------------------------------------------------------


async def test_a_node_is_mapped_over_lists_and_shows_everything(run):
    nodes = {
        "1": ("Count", {"to": 3}),
        "2": ("Constant", {"value": 10}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Total", {"values": ["3", 0]}),
        "6": ("Pack", {"values": ["3", 0]}),
    }
    outcome = await run(nodes, "4", "5", "6")
    assert outcome.shown == {"4": {"values": [10, 11, 12]}}
    assert (outcome.outputs["5"], outcome.outputs["6"]) == (([33],), ([[10, 11, 12]],))
    assert CALLS["Total"] == 1


async def test_an_empty_list_runs_nothing(run):
    nodes = {
        "1": ("Count", {"to": 0}),
        "2": ("Add", {"a": ["1", 0], "b": ["1", 0]}),
        "3": ("Show", {"value": ["2", 0]}),
    }
    outcome = await run(nodes, "2", "3")
    assert outcome.outputs["2"] == ([],)
    assert outcome.shown == {}


# ---- lazy inputs ---------------------------------------------------------------------------------


def switch(on):
    return {
        "1": ("Constant", {"value": 1}),
        "2": ("Fail", {}),
        "3": ("Switch", {"on": on, "yes": ["1", 0], "no": ["2", 0]}),
    }


async def test_a_lazy_input_that_is_not_wanted_does_not_run(run):
    assert (await run(switch(True), "3")).outputs["3"] == ([1],)


async def test_a_lazy_input_that_is_wanted_runs(run):
    with pytest.raises(ExecutionError, match="Fail failed") as caught:
        await run(switch(False), "3")
    assert caught.value.node_id == "2"


async def test_a_lazy_input_that_is_done_already_is_used_at_once(run):
    assert (await run(switch(True), "1", "3")).outputs["3"] == ([1],)


async def test_a_node_that_cannot_say_what_it_needs_fails_by_name(run):
    nodes = {"1": ("Constant", {}), "2": ("Frail", {"value": ["1", 0]})}
    with pytest.raises(ExecutionError, match="Frail failed: ZeroDivisionError") as caught:
        await run(nodes, "2")
    assert caught.value.node_id == "2"


# ---- cache ---------------------------------------------------------------------------------------


async def test_what_did_not_change_does_not_run_again_but_is_shown_again(run):
    first = await run(SUM)
    CALLS.clear()
    again = await run(SUM)
    assert again.shown == first.shown == {"4": {"values": [5]}}
    assert again.outputs == first.outputs
    assert not CALLS
    assert not again.seconds


async def test_only_what_depends_on_a_change_runs_again(run):
    await run(SUM)
    CALLS.clear()
    await run({**SUM, "2": ("Constant", {"value": 4})})
    assert CALLS == {"Constant": 1, "Add": 1, "Show": 1}


async def test_alternating_between_two_inputs_runs_nothing_again(run):
    other = {**SUM, "2": ("Constant", {"value": 4})}
    await run(SUM)
    await run(other)
    CALLS.clear()
    shown = [(await run(nodes)).shown["4"]["values"] for nodes in (SUM, other, SUM, other)]
    assert shown == [[5], [6], [5], [6]]
    assert not CALLS


async def test_renumbered_nodes_do_not_run_again(run):
    await run(SUM)
    CALLS.clear()
    renamed = {"a": ("Constant", {"value": 2}), "b": ("Constant", {"value": 3})}
    await run({**renamed, "c": ("Add", {"a": ["a", 0], "b": ["b", 0]})}, "c")
    assert not CALLS


async def test_two_identical_nodes_run_once_and_both_show(run):
    nodes = {
        "1": ("Constant", {"value": 2}),
        "2": ("Constant", {"value": 2}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Show", {"value": ["3", 0]}),
    }
    outcome = await run(nodes, cache=Cache(0))
    assert outcome.shown == {"4": {"values": [4]}, "5": {"values": [4]}}
    assert CALLS == {"Constant": 1, "Add": 1, "Show": 1}


async def test_identical_async_nodes_run_once_even_at_the_same_time(run):
    nodes = {key: ("Wait", {}) for key in "12"}
    running = asyncio.create_task(run(nodes, "1", "2"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    GATES["gate"].set()
    assert (await running).outputs == {"1": ([1],), "2": ([1],)}
    assert CALLS["Wait"] == 1


async def test_what_does_not_fit_the_cache_still_reaches_all_who_need_it(run):
    nodes = {
        "1": ("Picture", {"megabytes": 2}),
        "2": ("Show", {"value": ["3", 0]}),
        "3": ("Keep", {"value": ["1", 0]}),
        "4": ("Keep", {"value": ["1", 0]}),
    }
    outcome = await run(nodes, "1", "3", "4", cache=Cache(2**20))
    assert [len(values[0][0]) for values in outcome.outputs.values()] == [2 * 2**20] * 3
    assert CALLS == {"Picture": 1, "Keep": 1}


async def test_what_was_evicted_does_not_run_again_for_what_was_made_of_it(run):
    nodes = {
        "1": ("Constant", {}),
        "2": ("Add", {"a": ["1", 0], "b": ["1", 0]}),
        "3": ("Show", {"value": ["2", 0]}),
    }
    cache = Cache(2 * ENTRY_BYTES)
    await run(nodes, cache=cache)
    assert cache.statistics.evictions == 1
    CALLS.clear()
    await run(nodes, cache=cache)
    assert not CALLS


async def test_what_lies_upstream_of_a_hit_stays_in_the_cache(run):
    """A prompt that every frame uses must not be forgotten because only its consumers are looked up."""
    cache = Cache(10 * (2**20 + 4096))
    nodes = {
        "1": ("Picture", {"seed": 0}),
        "2": ("Keep", {"value": ["1", 0]}),
        "3": ("Total", {"values": ["4", 0]}),
    }
    nodes["4"] = ("Count", {})
    await run({**nodes, "5": ("Show", {"value": ["3", 0]})}, "2", "5", cache=cache)
    for seed in range(1, 30):
        await run({"1": ("Picture", {"seed": seed})}, "1", cache=cache)
        await run({**nodes, "5": ("Show", {"value": ["3", 0]})}, "2", cache=cache)
    CALLS.clear()
    await run({**nodes, "6": ("Keep", {"value": ["2", 0]})}, "6", cache=cache)
    assert CALLS == {"Keep": 1}


async def test_a_sending_node_runs_every_time_and_its_inputs_do_not(run, messages):
    nodes = {"1": ("Constant", {}), "2": ("Echo", {"value": ["1", 0]})}
    await run(nodes)
    await run(nodes)
    assert CALLS == {"Constant": 1, "Echo": 2}
    assert [type(message) for message in messages] == [Result, Result]


async def test_what_cannot_be_found_again_does_not_fill_the_cache(run, cache):
    nodes = {"1": ("Changing", {"value": 0}), "2": ("Add", {"a": ["1", 0], "b": ["1", 0]})}
    assert (await run(nodes, "2")).outputs["2"] == ([2],)
    assert (await run(nodes, "2")).outputs["2"] == ([4],)
    assert cache.statistics.entries == 0


async def test_a_fingerprint_tells_that_the_world_has_changed(run):
    nodes = {"1": ("Changing", {"value": 1})}
    await run(nodes, "1")
    await run(nodes, "1")
    assert CALLS["Changing"] == 1
    CALLS["world"] += 1
    await run(nodes, "1")
    assert CALLS["Changing"] == 2


async def test_a_fingerprint_sees_the_job(run, registry, cache, job):
    nodes = {"1": ("FrameNumber", {})}
    numbers = []
    for number in (1, 2, 1):
        job.frame = frame(number)
        numbers += (await run(nodes, "1")).outputs["1"][0]
    assert numbers == [1, 2, 1]
    assert cache.statistics.entries == 2


async def test_a_node_whose_fingerprint_fails_runs_every_time(run):
    await run({"1": ("Unknowable", {})}, "1")
    await run({"1": ("Unknowable", {})}, "1")
    assert CALLS["Unknowable"] == 2


async def test_what_was_done_before_an_error_stays_in_the_cache(run):
    nodes = {"1": ("Constant", {}), "2": ("Fail", {"value": ["1", 0]})}
    for _ in range(2):
        with pytest.raises(ExecutionError):
            await run(nodes, "2")
    assert CALLS["Constant"] == 1


async def test_a_fingerprint_sees_constants_only(run):
    await run({"1": ("Constant", {"value": 4}), "2": ("Watching", {"value": ["1", 0], "other": 3})}, "2")
    assert SEEN == [(None, 3)]


async def test_equal_nodes_that_are_not_idempotent_run_each_but_not_again(run):
    nodes = {"1": ("Dice", {}), "2": ("Dice", {})}
    first = await run(nodes, "1", "2")
    assert sorted(values[0][0] for values in first.outputs.values()) == [1, 2]
    assert (await run(nodes, "1", "2")).outputs == first.outputs


# ---- blockers ------------------------------------------------------------------------------------


def blocked(message, **more):
    return {
        "1": ("Constant", {"value": 7}),
        "2": ("Block", {"value": ["1", 0], "message": message}),
        "3": ("Add", {"a": ["2", 0], "b": ["1", 0]}),
        "4": ("Show", {"value": ["3", 0]}),
        "5": ("Show", {"value": ["1", 0]}),
        **more,
    }


async def test_what_needs_a_blocked_value_does_not_run_and_the_rest_does(run):
    outcome = await run(blocked(""))
    assert outcome.shown == {"5": {"values": [7]}}
    assert outcome.problems == ()
    assert CALLS["Add"] == 0


async def test_a_blockers_message_is_told_by_the_node_that_it_stops_first(run):
    told = [(await run(blocked("no depth here"))).problems for _ in range(2)]
    expected = Problem("blocked", "Add did not run: no depth here", node_id="3", is_warning=True)
    assert told == [(expected,)] * 2


async def test_a_blocker_alone_blocks_every_output(run):
    nodes = {
        "1": ("BlockBoth", {"message": "gone"}),
        "2": ("Show", {"value": ["1", 0]}),
        "3": ("Total", {"values": ["1", 1]}),
    }
    outcome = await run(nodes, "2", "3")
    assert [problem.node_id for problem in outcome.problems] == ["2", "3"]
    assert not CALLS


async def test_one_blocked_value_of_a_list_does_not_stop_the_others(run):
    nodes = {
        "1": ("Count", {"to": 3}),
        "2": ("Block", {"value": ["1", 0], "above": 1}),
        "3": ("Show", {"value": ["2", 0]}),
        "4": ("Total", {"values": ["2", 0]}),
        "5": ("Show", {"value": ["4", 0]}),
    }
    assert (await run(nodes)).shown == {"3": {"values": [0, 1]}}
    assert CALLS["Total"] == 0


async def test_a_blocked_value_asks_for_no_lazy_input(run):
    nodes = {**switch(True), "4": ("Block", {"value": ["1", 0]})}
    nodes["3"] = ("Switch", {"on": ["4", 0], "yes": ["1", 0], "no": ["2", 0]})
    outcome = await run({**nodes, "5": ("Show", {"value": ["3", 0]})})
    assert (outcome.shown, CALLS["Switch"]) == ({}, 0)


async def test_what_is_blocked_inside_an_expansion_is_told_by_the_node_that_expanded(run):
    nodes = {"8": ("BlockInside", {"message": "gone"})}
    for _ in range(2):
        outcome = await run(nodes, "8")
        assert outcome.outputs["8"] == ([5],)
        told = [(problem.node_id, problem.message) for problem in outcome.problems]
        assert told == [("8", "BlockInside did not run: gone")]


# ---- warnings ------------------------------------------------------------------------------------


def odd(node_id, value=3):
    return Problem("odd", f"{value} is odd", "Take another.", node_id, "value", is_warning=True)


async def test_a_warning_is_told_once_by_the_node_that_gave_it(run):
    outcome = await run({"2": ("Warn", {"value": 3, "times": 2})}, "2")
    assert outcome.problems == (odd("2"),)


async def test_a_cached_result_brings_its_warnings_by_whatever_id_it_has_now(run):
    await run({"2": ("Warn", {"value": 3})}, "2")
    outcome = await run({"7": ("Warn", {"value": 3}), "8": ("Show", {"value": ["7", 0]})})
    assert outcome.problems == (odd("7"),)
    assert CALLS["Warn"] == 1


async def test_each_call_of_a_mapped_node_warns(run):
    nodes = {"1": ("Count", {"to": 2}), "2": ("Warn", {"value": ["1", 0]})}
    assert (await run(nodes, "2")).problems == (odd("2", 0), odd("2", 1))


async def test_what_is_about_the_device_is_told_of_one_node_in_every_run(run):
    nodes = {
        "1": ("Warn", {"value": 1, "code": "device_is_odd"}),
        "2": ("Warn", {"value": 1, "code": "device_is_odd", "times": 2}),
        "3": ("Warn", {"value": 2, "code": "device_is_odd"}),
        "4": ("Warn", {"value": 1}),
    }
    for _ in range(2):
        problems = (await run(nodes, *nodes)).problems
        assert [(each.node_id, each.message) for each in problems] == [
            ("1", "1 is odd"), ("3", "2 is odd"), ("4", "1 is odd"),
        ]  # fmt: skip


async def test_a_warning_inside_an_expansion_is_told_by_the_node_that_expanded(run):
    for _ in range(2):
        assert (await run({"8": ("WarnInside", {})}, "8")).problems == (odd("8"),)


# ---- async nodes ---------------------------------------------------------------------------------


async def test_async_nodes_wait_side_by_side_while_plain_ones_run(run, messages):
    nodes = {
        "1": ("Wait", {"gate": "a", "value": 1}),
        "2": ("Wait", {"gate": "b", "value": 2}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"value": ["5", 0]}),
        "5": ("Constant", {"value": 5}),
    }
    running = asyncio.create_task(run(nodes, "3", "4"))
    while CALLS["Wait"] < 2 or not CALLS["Show"]:
        await asyncio.sleep(0)
    GATES["b"].set()
    while Progress("2", 1, 1, job="job") not in messages:
        await asyncio.sleep(0)
    GATES["a"].set()
    outcome = await running
    assert outcome.outputs["3"] == ([3],)
    assert [message.node for message in messages] == ["1", "2", "2", "1"]


async def test_an_async_node_waits_for_all_values_of_a_list_side_by_side(run, messages):
    nodes = {
        "1": ("Count", {"to": 3}),
        "2": ("WaitFor", {"value": ["1", 0]}),
        "3": ("Show", {"value": ["2", 0]}),
    }
    running = asyncio.create_task(run(nodes))
    while CALLS["WaitFor"] < 3:
        await asyncio.sleep(0)
    for gate in "210":
        GATES[gate].set()
        await asyncio.sleep(0)
    outcome = await running
    assert outcome.shown == {"2": {"waited": [0, 1, 2]}, "3": {"values": [0, 1, 2]}}


async def test_an_error_for_one_value_of_a_list_ends_the_wait_for_the_others(run):
    nodes = {"1": ("Count", {"to": 2}), "2": ("WaitFor", {"value": ["1", 0], "fails_at": 1})}
    with pytest.raises(ExecutionError, match="WaitFor failed"):
        await run(nodes, "2")
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_ends_the_nodes_beside_it(run):
    nodes = {"1": ("Wait", {}), "2": ("Fail", {}), "3": ("Add", {"a": ["1", 0], "b": ["2", 0]})}
    with pytest.raises(ExecutionError, match="Fail failed"):
        await run(nodes, "3")
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_in_an_async_node_ends_the_run(run):
    nodes = {
        "1": ("Wait", {"gate": "never"}),
        "2": ("Steps", {"count": -1}),
        "3": ("Fail", {"value": ["2", 0]}),
        "4": ("Add", {"a": ["1", 0], "b": ["3", 0]}),
    }
    async with asyncio.timeout(5):
        with pytest.raises(ExecutionError, match="Fail failed"):
            await run(nodes, "4")


async def test_a_long_chain_of_plain_nodes_lets_other_runs_in_between(run, monkeypatch):
    monkeypatch.setattr("bridge.engine.executor.SLICE_S", -1.0)
    others = 0

    async def other_run():
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(other_run())
    await run(SUM)
    other.cancel()
    assert others >= 4


# ---- cancellation --------------------------------------------------------------------------------


async def test_a_cancelled_job_runs_nothing(run, job):
    job.cancel()
    with pytest.raises(Interrupted):
        await run(SUM)
    assert not CALLS


async def test_cancellation_takes_effect_within_one_step(registry, cache, job):
    def emit(message):
        if isinstance(message, Progress) and message.value == 3:
            job.cancel()

    job.emit = emit
    nodes = {"1": {"class_type": "Steps", "inputs": {"count": 30}}}
    with pytest.raises(Interrupted):
        await execute(parse_workflow(nodes), ["1"], registry, cache, job)
    assert len(EVENTS) == 3


async def test_cancellation_between_plain_nodes_and_between_values_of_a_list(job, workflow_of):
    nodes = {
        "1": ("Count", {"to": 5}),
        "2": ("Cancel", {"value": ["1", 0]}),
        "3": ("Show", {"value": ["2", 0]}),
    }

    @node("Cancel", category="fake")
    def cancel(value: fake_nodes.Number) -> fake_nodes.Number:
        CALLS["Cancel"] += 1
        if value == 1:
            job.cancel()
        return value

    registry = Registry([*fake_nodes.registry().values(), cancel.node])
    with pytest.raises(Interrupted):
        await execute(workflow_of(nodes), ["3"], registry, Cache(0), job)
    assert CALLS["Cancel"] == 2
    assert CALLS["Show"] == 0


async def test_cancelling_the_task_ends_all_its_nodes(run):
    nodes = {
        "1": ("Wait", {"gate": "a"}),
        "2": ("Wait", {"gate": "b"}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
    }
    running = asyncio.create_task(run(nodes, "3"))
    while CALLS["Wait"] < 2:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(asyncio.all_tasks()) == 1


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ("value", ExecutionError, "node_failed"),
        ("silent", ExecutionError, "node_failed"),
        ("memory", OutOfMemory, "out_of_memory"),
        ("ours", InputError, "bad_input"),
        ("exit", ExecutionError, "node_failed"),
        ("interrupt", ExecutionError, "node_failed"),
        ("cancelled", ExecutionError, "node_failed"),
    ],
)
async def test_whatever_a_node_raises_is_an_error_with_its_id(run, how, kind, code):
    with pytest.raises(kind) as caught:
        await run({"9": ("Fail", {"how": how})}, "9")
    assert (caught.value.code, caught.value.node_id) == (code, "9")


async def test_a_node_class_that_is_not_there_is_named(run, registry, cache, job):
    workflow = parse_workflow({"5": {"class_type": "Nonsense", "inputs": {}}})
    with pytest.raises(ExecutionError, match='no node class "Nonsense"') as caught:
        await execute(workflow, ["5"], registry, cache, job)
    assert (caught.value.code, caught.value.node_id) == ("unknown_node", "5")


async def test_a_wrong_number_of_results_is_the_nodes_fault(run):
    with pytest.raises(ExecutionError) as caught:
        await run({"5": ("WrongCount", {})}, "5")
    assert (caught.value.code, caught.value.node_id) == ("bad_result", "5")


async def test_what_json_cannot_say_is_not_shown(run):
    with pytest.raises(ExecutionError, match="Unsayable failed: ValueError"):
        await run({"5": ("Unsayable", {})})


# ---- expansion -----------------------------------------------------------------------------------

TIMES_TEN = {
    "1": ("Constant", {"value": 7}),
    "2": ("TimesTen", {"value": ["1", 0]}),
    "3": ("Show", {"value": ["2", 0]}),
}


async def test_a_node_may_have_others_do_its_work(run):
    outcome = await run(TIMES_TEN)
    assert outcome.shown == {"2": {"values": [14]}, "3": {"values": [70]}}
    assert CALLS == {"Constant": 1, "TimesTen": 1, "Add": 3, "Show": 2}


async def test_an_expansion_that_is_cached_shows_what_it_showed(run):
    first = await run(TIMES_TEN)
    CALLS.clear()
    assert (await run(TIMES_TEN)).shown == first.shown
    assert not CALLS


async def test_a_node_mapped_over_a_list_expands_for_each_value(run):
    nodes = {
        "1": ("Count", {"to": 3}),
        "2": ("TimesTen", {"value": ["1", 0]}),
        "3": ("Total", {"values": ["2", 0]}),
    }
    outcome = await run(nodes, "2", "3")
    assert outcome.outputs == {"2": ([0, 10, 20],), "3": ([30],)}
    assert outcome.shown == {"2": {"values": [0, 2, 4]}}


async def test_expansions_nest(run):
    outcome = await run({"1": ("Expand", {"how": "deep", "depth": 3})}, "1")
    assert outcome.outputs["1"] == ([-1],)
    assert CALLS["Expand"] == 5


async def test_nodes_may_name_the_nodes_of_an_expansion_in_full(run):
    assert (await run({"1": ("Expand", {"how": "own names"})}, "1")).outputs["1"] == ([7],)


async def test_progress_in_an_expansion_is_that_of_the_node_that_expanded(run, messages):
    await run({"8": ("Expand", {"how": "steps"})}, "8")
    assert messages == [Progress("8", 1, 1, job="job")]


async def test_a_raw_link_leads_an_expansion_on_from_what_lies_before_the_node(run):
    nodes = {
        "1": ("Constant", {"value": 3}),
        "2": ("Add", {"a": ["1", 0], "b": ["1", 0]}),
        "3": ("Repeat", {"last": ["2", 0], "times": 2}),
        "4": ("Show", {"value": ["3", 0]}),
    }
    assert (await run(nodes)).shown == {"4": {"values": [12]}}
    assert CALLS["Add"] == 3


async def test_values_of_an_expansion_may_be_any_object(run):
    nodes = {"1": ("Expand", {"how": "object"})}
    first = await run(nodes, "1")
    assert type(first.outputs["1"][0][0]) is object
    assert (await run(nodes, "1")).outputs == first.outputs
    assert CALLS["Keep"] == 1


async def test_what_sends_inside_an_expansion_sends_every_time(run, messages):
    nodes = {"1": ("Expand", {"how": "sends"}), "2": ("Add", {"a": ["1", 0], "b": ["1", 0]})}
    await run(nodes, "2")
    await run(nodes, "2")
    assert [type(message) for message in messages] == [Result, Result]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("duplicate", "duplicate_node"),
        ("unknown node", "unknown_node"),
        ("unknown output", "unknown_node"),
        ("no such link", "bad_expansion"),
        ("no such slot", "bad_expansion"),
        ("cycle", "cycle"),
        ("waits for itself", "cycle"),
        ("fails", "node_failed"),
        ("wrong count", "bad_result"),
    ],
)
async def test_a_faulty_expansion_is_an_error_of_the_node_that_made_it(run, how, code):
    with pytest.raises(BridgeError) as caught:
        await run({"1": ("Constant", {}), "6": ("Expand", {"how": how, "value": ["1", 0]})}, "6")
    assert caught.value.node_id == "6"
    assert caught.value.code == code
