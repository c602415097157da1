import csv
import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.loop import Plan, is_finished, load_average, train


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class FitThree:
    """Pull a weight towards 3."""

    def __init__(self, model: Line, plan: Plan, rank: int) -> None:
        self.model = model

    def loss(self, rng: np.random.Generator, progress: float):
        error = (self.model.weight - 3).square().sum()
        return error, {"error": float(error.detach())}


def test_workers_share_one_model_and_leave_the_average(tmp_path):
    model = Line()
    plan = Plan(steps=120, rate=0.1, warmup=1, workers=2, average=0.9)
    train(model, FitThree, plan, tmp_path / "line.pt")
    assert abs(float(model.weight.detach()) - 3) < 0.5
    assert is_finished(tmp_path / "line.pt", plan)


def test_a_second_run_continues_and_appends_to_the_curve(tmp_path):
    checkpoint = tmp_path / "line.pt"
    train(Line(), FitThree, Plan(steps=50, rate=0.01, warmup=1, workers=1), checkpoint)
    longer = Plan(steps=100, rate=0.01, warmup=1, workers=1)
    assert not is_finished(checkpoint, longer)
    model = Line()
    train(model, FitThree, longer, checkpoint)
    with checkpoint.with_suffix(".csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["50", "100"]
    assert float(model.weight.detach()) > 0.3
    again = Line()
    load_average(again, checkpoint)
    assert torch.equal(again.weight, model.weight)


def test_rate_warms_up_holds_and_falls():
    plan = Plan(steps=1000, rate=1.0, warmup=100, decay_share=0.3)
    assert plan.rate_at(0) == 0.01
    assert plan.rate_at(500) == 1.0
    assert plan.rate_at(690) == 1.0
    assert plan.rate_at(850) < 0.5
    assert plan.rate_at(1000) == 0.02


def test_a_full_disk_is_told_apart_from_other_failures(tmp_path):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    checkpoint = tmp_path / "line.pt"
    checkpoint.with_suffix(".part").symlink_to(full)
    with pytest.raises(OSError, match="no space left") as caught:
        train(Line(), FitThree, Plan(steps=3, rate=0.1, warmup=1, workers=1), checkpoint)
    assert caught.value.errno == errno.ENOSPC
