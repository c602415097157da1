import csv
import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.loop import is_finished, load_average, train
from training.task import Plan


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class FitThree:
    """Pull a weight towards 3."""

    def __init__(self, model: Line, plan: Plan, rank: int) -> None:
        self.model = model

    def draw(self, rng: np.random.Generator, progress: float):
        return {"goal": torch.full((1,), 3.0)}

    def loss(self, inputs):
        error = (self.model.weight - inputs["goal"]).square().sum()
        return error, {"error": error.detach(), "never": error.detach() * torch.nan}


class FitThreeOnCuda(FitThree):
    def draw(self, rng: np.random.Generator, progress: float):
        return {"goal": torch.full((1,), 3.0, device="cuda")}


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


def test_training_ends_when_its_seconds_are_over(tmp_path):
    plan = Plan(steps=10**9, rate=0.01, warmup=1, workers=1, seconds=1.0)
    train(Line(), FitThree, plan, tmp_path / "line.pt")
    assert is_finished(tmp_path / "line.pt", plan)
    assert not is_finished(tmp_path / "line.pt", replace(plan, seconds=60.0))


def test_a_number_that_is_never_known_leaves_the_others_alone(tmp_path):
    train(Line(), FitThree, Plan(steps=50, rate=0.01, warmup=1, workers=1), tmp_path / "line.pt")
    with (tmp_path / "line.csv").open() as file:
        row = next(csv.DictReader(file))
    assert float(row["error"]) > 0
    assert row["never"] == "nan"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_graphs_reach_the_same_end(tmp_path):
    model = Line().cuda()
    plan = Plan(steps=200, rate=0.1, warmup=1, average=0.9, device="cuda")
    train(model, FitThreeOnCuda, plan, tmp_path / "line.pt")
    assert abs(float(model.weight.detach()) - 3) < 0.5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_told_apart_from_other_failures(tmp_path, workers):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    checkpoint = tmp_path / "line.pt"
    checkpoint.with_suffix(".part").symlink_to(full)
    with pytest.raises(OSError, match="(?i)no space left") as caught:
        train(Line(), FitThree, Plan(steps=3, rate=0.1, warmup=1, workers=workers), checkpoint)
    assert caught.value.errno == errno.ENOSPC
