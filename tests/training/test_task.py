import math

import pytest

from training.task import Plan

PLAN = Plan(steps=1000, rate=1.0, warmup=100, decay_share=0.3)


def rate_at(step: int) -> float:
    return PLAN.rate_at(step, PLAN.progress(step, 0))


def test_rate_warms_up_holds_and_falls():
    assert rate_at(0) == 0.01
    assert rate_at(500) == rate_at(690) == 1.0
    assert 0.02 < rate_at(850) < 0.5
    assert rate_at(1000) == 0.02


@pytest.mark.parametrize(
    ("step", "seconds", "progress"), [(0, 0.0, 0.0), (250, 1.0, 0.25), (10, 30.0, 0.5), (10, 90.0, 1.0)]
)
def test_progress_is_that_of_whatever_ends_first(step, seconds, progress):
    assert Plan(steps=1000, rate=1.0, seconds=60.0).progress(step, seconds) == progress


def test_a_plan_without_seconds_ends_by_its_steps_alone():
    assert math.isinf(PLAN.seconds)
    assert PLAN.progress(500, 1e9) == 0.5
