"""The Blender benchmark: its figures from known times, and that it still runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import blender
from tests.blender.environments import INSTALL_S, Unavailable, ensure_environment

ROOT = Path(__file__).parents[2]
RUN_S = 240


def test_quartiles_are_milliseconds():
    assert blender.quartiles([0.001, 0.002, 0.003, 0.004, 0.005]) == pytest.approx([2.0, 3.0, 4.0])


def test_ratios_compare_rounds_in_pairs_with_and_without_drawing():
    ours = [{"all": all_s, "capture: draw": 0.1} for all_s in (0.2, 0.3, 0.2)]
    theirs = [{"all": all_s, "render": 0.2} for all_s in (0.4, 0.9, 0.6)]
    assert blender.ratios(ours, theirs) == pytest.approx({"all": 3.0, "besides drawing": 3.5})


def test_ticks_over_the_budget_are_counted():
    found = blender.report_ticks("captured", [(0.009, 0.002), (0.001, 0.001), (0.002, 0.001)])
    assert (found["ticks"], found["over_budget"]) == (3, 1)
    assert (found["median"], found["max"]) == pytest.approx((2.0, 9.0))
    assert found["processor_median"] == pytest.approx(1.0)


def test_percentile_lies_near_the_end():
    assert blender.percentile_95(list(range(101))) == pytest.approx(95.0)
    assert blender.percentile_95([3.0]) == 3.0


@pytest.mark.blender
@pytest.mark.timeout(INSTALL_S + RUN_S)
def test_it_measures_every_part_and_both_ways(tmp_path):
    try:
        ensure_environment("5.0")
    except Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no Blender 5.0: {reason}")
        pytest.skip(f"no Blender 5.0: {reason}")
    file = tmp_path / "figures.json"
    few = ["--sizes", "64", "--runs", "2", "--seconds", "1", "--json", file]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.blender", *few],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    parts = figures["parts"]["64"]
    assert set(parts["ours"]) == set(blender.ROWS)
    assert set(parts["theirs"]) == {*blender.PEER_ROWS, "ratios"}
    # Of two rounds the medians are means, whose sum is the mean of the whole.
    whole = sum(parts["ours"][row][1] for row in blender.ROWS[: blender.ROWS.index("all")])
    assert whole == pytest.approx(parts["ours"]["all"][1], rel=1e-6)
    assert all(milliseconds[0] >= 0.0 for milliseconds in parts["ours"].values())
    assert parts["theirs"]["wait"][1] >= 1000 * blender.POLL_S
    for place in ("64²", "64², written into an image, too"):
        assert {"captured", "took in a picture"} <= set(figures[place])
    assert figures["idle"]["connected"]["ticks"] == 2000
