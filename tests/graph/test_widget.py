import math

import pytest

from bridge.errors import WorkflowError
from bridge.graph import InputDefinition
from bridge.graph.nearest import Suggestions
from bridge.graph.place import Place
from bridge.graph.widget import WidgetReader

PLACE = Place("3", "KSampler", "x")
FOLDERS = {
    "checkpoints": ["a.safetensors"],
    "input": ["example.png"],
    "empty": [],
    "vae": [],
    "xlabs_ipadapters": [],
}


def read(entry, value):
    return WidgetReader(FOLDERS.__getitem__, Suggestions()).read(PLACE, entry, value)


def fault(entry, value):
    with pytest.raises(WorkflowError) as caught:
        read(entry, value)
    (problem,) = caught.value.problems
    assert (problem.node_id, problem.input_name) == ("3", "x")
    return problem


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("INT", 3, 3),
        ("INT", 3.7, 3),
        ("INT", "42", 42),
        ("INT", " -1 ", -1),
        ("INT", True, 1),
        ("INT", 2**64 - 1, 2**64 - 1),
        ("FLOAT", 3, 3.0),
        ("FLOAT", "1e3", 1000.0),
        ("FLOAT", False, 0.0),
        ("STRING", "a", "a"),
        ("STRING", 5, "5"),
        ("STRING", 1.5, "1.5"),
        ("STRING", True, "True"),
        ("BOOLEAN", True, True),
        ("BOOLEAN", 0, False),
        ("BOOLEAN", 2, True),
        ("BOOLEAN", None, False),
        ("BOOLEAN", "true", True),
        ("BOOLEAN", " False ", False),
    ],
)
def test_values_are_converted_to_the_declared_type(kind, value, expected):
    result = read(InputDefinition("x", kind), value)
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("INT", "3.5", "bad_value"),
        ("INT", "", "bad_value"),
        ("INT", None, "bad_value"),
        ("INT", {}, "bad_value"),
        ("INT", "9" * 5000, "bad_value"),
        ("INT", "9" * 4000, "bad_number"),
        ("INT", math.inf, "bad_value"),
        ("FLOAT", "x", "bad_value"),
        ("FLOAT", None, "bad_value"),
        ("FLOAT", 2**2000, "bad_value"),
        ("FLOAT", "nan", "bad_number"),
        ("FLOAT", "-inf", "bad_number"),
        ("STRING", None, "bad_value"),
        ("STRING", {"a": 1}, "bad_value"),
        ("BOOLEAN", "yes", "bad_value"),
        ("BOOLEAN", "", "bad_value"),
        ("STRING", ["a"], "bad_link"),
        ("INT", [], "bad_link"),
        ("COMBO", ["a"], "bad_link"),
    ],
)
def test_values_that_mean_nothing_in_the_declared_type_are_refused(kind, value, code):
    assert fault(InputDefinition("x", kind, choices=("a",)), value).code == code


@pytest.mark.parametrize(
    ("bounds", "value", "message"),
    [
        ({"minimum": 1, "maximum": 8}, 0, "must be 1…8, got 0"),
        ({"minimum": 1, "maximum": 8}, 9, "must be 1…8, got 9"),
        ({"minimum": 1}, 0, "must be at least 1, got 0"),
        ({"maximum": 8}, 9, "must be at most 8, got 9"),
    ],
)
def test_bounds_are_inclusive_and_named(bounds, value, message):
    entry = InputDefinition("x", "INT", **bounds)
    problem = fault(entry, value)
    assert (problem.code, problem.message, problem.hint) == ("out_of_range", f"KSampler.x {message}", "")
    assert [read(entry, bound) for bound in bounds.values()] == list(bounds.values())


def test_value_between_two_steps_is_legal():
    assert read(InputDefinition("x", "INT", minimum=16, maximum=1024, step=8), 513) == 513


@pytest.mark.parametrize(("bounds", "hint"), [({}, ""), ({"minimum": 0.0, "maximum": 1.0}, "0.0…1.0")])
def test_infinite_number_names_the_bounds_where_there_are_some(bounds, hint):
    assert fault(InputDefinition("x", "FLOAT", **bounds), "inf").hint == hint


@pytest.mark.parametrize("value", ["a", "b"])
def test_combo_values_stand_as_they_are(value):
    assert read(InputDefinition("x", "COMBO", choices=("a", "b")), value) == value


def test_combo_whose_choices_are_unknown_takes_anything():
    assert read(InputDefinition("x", "COMBO"), "anything") == "anything"


@pytest.mark.parametrize(
    ("choices", "value", "hint"),
    [
        (("euler", "heun"), "Eulr", 'Did you mean "euler"? Valid: euler, heun.'),
        (("euler", "heun"), 5, "Valid: euler, heun."),
        (("1", "2"), 1, 'Did you mean "1"? Valid: 1, 2.'),
        (tuple("abcdefgh"), "zzz", "Valid: a, b, c, d, e, … (3 more)."),
        ((64, 128), "128", "Valid: 64, 128."),
        (("auto", 4.5, True), "aut", 'Did you mean "auto"? Valid: auto, 4.5, true.'),
        ((), "a", "There is nothing to choose from."),
        (("a",), "x" * 100_000, "Valid: a."),
    ],
)
def test_strange_choice_gets_the_nearest_and_the_first_valid_ones(choices, value, hint):
    problem = fault(InputDefinition("x", "COMBO", choices=choices), value)
    assert (problem.code, problem.hint) == ("not_in_list", hint)
    assert len(problem.message) < 120


@pytest.mark.parametrize(
    ("folder", "value", "code", "hint"),
    [
        (
            "checkpoints",
            "a1.safetensors",
            "model_not_found",
            'Nearest: "a.safetensors". Else put the file in checkpoints/',
        ),
        ("empty", "b", "model_not_found", "Put the file in empty/, or run: framebridge models pull --for"),
        (
            "empty",
            "4x.pth",
            "model_not_found",
            "Make a safetensors file of it: python -m bridge.diffusion.unpickling FILE",
        ),
        (
            "checkpoints",
            5,
            "model_not_found",
            'Available: "a.safetensors". Else put the file in checkpoints/',
        ),
        (
            "checkpoints",
            {},
            "model_not_found",
            'Available: "a.safetensors". Else put the file in checkpoints/',
        ),
        ("input", "exampel.png", "not_in_list", 'Nearest: "example.png". Put the file there, or upload it.'),
        ("input", "zz", "not_in_list", 'Available: "example.png". Put the file there, or upload it.'),
    ],
)
def test_missing_file_says_where_to_put_it(folder, value, code, hint):
    problem = fault(InputDefinition("x", "COMBO", choices_from=folder), value)
    assert problem.code == code
    assert problem.hint.startswith(hint)
    assert f"not in {folder}/" in problem.message


def test_missing_tiny_vae_is_two_files_in_a_folder_of_their_own():
    problem = fault(InputDefinition("x", "COMBO", choices_from="vae"), "taesd3")
    assert problem.code == "model_not_found"
    assert problem.message.endswith('"taesd3", which is not in vae_approx/')
    assert problem.hint == "Put taesd3_encoder.safetensors and taesd3_decoder.safetensors in vae_approx/."


def test_file_that_is_there_is_taken():
    assert read(InputDefinition("x", "COMBO", choices_from="input"), "example.png") == "example.png"


def test_what_lies_elsewhere_than_its_kind_is_called_is_looked_for_there():
    problem = fault(InputDefinition("x", "COMBO", choices_from="xlabs_ipadapters"), "a.safetensors")
    assert "which is not in xlabs/ipadapters/" in problem.message
    assert problem.hint.startswith("Put the file in xlabs/ipadapters/")


def test_what_cannot_begin_a_files_name_is_refused_and_what_only_some_systems_forbid_is_not():
    prefix = InputDefinition("x", "STRING", begins_file=True)
    for value in ("", "shots/%date:hh:mm%_a", "12:30?", "take "):
        assert read(prefix, value) == value
    for value in ("../a", "/a", "C:/a", "a" * 201):
        problem = fault(prefix, value)
        assert problem.code == "bad_path"
        assert problem.hint
