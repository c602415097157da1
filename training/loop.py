"""The training loop: shared-memory workers on CPU, one process and CUDA graphs on a GPU, resumable.

1. On CPU each of several workers is a process with one thread and its own optimizer; the parameters are
   shared and updated without locks (Hogwild, Niu et al. 2011). Two threads in one process would wait for
   each other at every barrier as soon as anything else runs on the machine.
2. Worker 0 keeps the moving average, the curve and the checkpoint; only it writes files.
3. A checkpoint is written every minute and at the end, to a temporary name first. A new run continues
   from it; the other workers start with worker 0's optimizer state.
4. SIGTERM or Ctrl-C end a run early: worker 0 saves, all workers leave at the next step. So do they when
   one of them fails, or when the process that started them is gone.
"""

import csv
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from training.cuda_step import CudaStep
from training.errors import TrainingError
from training.files import save_state, write_whole
from training.task import Inputs, MakeTask, Plan

CHECKPOINT_EVERY_S = 60.0
LOG_EVERY = 50
END_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop(Protocol):
    """An event of threads or of processes: training is to end."""

    def set(self) -> None:
        """End it."""

    def is_set(self) -> bool:
        """Tell whether it is to end."""


def train(model: nn.Module, make_task: MakeTask, plan: Plan, checkpoint: Path) -> None:
    """Train ``model`` in place until the plan is fulfilled; at the end it holds the average.

    Args:
        model: Whatever is trained, as one module, float32, on the plan's device.
        make_task: Makes what is trained.
        plan: Steps, seconds and rates.
        checkpoint: File to resume from and to save to; the curve lies beside it as ``.csv``.

    Raises:
        TrainingError: A worker process failed.
        OSError: The disk is full.
    """
    if plan.device == "cuda" or plan.workers == 1:
        stop = threading.Event()
        with _ended_by_signals(stop):
            _work(0, model, make_task, plan, checkpoint, stop)
    else:
        _train_in_processes(model, make_task, plan, checkpoint)
    load_average(model, checkpoint)


def _train_in_processes(model: nn.Module, make_task: MakeTask, plan: Plan, checkpoint: Path) -> None:
    model.share_memory()
    context = torch.multiprocessing.get_context("spawn")
    stop = context.Event()
    arguments = (model, make_task, plan, checkpoint, stop)
    workers = [context.Process(target=_process, args=(k, *arguments)) for k in range(plan.workers)]
    with _ended_by_signals(stop):
        for worker in workers:
            worker.start()
        running = {worker.sentinel: worker for worker in workers}
        while running:
            for sentinel in connection.wait(list(running)):
                worker = running.pop(sentinel)
                worker.join()
                if worker.exitcode:
                    stop.set()
    statuses = [worker.exitcode for worker in workers]
    if errno.ENOSPC in statuses:
        raise OSError(errno.ENOSPC, "no space left for the checkpoint", str(checkpoint))
    failed = [status for status in statuses if status]
    if failed:
        raise TrainingError(
            f"a training worker ended with status {failed[0]}; its last words, if any, are above",
            f"Start again: it resumes from {checkpoint}, if that exists.",
        )


def load_average(model: nn.Module, checkpoint: Path) -> None:
    """Fill a model with a checkpoint's averaged weights."""
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])


def is_finished(checkpoint: Path, plan: Plan) -> bool:
    """Tell whether a checkpoint fulfils the plan."""
    if not checkpoint.exists():
        return False
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return plan.progress(state["step"], state["seconds"]) >= 1


def mixed_precision(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where a task runs on the float32 weights themselves: on CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cpu")


def _process(
    rank: int, model: nn.Module, make_task: MakeTask, plan: Plan, checkpoint: Path, stop: Stop
) -> None:
    """Be a worker process: hear of the end from ``stop`` alone, and say by the status if the disk is full."""
    for number in END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    try:
        _work(rank, model, make_task, plan, checkpoint, stop)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(errno.ENOSPC)


def _work(rank: int, model: nn.Module, make_task: MakeTask, plan: Plan, checkpoint: Path, stop: Stop) -> None:
    on_cpu = plan.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    parent = os.getppid()
    run = _Run(model, plan, checkpoint, rank)
    rng = np.random.default_rng((rank, run.step, 20))
    torch.manual_seed(1000 * run.step + rank)
    step = _CpuStep(model, make_task, plan, rank) if on_cpu else CudaStep(model, make_task, plan)
    while run.progress < 1 and not stop.is_set() and os.getppid() == parent:
        run.apply(*step.compute(step.task.draw(rng, run.progress)))
        step.refresh()
    if rank == 0:
        stop.set()
        run.save()


@contextmanager
def _ended_by_signals(stop: Stop) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end a training at its next step, while the block runs."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in END_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _CpuStep:
    """Forward and backward of a task on the float32 weights themselves."""

    def __init__(self, model: nn.Module, make_task: MakeTask, plan: Plan, rank: int) -> None:
        self.task = make_task(model, plan, rank)
        self._model = model

    def compute(self, inputs: Inputs) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Leave the gradients of a batch in the weights; return loss and numbers."""
        self._model.zero_grad(set_to_none=True)
        loss, numbers = self.task.loss(inputs)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), numbers

    def refresh(self) -> None:
        """Nothing: there is no copy."""


class _Run:
    """One worker's optimizer; in worker 0 also the average, the curve and the checkpoint."""

    def __init__(self, model: nn.Module, plan: Plan, checkpoint: Path, rank: int) -> None:
        self.plan, self.rank, self.checkpoint = plan, rank, checkpoint
        self.model = model
        self._curve = checkpoint.with_suffix(".csv")
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        groups = [
            {
                "params": [p for p in self.parameters if id(p) not in tables],
                "weight_decay": plan.weight_decay,
            },
            {"params": [p for p in self.parameters if id(p) in tables], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            [g for g in groups if g["params"]], plan.rate, betas=(0.9, 0.98), fused=True
        )
        self.step, self.seconds = 0, 0.0
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if checkpoint.exists():
            self._resume()
        floating = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
        self._sources = list(floating.values())
        self._averages = [self.average[name] for name in floating]
        self._logged: list[dict[str, torch.Tensor]] = []
        self._tick = self._saved = time.monotonic()

    @property
    def progress(self) -> float:
        """How much of the plan is done, 0..1."""
        return self.plan.progress(self.step, self.seconds + time.monotonic() - self._tick)

    def apply(self, loss: torch.Tensor, numbers: dict[str, torch.Tensor]) -> None:
        """Apply the weights' gradients; worker 0 also averages, logs and saves."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.step, self.progress)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        if self.rank:
            return
        self._follow()
        self._logged.append({"loss": loss, **numbers})
        if self.step % LOG_EVERY == 0:
            self._log()
        if time.monotonic() - self._saved > CHECKPOINT_EVERY_S:
            self.save()

    @torch.no_grad()
    def _follow(self) -> None:
        weight = 1 - min(self.plan.average, self.step / (self.step + 20))
        torch._foreach_lerp_(self._averages, self._sources, weight)

    def _log(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._tick
        self._tick = now
        names = sorted({name for row in self._logged for name in row})
        means = {
            name: float(torch.stack([row[name] for row in self._logged if name in row]).nanmean())
            for name in names
        }
        self._logged.clear()
        row = {"step": self.step, "wall_s": round(self.seconds), "cpu_s": round(time.process_time()), **means}
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
        header = (
            self._curve.read_text("utf-8").splitlines()[0].split(",") if self._curve.exists() else list(row)
        )
        with self._curve.open("a", newline="") as file:
            writer = csv.DictWriter(file, header, extrasaction="ignore")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})

    def save(self) -> None:
        """Log what is not logged yet, and write the checkpoint."""
        if self._logged:
            self._log()
        self._saved = time.monotonic()
        state = {
            "step": self.step,
            "seconds": self.seconds + self._saved - self._tick,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        save_state(state, self.checkpoint)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.plan.device, weights_only=True)
        self.step, self.seconds = state["step"], state["seconds"]
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        # The fused kernel walks memory: moments must be laid out as their parameters are.
        for parameter, moments in self.optimizer.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                moments[name] = torch.empty_like(parameter.detach()).copy_(moments[name])
        if self.rank == 0:
            self.model.load_state_dict(state["model"])
            self._forget_rows_after(self.step)

    def _forget_rows_after(self, step: int) -> None:
        """Cut from the curve what a killed run logged after its last checkpoint."""
        if self._curve.exists():
            header, *rows = self._curve.read_text("utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.split(",")[0]) <= step]
            write_whole(self._curve, "".join([header, *kept]).encode())
