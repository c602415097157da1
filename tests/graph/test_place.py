import json

import pytest

from bridge.graph.place import Place, listing, quote


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ('a"\n', '"a\\"\\n"'),
        ("a\ud800", '"a?"'),
        (1.5, "1.5"),
        (None, "null"),
        ([1, "x"], '[1, "x"]'),
        ({"a": {1, 2}}, '{"a": "{1, 2}"}'),
        ("x" * 100, json.dumps("x" * 48 + "…" + "x" * 10, ensure_ascii=False)),
        ([0] * 100, "[" + "0, " * 15 + "0,…, 0, 0, 0]"),
    ],
)
def test_values_are_quoted_short_and_printable(value, text):
    assert quote(value) == text


def test_texts_can_stand_without_marks():
    assert quote("KSampler", marks=False) == "KSampler"


def test_long_lists_say_how_many_more_there_are():
    assert listing([]) == ""
    assert listing(["a", "b"], 2) == "a, b"
    assert listing(["a", "b", "c"], 2) == "a, b, … (1 more)"


def test_problem_carries_its_place():
    problem = Place("3", "KSampler", "steps").problem("bad_value", "is odd", "Try 20.", is_warning=True)
    assert str(problem) == "node 3.steps: KSampler.steps is odd (Try 20.)"
    assert problem.is_warning
    assert Place("3", "KSampler", "steps").error("bad_value", "is odd").code == "bad_value"
