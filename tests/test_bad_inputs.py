"""The 45 bad inputs that everybody meets: each is refused, or set right, in words that help.

Workflows are tried here; of the others the test is named that tries them, where what it takes is at hand.
"""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import BridgeError, Problem
from bridge.graph import parse_workflow, validate

from .fuzz.targets import DEFINITIONS

TESTS = Path(__file__).parent

LOAD = {"class_type": "Load", "inputs": {"name": "a.safetensors"}}
SAMPLE = {
    "model": ["1", 0],
    "steps": 4,
    "strength": 1.0,
    "sampler": "euler",
    "text": "",
    "tiles": False,
    "seed": 0,
}
SAVE = {"class_type": "Save", "inputs": {"images": ["2", 0]}}


def graph(**changes: Any) -> str:
    """A sound workflow but for some inputs of its sampler."""
    given = {**SAMPLE, "seed": 0, **changes}
    inputs = {name: value for name, value in given.items() if value is not ...}
    return json.dumps({"1": LOAD, "2": {"class_type": "Sample", "inputs": inputs}, "3": SAVE})


def nested(depth: int) -> str:
    return graph(text="DEEP").replace('"DEEP"', "[" * depth + "]" * depth)


def ring() -> str:
    blends = {
        number: {"class_type": "Blend", "inputs": {"image": [other, 0]}} for number, other in ("25", "52")
    }
    return json.dumps({**blends, "3": SAVE})


WORKFLOWS = {
    1: ('{"1": {"class_type" "Load"}}', "bad_json", "line 1"),
    3: ("{}", "no_outputs", "node"),
    4: (graph().replace('"Sample"', '"Smaple"'), "unknown_node", "Sample"),
    5: (graph(model=["99", 0]), "bad_link", "99"),
    6: (graph(model=["1", 5]), "bad_link", "5"),
    7: (graph(model=["2", 0]).replace('"2", 0], "steps"', '"4", 0], "steps"'), "bad_link", "4"),
    8: (ring(), "cycle", "2 → 5 → 2"),
    9: (graph(seed=...), "missing_input", "seed"),
    10: (graph(steps=0), "out_of_range", "100"),
    11: (graph(strength=float("nan")), "bad_number", "finite"),
    12: (graph(seed=2**64), "out_of_range", "18446744073709551615"),
    13: (graph(steps=100_000), "out_of_range", "100"),
    14: (graph(sampler="eular"), "not_in_list", "euler"),
    15: (graph().replace('"steps": 4', '"steps": 4, "steps": 5'), "duplicate_key", "steps"),
    16: (nested(100), "too_complex", "deep"),
    17: (json.dumps({str(number): LOAD for number in range(100_001)}), "too_complex", "nodes"),
    19: (graph(text="\ud800"), "bad_text", ""),
    20: (graph(text="x" * 1_000_000), "too_long", ""),
}
"""Number → the workflow, the code, and what the message or the hint says."""

ELSEWHERE = {
    2: ("graph/test_editor.py", "test_values_find_their_inputs"),  # converted, not refused
    18: ("nodes/test_image_save.py", "test_prefixes_that_lead_out_are_refused"),
    21: ("imaging/test_picture.py", "test_a_truncated_picture_says_so"),
    22: ("imaging/test_picture.py", "test_a_picture_too_large_is_refused_before_it_is_decoded"),
    23: ("imaging/test_picture.py", "test_texts_that_unpack_to_too_much_are_refused"),
    24: ("imaging/test_picture.py", "test_a_strip_is_refused"),
    25: ("imaging/test_picture.py", "test_other_formats_are_named"),
    26: ("protocol/test_envelope.py", "test_body_of_another_length_is_a_size_mismatch"),
    27: ("imaging/test_capture.py", "test_depth_that_says_nothing_is_refused"),
    28: ("bad_input/test_sizes.py", "test_a_mask_of_other_proportions_is_stretched_and_told"),
    29: ("imaging/test_picture.py", "test_other_modes_become_rgb"),
    30: ("bad_input/test_sizes.py", "test_an_empty_mask_is_told"),
    31: ("bad_input/test_files.py", "test_a_missing_file_is_named_with_the_nearest"),
    32: ("models/test_header.py", "test_what_is_no_model_is_told_from_one"),
    33: ("models/test_header.py", "test_what_is_no_model_is_told_from_one"),
    34: ("models/test_header.py", "test_a_pickle_is_never_opened_whatever_its_name"),
    35: ("bad_input/test_files.py", "test_a_model_of_another_family_is_refused_with_both_named"),
    36: ("bad_input/test_files.py", "test_a_file_of_another_kind_is_told_what_it_is_and_where_it_belongs"),
    37: ("diffusion/test_sampling.py", "test_a_broken_checkpoint_is_named"),
    38: ("server/test_socket.py", "test_unknown_version_is_refused_with_the_known_ones"),
    39: ("daemon/test_handshakes.py", "test_every_route_lets_in_whom_its_kind_says_and_nobody_else"),
    40: ("server/test_transport.py", "test_oversized_message_is_refused_before_memory_is_taken"),
    41: ("server/test_transport.py", "test_broken_frames_close_with_the_standard_code"),
    42: ("protocol/test_envelope.py", "test_unknown_type_is_named"),
    43: ("jobs/test_service.py", "test_jobs_of_others_do_not_exist"),
    # Pictures travel in the message itself, so that no blob can be another; what we keep can be damaged.
    44: ("jobs/test_blobs.py", "test_a_damaged_file_gives_nothing"),
    45: ("jobs/test_queue.py", "test_a_session_has_only_so_many_jobs_waiting"),
}


def problem_of(source: str) -> Problem:
    """Return the first fault that a workflow is refused for."""
    with pytest.raises(BridgeError) as caught:
        judge(source)
    return caught.value.problems[0]


def judge(source: str) -> None:
    """Read a workflow, and say whether it can run."""
    found = validate(parse_workflow(source), DEFINITIONS, lambda folder: ["a.safetensors"])
    found.raise_if_nothing_runs()


@pytest.mark.parametrize("number", WORKFLOWS)
def test_a_bad_workflow_is_refused_in_words_that_help(number: int) -> None:
    source, code, words = WORKFLOWS[number]
    problem = problem_of(source)
    assert problem.code == code, problem
    assert words in f"{problem.message} {problem.hint}", problem
    assert len(str(problem)) < 1000
    str(problem).encode()


def test_the_sound_workflow_is_sound() -> None:
    judge(graph())


@pytest.mark.parametrize("number", ELSEWHERE)
def test_each_of_the_others_has_its_test(number: int) -> None:
    file, name = ELSEWHERE[number]
    assert name in names_in(file), f"{number}: there is no {name} in {file}"


def test_all_of_them_are_here() -> None:
    assert sorted(WORKFLOWS.keys() | ELSEWHERE.keys()) == list(range(1, 46))
    assert not WORKFLOWS.keys() & ELSEWHERE.keys()


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
