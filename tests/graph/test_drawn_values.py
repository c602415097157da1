"""Values of drawn nodes find their widgets."""

import pytest

from bridge.graph.definition import InputDefinition
from bridge.graph.drawn_values import pair

SEED, STEPS = InputDefinition("seed", "INT"), InputDefinition("steps", "INT")
CHOICE = InputDefinition("name", "COMBO", options={"control_after_generate": True})
FILE = InputDefinition("image", "COMBO", options={"image_upload": True})


@pytest.mark.parametrize(
    ("widgets", "values", "paired", "rest"),
    [
        ([SEED, STEPS], [7, "randomize", 20], [7, 20], []),
        ([SEED, STEPS], [7], [7], []),
        ([STEPS], [7, 8], [7], [8]),
        ([CHOICE, STEPS], ["a", "fixed", "filter", 20], ["a", 20], []),
        ([CHOICE, STEPS], ["a", "fixed", 20], ["a", 20], []),
        ([FILE, STEPS], ["a.png", "image", 20], ["a.png", 20], []),
        ([FILE, STEPS], ["a.png", 20, "image"], ["a.png", 20], ["image"]),
        ([FILE], ["a.png", "image"], ["a.png"], []),
    ],
)
def test_what_the_editor_adds_is_passed_over(widgets, values, paired, rest):
    pairs, left = pair(widgets, values)
    assert ([value for _, value in pairs], left) == (paired, rest)
    assert [entry for entry, _ in pairs] == widgets[: len(paired)]
