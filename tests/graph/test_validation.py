import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Problem, WorkflowError
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition, Workflow, parse_workflow, validate


@pytest.fixture
def check(definitions, choices):
    return lambda data: validate(parse_workflow(data), definitions, choices)


def changed(data, node_id, **inputs):
    """Return the workflow with some inputs of a node replaced; ``...`` removes one."""
    data = copy.deepcopy(data)
    data[node_id]["inputs"].update(inputs)
    data[node_id]["inputs"] = {k: v for k, v in data[node_id]["inputs"].items() if v is not ...}
    return data


def places(problems):
    return [(problem.node_id, problem.input_name, problem.code) for problem in problems]


def test_tutorial_workflow_is_valid_and_numbers_get_their_declared_type(check, tutorial):
    found = check(tutorial)
    assert (found.outputs, found.problems, found.warnings) == (("9",), (), ())
    inputs = found.workflow.nodes["3"].inputs
    assert [type(inputs[name]) for name in ("seed", "cfg", "denoise")] == [int, float, float]
    found.raise_if_nothing_runs()


def test_only_the_targets_count_and_strangers_among_them_are_named(definitions, choices, tutorial):
    data = copy.deepcopy(tutorial)
    data["10"] = {"class_type": "SaveImage", "inputs": {"images": ["99", 0], "filename_prefix": "x"}}
    found = validate(parse_workflow(data), definitions, choices, ["9", "3"])
    assert (found.outputs, found.problems) == (("9",), ())
    assert "3" in found.warnings[0].message
    assert found.warnings[0].hint == "Output nodes: 9, 10."


def test_targets_of_which_none_is_an_output_run_nothing(definitions, choices, tutorial):
    with pytest.raises(WorkflowError) as caught:
        validate(parse_workflow(tutorial), definitions, choices, ["3"]).raise_if_nothing_runs()
    assert [problem.code for problem in caught.value.problems] == ["no_outputs", "bad_target"]
    assert {problem.hint for problem in caught.value.problems} == {"Output nodes: 9."}


FAULTS = [
    ("3", {"seed": ...}, "seed", "missing_input", "KSampler.seed is missing", "Its default is 0."),
    (
        "3",
        {"model": ...},
        "model",
        "missing_input",
        "is missing",
        "MODEL comes from node 4 (CheckpointLoaderSimple) slot 0.",
    ),
    (
        "8",
        {"vae": ["99", 0]},
        "vae",
        "bad_link",
        "is linked to node 99, which does not exist",
        "VAE comes from node 4",
    ),
    (
        "3",
        {"model": ["4", 5]},
        "model",
        "bad_link",
        "CheckpointLoaderSimple, which has 3 outputs (slots 0…2); asked for slot 5",
        "slot 0",
    ),
    ("3", {"model": ["5", -1]}, "model", "bad_link", "has 1 output (slot 0); asked for slot -1", "slot 0"),
    (
        "3",
        {"model": ["4", 1]},
        "model",
        "type_mismatch",
        "KSampler.model needs MODEL, got CLIP from node 4",
        "slot 0",
    ),
    ("3", {"cfg": ["5", 0]}, "cfg", "type_mismatch", "needs FLOAT, got LATENT from node 5", "8.0"),
    ("3", {"model": "4"}, "model", "bad_link", 'needs a link to MODEL, got the value "4"', "node 4"),
    ("3", {"model": ["4"]}, "model", "bad_link", 'got the value ["4"]', "node 4"),
    ("3", {"model": None}, "model", "bad_link", "got the value null", "node 4"),
    ("3", {"steps": ["4"]}, "steps", "bad_link", 'needs a value or a link, got the list ["4"]', "__value__"),
    ("3", {"steps": 0}, "steps", "out_of_range", "KSampler.steps must be 1…10000, got 0", "20"),
    ("3", {"steps": -1}, "steps", "out_of_range", "got -1", "20"),
    ("3", {"steps": 10**9}, "steps", "out_of_range", "got 1000000000", "20"),
    ("3", {"seed": -1}, "seed", "out_of_range", "must be 0…18446744073709551615", "0"),
    ("3", {"seed": 2**64}, "seed", "out_of_range", "got 18446744073709551616", "0"),
    ("3", {"cfg": "nan"}, "cfg", "bad_number", "needs a finite number", "0.0…100.0"),
    ("3", {"cfg": "abc"}, "cfg", "bad_value", 'needs a number, got "abc"', ""),
    ("3", {"steps": "3.5"}, "steps", "bad_value", 'needs a whole number, got "3.5"', ""),
    ("3", {"steps": None}, "steps", "bad_value", "got null", ""),
    ("3", {"steps": {"a": 1}}, "steps", "bad_value", 'got {"a": 1}', ""),
    ("6", {"text": None}, "text", "bad_value", "needs a text, got null", ""),
    (
        "3",
        {"sampler_name": "eulr"},
        "sampler_name",
        "not_in_list",
        'has no choice "eulr"',
        'Did you mean "euler"? Valid: euler',
    ),
    ("6", {"text": "ä" * 50_001}, "text", "too_long", "a text of 100 kB; 100 kB is the most", "shorter"),
    ("5", {"width": 100_000}, "width", "out_of_range", "must be 16…16384", "512"),
    (
        "4",
        {"ckpt_name": "demo.ckpt"},
        "ckpt_name",
        "model_not_found",
        '"demo.ckpt", which is not in checkpoints/',
        'Nearest: "demo.safetensors"',
    ),
]


@pytest.mark.parametrize(
    ("node_id", "inputs", "name", "code", "message", "hint"), FAULTS, ids=range(len(FAULTS))
)
def test_fault_is_named_with_place_reason_and_remedy(
    check, tutorial, node_id, inputs, name, code, message, hint
):
    found = check(changed(tutorial, node_id, **inputs))
    assert places(found.problems) == [(node_id, name, code)]
    assert message in found.problems[0].message
    assert hint in found.problems[0].hint
    assert found.outputs == ()
    with pytest.raises(WorkflowError):
        found.raise_if_nothing_runs()


def test_unknown_class_is_reported_once_with_its_nodes_and_the_nearest_name(check, tutorial):
    for node_id in ("6", "7"):
        tutorial[node_id]["class_type"] = "ClipTextEncoder"
    (problem,) = check(tutorial).problems
    assert (problem.node_id, problem.code) == ("6", "unknown_node")
    assert problem.message == 'there is no node class "ClipTextEncoder" (nodes 6, 7)'
    assert problem.hint == 'Did you mean "CLIPTextEncode"?'


def test_faults_upstream_of_an_unknown_class_are_found_too(check, tutorial):
    tutorial["3"]["class_type"] = "KSampler 2"
    found = check(changed(tutorial, "5", width=0))
    assert places(found.problems) == [("3", "", "unknown_node"), ("5", "width", "out_of_range")]
    assert found.outputs == ()


def test_every_fault_is_reported_in_workflow_order(check, tutorial):
    data = changed(tutorial, "8", vae=["4", 0])
    data = changed(data, "3", steps=0, seed=..., model=["77", 0])
    data = changed(data, "6", clip=["7", 0])
    assert places(check(data).problems) == [
        ("3", "model", "bad_link"),
        ("3", "seed", "missing_input"),
        ("3", "steps", "out_of_range"),
        ("6", "clip", "type_mismatch"),
        ("8", "vae", "type_mismatch"),
    ]


def test_sound_output_runs_beside_a_faulty_one(check, tutorial):
    tutorial["10"] = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    tutorial["11"] = {"class_type": "PreviewImage", "inputs": {"images": ["10", 0]}}
    found = check(changed(tutorial, "3", steps=0))
    assert found.outputs == ("11",)
    assert places(found.problems) == [("3", "steps", "out_of_range")]
    found.raise_if_nothing_runs()


def test_nodes_that_no_output_needs_may_be_faulty(check, tutorial):
    tutorial["20"] = {"class_type": "KSampler", "inputs": {"model": ["99", 0]}}
    assert check(tutorial).problems == ()


def test_unknown_class_that_no_output_needs_is_a_warning(check, tutorial):
    tutorial["20"] = {"class_type": "SaveImages", "inputs": {"images": ["8", 0]}}
    found = check(tutorial)
    assert found.outputs == ("9",)
    (warning,) = found.warnings
    assert (warning.code, warning.node_id, warning.is_warning) == ("unused_node", "20", True)
    assert warning.hint == 'Did you mean "SaveImage"?'


def test_extra_input_is_dropped_with_a_warning_and_its_link_is_not_followed(check, tutorial):
    tutorial["20"] = {"class_type": "Nonsense", "inputs": {}}
    found = check(changed(tutorial, "8", vaee=["20", 0]))
    assert found.outputs == ("9",)
    assert "vaee" not in found.workflow.nodes["8"].inputs
    warning = found.warnings[0]
    assert (warning.code, warning.node_id, warning.input_name) == ("extra_input", "8", "vaee")
    assert warning.hint == 'Did you mean "vae"?'


def test_workflow_without_output_says_so_and_names_unknown_classes(check, tutorial):
    tutorial["9"]["class_type"] = "SafeImage"
    found = check(tutorial)
    assert places(found.problems) == [("", "", "no_outputs"), ("9", "", "unknown_node")]
    assert "SaveImage" in found.problems[0].hint
    assert found.outputs == ()


CYCLES = [
    ({"1": "2", "2": "1"}, ["1 → 2 → 1"]),
    ({"1": "1"}, ["1 → 1"]),
    ({"1": "2", "2": "3", "3": "1"}, ["1 → 3 → 2 → 1"]),
    ({"1": "2", "2": "3", "3": "2"}, ["2 → 3 → 2"]),
    ({"1": "2 3", "2": "4", "3": "4", "4": "5 2", "5": "3"}, ["2 → 4 → 2"]),
    ({"1": "2 4", "2": "3", "3": "2", "4": "5", "5": "4"}, ["2 → 3 → 2", "4 → 5 → 4"]),
    ({"1": "2 3", "2": "3", "3": "4", "4": ""}, []),
]


def chain(parents, last="1"):
    """Return API JSON in which node ``1`` is shown and every node links to its parents."""
    nodes = {
        node_id: {"class_type": "Mix", "inputs": {f"in{i}": [p, 0] for i, p in enumerate(text.split())}}
        for node_id, text in parents.items()
    }
    return {**nodes, "show": {"class_type": "Show", "inputs": {"value": [last, 0]}}}


MIX = {
    "Mix": NodeDefinition(
        "Mix",
        "test",
        inputs=tuple(InputDefinition(f"in{i}", "X", is_required=False) for i in range(3)),
        outputs=(OutputDefinition("X", "X"),),
    ),
    "Show": NodeDefinition("Show", "test", inputs=(InputDefinition("value", "X"),), is_output=True),
}


def check_mix(data):
    return validate(parse_workflow(data), MIX, dict.__getitem__)


@pytest.mark.parametrize(("parents", "paths"), CYCLES)
def test_cycles_are_named_by_a_shortest_path_each(parents, paths):
    found = check_mix(chain(parents))
    assert [problem.code for problem in found.problems] == ["cycle"] * len(paths)
    assert sorted(problem.message.partition(": ")[2] for problem in found.problems) == paths
    assert bool(found.outputs) == (not paths)


def test_text_that_is_a_file_may_be_as_long_as_one():
    shows = NodeDefinition(
        "Read", "test", inputs=(InputDefinition("image", "STRING", holds_file=True),), is_output=True
    )
    data = {"1": {"class_type": "Read", "inputs": {"image": "A" * 3_000_000}}}
    found = validate(parse_workflow(data), {"Read": shows}, dict.__getitem__)
    assert found.outputs == ("1",)
    assert found.workflow.nodes["1"].inputs == data["1"]["inputs"]


def test_output_beside_a_cycle_runs():
    data = chain({"1": "1", "2": ""})
    data["other"] = {"class_type": "Show", "inputs": {"value": ["2", 0]}}
    assert check_mix(data).outputs == ("other",)


def test_chain_of_ten_thousand_nodes_is_valid_and_a_ring_of_them_is_a_short_message():
    straight = {str(i): str(i + 1) for i in range(9_998)} | {"9998": ""}
    assert check_mix(chain(straight, last="0")).outputs == ("show",)
    (problem,) = check_mix(chain(straight | {"9998": "0"}, last="0")).problems
    assert problem.message.endswith("0 → 9998 → 9997 → 9996 → 9995 → 9994 → … → 4 → 3 → 2 → 1 → 0")


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=8, max_size=8))
def test_output_runs_exactly_when_a_naive_search_finds_no_cycle_upstream(parents):
    def has_cycle(node_id, path=()):
        return node_id in path or any(has_cycle(parent, (*path, node_id)) for parent in parents[node_id])

    data = chain({str(i): " ".join(map(str, row)) for i, row in enumerate(parents)}, last="0")
    assert bool(check_mix(data).outputs) != has_cycle(0)


def one_input(entry, value, *, offers=()):
    """Validate a single node with a single input; return its value, or the problem's code."""
    definitions = {
        "Sink": NodeDefinition("Sink", "test", inputs=(entry,), is_output=True),
        "Source": NodeDefinition("Source", "test", outputs=tuple(OutputDefinition(t, t) for t in offers)),
    }
    inputs = {} if value is ... else {entry.name: value}
    data = {"1": {"class_type": "Sink", "inputs": inputs}, "2": {"class_type": "Source", "inputs": {}}}
    found = validate(parse_workflow(data), definitions, dict.__getitem__)
    return found.problems[0].code if found.problems else found.workflow.nodes["1"].inputs.get(entry.name, ...)


TYPES = [
    ("IMAGE", "IMAGE", True),
    ("IMAGE", "MASK", False),
    ("IMAGE", "*", True),
    ("*", "MODEL", True),
    ("IMAGE", "IMAGE,MASK", True),
    ("IMAGE, MASK", "LATENT,MASK", True),
    ("LATENT", "IMAGE,MASK", False),
    ("INT", "INT", True),
    ("INT", "FLOAT", False),
    ("BOOLEAN", "INT", False),
    ("STRING", "COMBO", False),
    ("COMBO", "COMBO", True),
]


@pytest.mark.parametrize(("offered", "needed", "fits"), TYPES)
def test_links_match_equal_any_and_overlapping_types_only(offered, needed, fits):
    result = one_input(InputDefinition("x", needed), ["2", 0], offers=[offered])
    assert (result != "type_mismatch") == fits


@pytest.mark.parametrize(
    ("kind", "required", "value", "expected"),
    [
        ("IMAGE", True, 5, "bad_link"),
        ("IMAGE,MASK", True, 5, "bad_link"),
        ("IMAGE", False, None, None),
        ("IMAGE", False, 5, "bad_link"),
        ("IMAGE", False, ..., ...),
        ("*", True, 5, 5),
        ("IMAGE,FLOAT", True, 0.5, 0.5),
        ("CURVE", True, {"points": []}, {"points": []}),
    ],
)
def test_literals_fill_sockets_only_of_types_that_nodes_do_not_put_out(kind, required, value, expected):
    entry = InputDefinition("x", kind, is_required=required)
    assert one_input(entry, value, offers=["IMAGE", "MASK", "FLOAT", "*"]) == expected


def test_node_is_not_advised_to_feed_itself(check, tutorial):
    found = check(changed(tutorial, "3", latent_image=...))
    assert found.problems[0].hint == "LATENT comes from node 5 (EmptyLatentImage) slot 0."


def test_link_to_a_node_without_outputs_is_a_bad_link():
    assert one_input(InputDefinition("x", "IMAGE"), ["2", 0], offers=[]) == "bad_link"


def test_required_socket_that_nothing_offers_says_what_to_add():
    definitions = {
        "Show": NodeDefinition("Show", "test", inputs=(InputDefinition("x", "X"),), is_output=True)
    }
    found = validate(
        parse_workflow({"1": {"class_type": "Show", "inputs": {}}}), definitions, dict.__getitem__
    )
    assert found.problems[0].hint == "Add a node that puts out X."


def test_lazy_inputs_are_checked_like_others_and_optional_ones_may_be_left_out():
    assert one_input(InputDefinition("x", "IMAGE", is_lazy=True), ...) == "missing_input"
    assert one_input(InputDefinition("x", "INT", is_required=False, is_lazy=True), ...) == ...


def test_hidden_input_given_by_a_workflow_is_ignored(check, tutorial):
    found = check(changed(tutorial, "9", prompt="x"))
    assert "prompt" not in found.workflow.nodes["9"].inputs
    assert [warning.code for warning in found.warnings] == ["extra_input"]


def test_each_folder_is_listed_once(definitions, tutorial):
    asked = []
    tutorial["10"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "demo.safetensors"}}
    tutorial["11"] = copy.deepcopy(tutorial["3"])
    tutorial["11"]["inputs"]["model"] = ["10", 0]
    tutorial["8"]["inputs"]["samples"] = ["11", 0]
    tutorial["11"]["inputs"]["latent_image"] = ["3", 0]
    found = validate(
        parse_workflow(tutorial), definitions, lambda name: asked.append(name) or ["demo.safetensors"]
    )
    assert found.outputs
    assert asked == ["checkpoints"]


def test_workflow_that_is_wrong_all_over_gets_few_suggestions(definitions, choices):
    data = {str(i): {"class_type": f"CLIPTextEncod{i}", "inputs": {}} for i in range(500)}
    found = validate(parse_workflow(data), definitions, choices)
    assert len(found.problems) == 501
    assert sum(bool(problem.hint) for problem in found.problems) == 21


def test_validating_again_changes_nothing(check, tutorial):
    once = check(tutorial)
    assert check(once.workflow.to_json()) == once


@given(
    st.dictionaries(
        st.sampled_from("1234"),
        st.fixed_dictionaries(
            {
                "class_type": st.sampled_from(
                    ["KSampler", "SaveImage", "CheckpointLoaderSimple", "LoadImage", "Nope"]
                ),
                "inputs": st.dictionaries(
                    st.sampled_from(
                        ["model", "seed", "cfg", "sampler_name", "images", "ckpt_name", "image", "x"]
                    ),
                    st.tuples(st.sampled_from("12345"), st.integers(-1, 3))
                    | st.none()
                    | st.booleans()
                    | st.integers()
                    | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=5)
                    | st.lists(st.integers(), max_size=3)
                    | st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=1),
                ),
            }
        ),
        min_size=1,
    )
)
def test_any_parsed_workflow_is_judged_without_an_exception(definitions, choices, data):
    found = validate(parse_workflow(data), definitions, choices)
    assert isinstance(found.workflow, Workflow)
    assert found.outputs or found.problems
    assert all(problem.message and not problem.is_warning for problem in found.problems)
    assert all(warning.is_warning for warning in found.warnings)


# ---- nodes that take what they do not declare, and judge what they get -----------------------


def judging(**more):
    """Return a class with a bounded number and a picture, and one that shows it."""
    inputs = (InputDefinition("count", "INT", minimum=0, maximum=9), InputDefinition("image", "IMAGE"))
    outputs = (OutputDefinition("IMAGE", "IMAGE"),)
    names = ("Own", "Source", "Mask")
    own = NodeDefinition(names[0], "test", inputs=inputs, outputs=outputs, is_output=True, **more)
    source = NodeDefinition(names[1], "test", outputs=outputs)
    mask = NodeDefinition(names[2], "test", outputs=(OutputDefinition("MASK", "MASK"),))
    return {each.name: each for each in (own, source, mask)}


def own(**inputs):
    nodes = {"1": ("Own", {"count": 3, "image": ["2", 0], **inputs}), "2": ("Source", {}), "3": ("Mask", {})}
    return parse_workflow(
        {key: {"class_type": kind, "inputs": given} for key, (kind, given) in nodes.items()}
    )


def judged(definitions, **inputs):
    return validate(own(**inputs), definitions, lambda folder: [])


def test_links_to_undeclared_inputs_are_kept_where_the_class_takes_them():
    takes = judging(takes_undeclared=True)
    found = judged(takes, other=["3", 0], word="x")
    assert list(found.workflow.nodes["1"].inputs) == ["count", "image", "other"]
    assert [warning.input_name for warning in found.warnings] == ["word"]
    assert places(judged(takes, other=["9", 0]).problems) == [("1", "other", "bad_link")]
    assert "other" not in judged(judging(), other=["3", 0]).workflow.nodes["1"].inputs


def test_undeclared_values_are_kept_where_the_class_takes_them():
    takes = judging(takes_undeclared_values=True, hidden={"node": "UNIQUE_ID"})
    found = judged(takes, word={"on": True}, node="7", other=["3", 0])
    assert found.workflow.nodes["1"].inputs["word"] == {"on": True}
    assert [warning.input_name for warning in found.warnings] == ["node", "other"]


@pytest.mark.parametrize("judges", [("count",), ("*",)])
def test_what_a_class_judges_itself_has_no_bounds(judges):
    assert judged(judging(judges=judges), count="100").workflow.nodes["1"].inputs["count"] == 100
    assert places(judged(judging(), count=100).problems) == [("1", "count", "out_of_range")]


def test_a_class_that_judges_what_links_bring_takes_any():
    assert judged(judging(judges=("input_types",)), image=["3", 0]).problems == ()
    assert places(judged(judging(judges=("*",)), image=["3", 0]).problems) == [
        ("1", "image", "type_mismatch")
    ]


def test_nodes_that_judge_are_asked_with_literals_and_types_of_links():
    definitions = judging(judges=("count",))
    (question,) = judged(definitions).questions(definitions)
    assert (question.node_id, question.class_type) == ("1", "Own")
    assert (question.inputs, question.link_types) == ({"count": 3, "image": None}, {"image": "IMAGE"})
    assert question.to_json()["inputs"] == question.inputs
    assert judged(definitions, image=["9", 0]).questions(definitions) == ()


def test_what_a_node_finds_wrong_keeps_its_outputs_from_running():
    found = judged(judging()).with_verdicts([Problem("refused", "no", node_id="2")])
    assert (found.outputs, places(found.problems)) == ((), [("2", "", "refused")])
    assert judged(judging()).with_verdicts([]).outputs == ("1",)


def test_definitions_of_packs_survive_json():
    definition = judging(judges=("a", "*"), takes_undeclared=True)["Own"]
    assert NodeDefinition.from_json(definition.to_json()) == definition
