"""Single values, and a look at any."""

import pytest
import torch

from bridge.engine import Folders, Job, running
from bridge.nodes.primitive import MAX_SHOWN, preview_any


def nested(inner):
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ([1, "a"], '[1, "a"]'),
        ({"a": 1}, '{"a": 1}'),
        (torch.zeros(1), "tensor([0.])"),
        (nested(1), "a list, nested too deeply to be shown"),
        ([torch.zeros(1), nested(1)], "a list, nested too deeply to be shown"),
        ("a" * 2 * MAX_SHOWN, "a" * MAX_SHOWN),
    ],
)
def test_any_value_is_shown(value, text, tmp_path):
    with running(Job("job", Folders(*[tmp_path] * 4)), "1") as shown:
        preview_any(value)
    assert shown == {"text": [text]}
