import asyncio
import sys

import pytest

from bridge.engine import PackEvent
from bridge.engine.judging import judge
from bridge.errors import ExecutionError, WorkflowError
from bridge.graph import validate
from bridge.packs import calling
from bridge.protocol import Progress

pytestmark = pytest.mark.usefixtures("packs")
C = ("PackConstant", {"value": 4})


def definition(registry, name):
    return registry[name].definition


def test_what_a_class_says_about_itself_is_kept(registry):
    found = definition(registry, "PackConstant")
    (entry,) = found.inputs
    assert (found.display_name, found.description, found.category) == (
        "A constant",
        "Gives a number.",
        "packs",
    )
    assert (entry.type, entry.default, entry.minimum, entry.maximum) == ("INT", 3, 0, 9)
    assert [(output.name, output.type) for output in found.outputs] == [("number", "INT")]
    assert found.module == "custom_nodes.first_form"
    assert found.details == {"output_tooltips": ["The number."], "python_module": found.module}


def test_flags_and_options_that_are_not_ours_are_kept_for_the_editor(registry):
    details = definition(registry, "PackOld").details
    assert details["deprecated"]
    assert details["experimental"]
    assert definition(registry, "PackTwice").input("value").options == {"forceInput": True}


def test_endless_bounds_are_none(registry):
    assert definition(registry, "PackShort").input("hint").maximum is None


async def test_values_go_in_and_come_out(value):
    assert await value({"1": C}) == [4]


async def test_an_output_node_shows_and_knows_what_is_hidden(run):
    shown = (await run({"1": ("PackShow", {"value": ["2", 0]}), "2": C})).shown["1"]
    assert shown == {"value": [4], "node": ["1"], "told": [["1"], {"workflow": 5}]}


async def test_numbers_that_json_does_not_have_are_shown_as_none(run):
    shown = (await run({"1": ("PackUnmeasured", {"value": 1})})).shown["1"]
    assert shown == {"value": [None, {"most": [None]}, 1.5]}


async def test_links_to_undeclared_inputs_reach_whoever_takes_any(value):
    nodes = {"1": ("PackTotal", {"first": ["2", 0], "other": ["2", 0], "third": ["3", 0]}), "2": C, "3": C}
    assert await value(nodes) == [12]


def test_other_classes_do_not_get_undeclared_links(registry, workflow):
    nodes = {"1": ("PackShow", {"value": 1, "other": ["2", 0]}), "2": C}
    found = validate(workflow(nodes), registry.definitions, lambda folder: [])
    assert [warning.code for warning in found.warnings] == ["extra_input"]
    assert "other" not in found.workflow.nodes["1"].inputs


STACKED = {"a": {"on": True, "lora": "a.safetensors"}, "b": "x", "c": ["2", 0]}


@pytest.mark.parametrize(
    ("kind", "more"), [("PackStack", {}), ("PackHiddenStack", {"node": "given and not taken"})]
)
async def test_values_of_any_name_reach_whoever_declares_them_all(value, kind, more):
    own = {"node": "1"} if more else {}
    nodes = {"1": (kind, {**STACKED, **more}), "2": C}
    assert await value(nodes) == [{**STACKED, "c": 4, **own}]
    other = {**nodes, "1": (kind, {**STACKED, **more, "b": "y"})}
    assert await value(other) == [{**STACKED, "b": "y", "c": 4, **own}]


def test_values_of_any_name_are_judged(verdicts):
    nodes = {"1": ("Show", {"value": ["2", 0]}), "2": ("PackStack", {"a": "bad"})}
    assert [problem.message for problem in verdicts(nodes).problems] == ["PackStack refuses its inputs"]


async def test_an_object_lives_as_long_as_its_node(value):
    assert await value({"1": ("PackCounter", {"salt": 1})}) == [1]
    assert await value({"1": ("PackCounter", {"salt": 2})}) == [2]
    nodes = {"1": ("PackTotal", {"first": ["2", 0], "b": ["3", 0]})}
    counters = {key: ("PackCounter", {"salt": 9}) for key in ("2", "3")}
    assert await value({**nodes, **counters}) == [2]


async def test_a_list_output_is_mapped_and_a_list_input_gathers(value):
    nodes = {"1": ("PackSum", {"values": ["2", 0]}), "2": ("PackTotal", {"first": ["3", 0], "b": ["3", 1]})}
    assert await value({**nodes, "3": ("PackNumbers", {"count": 3})}) == [3 + 4 + 5]


async def test_hidden_values_are_lists_where_inputs_are(run):
    nodes = {"show": ("Show", {"value": ["7", 1]}), "7": ("PackSum", {"values": 1})}
    assert (await run(nodes)).shown["show"]["values"] == ["7"]


@pytest.mark.parametrize("kind", ["PackPick", "PackPickLater"])
async def test_only_the_lazy_input_that_is_asked_for_runs(value, run, kind):
    nodes = {
        "1": (kind, {"a": ["2", 0], "b": ["3", 0], "takes_a": False}),
        "2": ("PackFail", {"value": 1}),
        "3": C,
    }
    assert await value(nodes) == [4]


async def test_a_raw_link_is_a_list(value):
    assert await value({"1": ("PackSource", {"value": ["2", 0]}), "2": C}) == ["2:0"]


async def test_a_node_expands_and_names_do_not_collide(run):
    nodes = {"1": ("PackTwice", {"value": ["2", 0]}), "2": C}
    outcome = await run({**nodes, "a": ("Show", {"value": ["1", 0]}), "b": ("Show", {"value": ["1", 1]})})
    assert outcome.shown["a"]["values"] == [8]
    assert outcome.shown["b"]["values"] == ["1,2,a,b"]


async def test_a_node_of_an_expansion_may_have_another_speak_for_it(value, job):
    nodes = {"1": ("PackEcho", {"value": ["2", 0], "kind": "PackConstant"}), "2": C}
    assert await value(nodes) == [4]
    failing = {**nodes, "1": ("PackEcho", {"value": ["2", 0], "kind": "PackFail"})}
    with pytest.raises(ExecutionError) as raised:
        await value(failing)
    assert raised.value.node_id == "2"


async def test_a_blocker_stops_what_follows(run):
    nodes = {"show": ("Show", {"value": ["1", 0]}), "1": ("PackBlock", {"value": 1, "why": "not today"})}
    outcome = await run(nodes)
    assert outcome.shown == {}
    assert [problem.message for problem in outcome.problems] == ["Show did not run: not today"]
    silent = await run({**nodes, "1": ("PackBlock", {"value": 1, "why": ""})})
    assert silent.problems == ()


def test_a_type_that_equals_everything_connects_to_everything(registry):
    assert definition(registry, "PackBlock").outputs[0].type == "*"
    assert definition(registry, "PackBlock").input("value").type == "*"


async def test_a_type_may_equal_some_types(value, registry, workflow):
    output, entry = definition(registry, "PackTwo").outputs[0], definition(registry, "PackTwo").input("rate")
    assert (output.name, output.type) == ("IMAGE", "IMAGE,LATENT")
    assert (entry.type, entry.also) == ("FLOAT", "INT")
    assert await value({"1": ("PackTwo", {"rate": "2.5"})}) == [2.5]
    assert await value({"1": ("PackTwo", {"rate": ["2", 0]}), "2": C}) == [4]
    nodes = {"1": ("Show", {"value": ["2", 0]}), "2": ("PackTwo", {"rate": ["3", 0]})}
    source = {"3": ("PackSource", {"value": ["4", 0]}), "4": C}
    (problem,) = validate(workflow({**nodes, **source}), registry.definitions, lambda folder: []).problems
    assert (problem.code, problem.message) == (
        "type_mismatch",
        "PackTwo.rate needs FLOAT,INT, got STRING from node 3",
    )


async def test_a_fingerprint_decides_whether_a_node_runs_again(value):
    changing = sys.modules["custom_nodes.first_form"].Changing
    changing.runs = 0

    async def runs(mode):
        return (await value({"1": ("PackChanging", {"mode": mode, "value": ["2", 0]}), "2": C}))[0]

    assert [await runs("clock"), await runs("clock")] == [1, 1]
    changing.clock += 1
    assert await runs("clock") == 2
    assert [await runs("always"), await runs("always")] == [3, 4]
    assert [await runs("fail"), await runs("fail")] == [5, 6]


async def test_a_fingerprint_that_hangs_is_given_up_and_others_go_on(value, monkeypatch):
    monkeypatch.setattr(calling, "FINGERPRINT_S", 0.2)
    changing = sys.modules["custom_nodes.first_form"].Changing
    hanging = asyncio.create_task(value({"1": ("PackChanging", {"mode": "hang", "value": ["2", 0]}), "2": C}))
    await asyncio.sleep(0.05)
    assert await value({"1": C}) == [4]
    assert len(await hanging) == 1
    assert not changing.has_answered
    changing.may_answer.set()


async def test_progress_and_words_reach_the_client(run, job, messages):
    job.wants_nodes = True
    await run({"1": ("PackShow", {"value": ["5", 0]}), "5": ("PackSlow", {"value": 1})})
    told = [(each.node, each.value, each.maximum) for each in messages if isinstance(each, Progress)]
    assert told == [("5", 1, 4), ("5", 4, 4), ("5", 1, 2)]
    assert [each for each in messages if isinstance(each, PackEvent)] == [
        PackEvent("job", "pack.word", {"node": "5"})
    ]


async def test_outputs_that_a_node_does_not_give_block_what_needs_them(run):
    nodes = {"a": ("Show", {"value": ["1", 0]}), "b": ("Show", {"value": ["1", 1]}), "1": ("PackShort", {})}
    outcome = await run(nodes)
    assert list(outcome.shown) == ["a"]
    assert "gave nothing for its output INT" in outcome.problems[0].message


@pytest.mark.parametrize("kind", ["PackFan", "PackFanLater"])
async def test_a_node_may_give_as_many_values_as_links_ask_for(run, kind):
    shows = {f"show{slot}": ("Show", {"value": ["1", slot]}) for slot in (0, 2, 3)}
    outcome = await run({**shows, "1": (kind, {"count": ["2", 1]}), "2": ("PackNumbers", {"count": 4})})
    assert outcome.shown["show3"]["values"] == [13]
    three = await run({**shows, "1": (kind, {"count": 3})})
    assert {name: shown["values"] for name, shown in three.shown.items()} == {"show0": [10], "show2": [12]}
    assert (await run({**shows, "1": (kind, {"count": 1})})).shown["show0"]["values"] == [10]


def test_further_outputs_have_a_type(registry, workflow):
    pick = ("PackPick", {"a": ["2", 7], "b": ["2", -1], "takes_a": True})
    nodes = {"1": pick, "2": ("PackFan", {"count": 8}), "3": ("Show", {"value": ["1", 0]})}
    found = validate(workflow(nodes), registry.definitions, lambda folder: [])
    assert [(problem.code, problem.input_name) for problem in found.problems] == [("bad_link", "b")]


async def test_a_node_that_returns_no_tuple_fails_with_a_reason(run):
    with pytest.raises(Exception, match="returned int, not a tuple") as raised:
        await run({"a": ("Show", {"value": ["1", 0]}), "1": ("PackNoTuple", {})})
    assert raised.value.code == "bad_result"


# ---- VALIDATE_INPUTS -------------------------------------------------------------------------


@pytest.fixture
def verdicts(registry, workflow):
    """Validate nodes, and ask those that judge."""

    def ask(nodes, limit_s=5.0):
        found = validate(workflow(nodes), registry.definitions, lambda folder: [])
        return found.with_verdicts(judge(registry, found.questions(registry.definitions), limit_s))

    return ask


def checked(value=1, mode="a", bounded=1):
    return {
        "1": ("Show", {"value": ["2", 0]}),
        "2": ("PackChecked", {"value": value, "mode": mode, "bounded": bounded}),
    }


def test_what_a_class_judges_is_not_held_to_bounds_and_choices(verdicts, registry, workflow):
    found = verdicts(checked(value=1000, mode="c"))
    assert found.outputs == ("1",)
    assert validate(workflow(checked(bounded=5)), registry.definitions, lambda folder: []).outputs == ()


def test_a_refusal_names_the_node_the_input_and_the_reason(verdicts):
    found = verdicts(checked(value=7))
    (problem,) = found.problems
    assert (problem.code, problem.node_id, problem.input_name) == ("custom_validation_failed", "2", "value")
    assert problem.message == "PackChecked refuses its inputs: 7 is not allowed in node 2"
    assert found.outputs == ()
    with pytest.raises(WorkflowError):
        found.raise_if_nothing_runs()


def test_false_refuses_too(verdicts):
    assert verdicts(checked(mode="no")).problems[0].message == "PackChecked refuses its inputs"


def test_a_validator_that_raises_is_a_fault_of_its_node(verdicts):
    (problem,) = verdicts(checked(mode="raise")).problems
    assert (problem.code, problem.node_id) == ("exception_during_validation", "2")
    assert "ValueError: not like this" in problem.message


def test_a_validator_that_hangs_is_given_up_and_so_are_those_behind_it(verdicts):
    nodes = {
        **checked(mode="hang"),
        "3": ("Show", {"value": ["4", 0]}),
        "4": ("PackChecked", {"value": 1, "mode": "a", "bounded": 1}),
        "5": ("Show", {"value": 3}),
    }
    found = verdicts(nodes, limit_s=0.2)
    assert [(each.code, each.node_id) for each in found.problems] == [
        ("validator_timeout", "2"),
        ("validator_timeout", "4"),
    ]
    assert found.outputs == ("5",)


@pytest.mark.parametrize(
    ("source", "works"), [("PackConstant", True), ("PackSource", True), ("Constant", False)]
)
def test_a_class_may_judge_what_links_bring(verdicts, source, works):
    inputs = {"PackSource": {"value": ["4", 0]}}.get(source, {"value": 1})
    nodes = {"1": ("Show", {"value": ["2", 0]}), "2": ("PackCheckedLinks", {"value": ["3", 0]})}
    found = verdicts({**nodes, "3": (source, inputs), "4": C})
    assert (found.outputs == ("1",)) is works


def test_only_nodes_that_an_output_needs_are_asked(verdicts):
    nodes = {"1": ("Show", {"value": 1}), "2": ("PackChecked", {"value": 7, "mode": "a", "bounded": 1})}
    assert verdicts(nodes).problems == ()
