"""What the benchmark of the daemon makes of what it measured."""

import sys

import pytest

from benchmarks import server
from benchmarks.server import Comparison, paired


def test_ratios_are_of_paired_rounds_and_their_bounds_hold_the_median():
    figures = Comparison("any", "ms", [1.0, 20.0, 3.0], [2.0, 40.0, 3.0]).to_json()
    assert (figures["ours"], figures["theirs"], figures["ratio"]) == (3.0, 3.0, 0.5)
    low, high = figures["bounds"]
    assert 0.5 == low <= figures["ratio"] <= high == 1.0


def test_both_are_measured_in_turn_and_who_goes_first_too(capsys):
    calls = []

    def measure(side, value):
        return lambda number: calls.append((number, side)) or value

    comparison = paired("any", "s", measure("ours", 1.0), measure("theirs", 2.0), rounds=2, warm_up=1)
    assert calls == [(0, "theirs"), (0, "ours"), (1, "ours"), (1, "theirs"), (2, "theirs"), (2, "ours")]
    assert (comparison.ours, comparison.theirs) == ([1.0, 1.0], [2.0, 2.0])
    assert "0.500 (0.500 to 0.500), n = 2" in capsys.readouterr().out


def test_without_a_checkout_it_says_that_it_was_skipped(monkeypatch):
    monkeypatch.delenv("FRAMEBRIDGE_COMFYUI", raising=False)
    monkeypatch.setattr(sys, "argv", ["server"])
    with pytest.raises(SystemExit, match="skipped: name a checkout of ComfyUI"):
        server.main()
