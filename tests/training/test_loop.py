import csv
import errno
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.errors import TrainingError
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
    first = Line()
    train(first, FitThree, Plan(steps=50, rate=0.01, warmup=1, workers=1), checkpoint)
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
    assert float(first.weight.detach()) < float(model.weight.detach())


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


class Dies(FitThree):
    """Ends its process in worker 1, at the tenth step."""

    def __init__(self, model: Line, plan: Plan, rank: int) -> None:
        super().__init__(model, plan, rank)
        self.rank, self.steps = rank, 0

    def draw(self, rng: np.random.Generator, progress: float):
        self.steps += 1
        if self.rank == 1 and self.steps == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().draw(rng, progress)


def test_a_dead_worker_ends_the_training_and_the_others_save(tmp_path):
    plan = Plan(steps=10**9, rate=0.001, warmup=1, workers=2)
    with pytest.raises(TrainingError, match="status -9"):
        train(Line(), Dies, plan, tmp_path / "line.pt")
    assert (tmp_path / "line.pt").exists()
    assert not is_finished(tmp_path / "line.pt", plan)


def test_signals_do_again_what_they_did_before(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    train(Line(), FitThree, Plan(steps=3, rate=0.1, warmup=1, workers=1), tmp_path / "line.pt")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_rows_after_the_last_checkpoint_are_cut_from_the_curve(tmp_path):
    checkpoint = tmp_path / "line.pt"
    train(Line(), FitThree, Plan(steps=60, rate=0.01, warmup=1, workers=1), checkpoint)
    with checkpoint.with_suffix(".csv").open("a") as file:
        file.write("100,9,9,0.5\n")
    train(Line(), FitThree, Plan(steps=70, rate=0.01, warmup=1, workers=1), checkpoint)
    with checkpoint.with_suffix(".csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["50", "60", "70"]


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
    with pytest.raises(OSError, match=r"(?i)no space left") as caught:
        train(Line(), FitThree, Plan(steps=3, rate=0.1, warmup=1, workers=workers), checkpoint)
    assert caught.value.errno == errno.ENOSPC
