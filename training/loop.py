"""The training loop: shared-memory workers on CPU, one process on CUDA, resumable.

1. On CPU each worker is a process with one thread and its own optimizer; the parameters are shared and
   updated without locks (Hogwild, Niu et al. 2011). Two threads in one process would wait for each other
   at every barrier as soon as anything else runs on the machine.
2. Worker 0 keeps the moving average, the curve and the checkpoint; only it writes files.
3. A checkpoint is written every minute and at the end, to a temporary name first. A new run continues
   from it; the other workers start with worker 0's optimizer state.
4. SIGTERM or Ctrl-C end a run early: worker 0 saves, all workers leave at the next step. So do they when
   the process that started them is gone.
"""

import csv
import errno
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from training.errors import TrainingError

CHECKPOINT_EVERY_S = 60.0
LOG_EVERY = 50


class Task(Protocol):
    """What is trained: parameters, and a loss on a random batch."""

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of a new batch and named numbers for the curve; ``progress`` runs 0..1."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train. Steps are worker 0's."""

    steps: int
    rate: float
    warmup: int = 100
    decay_share: float = 0.3
    average: float = 0.998
    weight_decay: float = 1e-4
    workers: int = 2
    device: str = "cpu"
    batch: int = 8
    crop: int = 0
    """Side, latent cells, of the windows that a denoiser is trained on; 0 takes whole samples."""

    def rate_at(self, step: int) -> float:
        """Warm up, hold, then fall with a square root to 2 %: more steps can be appended later."""
        fall = (step / self.steps - (1 - self.decay_share)) / self.decay_share
        return (
            self.rate
            * min(1.0, (step + 1) / self.warmup)
            * max(0.02, 1 - max(0.0, fall) ** 0.5 if fall > 0 else 1.0)
        )


def train(
    model: nn.Module, make_task: Callable[[nn.Module, Plan, int], Task], plan: Plan, checkpoint: Path
) -> None:
    """Train ``model`` in place until the plan's steps are done; at the end it holds the average.

    Args:
        model: Whatever is trained, as one module.
        make_task: Called in every worker with the model, the plan and the worker's number; must be
            picklable.
        plan: Steps and rates.
        checkpoint: File to resume from and to save to; the curve lies beside it as ``.csv``.
    """
    if plan.device == "cuda":
        _work(0, model, make_task, plan, checkpoint, None)
    else:
        model.share_memory()
        context = torch.multiprocessing.get_context("spawn")
        stop = context.Event()
        arguments = (model, make_task, plan, checkpoint, stop)
        workers = [context.Process(target=_work, args=(k, *arguments)) for k in range(plan.workers)]
        for worker in workers:
            worker.start()
        # The workers hear of Ctrl-C and SIGTERM through this process alone, or by being orphaned.
        _on_end_signals(stop.set)
        for worker in workers:
            worker.join()
        _check([worker.exitcode for worker in workers], checkpoint)
    load_average(model, checkpoint)


def _check(statuses: list[int | None], checkpoint: Path) -> None:
    if errno.ENOSPC in statuses:
        raise OSError(errno.ENOSPC, "no space left for the checkpoint", str(checkpoint))
    failed = [status for status in statuses if status]
    if failed:
        raise TrainingError(
            f"a training worker ended with status {failed[0]}; its last words are above",
            f"Start again: it resumes from {checkpoint}, if that exists.",
        )


def load_average(model: nn.Module, checkpoint: Path) -> None:
    """Fill a model with a checkpoint's averaged weights."""
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])


def is_finished(checkpoint: Path, plan: Plan) -> bool:
    """Tell whether a checkpoint has all the plan's steps."""
    return (
        checkpoint.exists()
        and int(torch.load(checkpoint, map_location="cpu", weights_only=True)["step"]) >= plan.steps
    )


def _work(rank: int, model: nn.Module, make_task: Any, plan: Plan, checkpoint: Path, stop: Any) -> None:
    on_cpu = plan.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    parent = os.getppid()
    _on_end_signals(lambda: None if stop is not None else _ENDED.append(True))
    run = _Run(model, plan, checkpoint, rank)
    task = make_task(model, plan, rank)
    rng = np.random.default_rng((rank, run.step, 20))
    torch.manual_seed(1000 * run.step + rank)
    while run.step < plan.steps and not _is_ended(stop, parent):
        with _disk_errors(stop):
            run.take_step(*task.loss(rng, run.step / plan.steps))
    if rank == 0:
        if stop is not None:
            stop.set()
        with _disk_errors(stop):
            run.save()


@contextmanager
def _disk_errors(stop: Any) -> Iterator[None]:
    """Let a worker process that meets a full disk say so by its exit status, and end the others."""
    try:
        yield
    except OSError as error:
        if stop is None or error.errno != errno.ENOSPC:
            raise
        stop.set()
        sys.exit(errno.ENOSPC)


class _Run:
    """One worker's optimizer; in worker 0 also the average, the curve and the checkpoint."""

    def __init__(self, model: nn.Module, plan: Plan, checkpoint: Path, rank: int) -> None:
        self.plan, self.rank, self.checkpoint = plan, rank, checkpoint
        self.model = model
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
        self._logged: list[dict[str, float]] = []
        self._tick = self._saved = time.monotonic()

    def take_step(self, loss: torch.Tensor, numbers: dict[str, float]) -> None:
        """Apply one gradient; worker 0 also averages, logs and saves."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        if self.rank:
            return
        self._follow()
        self._logged.append({"loss": float(loss.detach()), **numbers})
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
        means = {name: float(np.mean([row[name] for row in self._logged if name in row])) for name in names}
        self._logged.clear()
        row = {"step": self.step, "wall_s": round(self.seconds), "cpu_s": round(time.process_time()), **means}
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
        curve = self.checkpoint.with_suffix(".csv")
        header = curve.read_text("utf-8").splitlines()[0].split(",") if curve.exists() else list(row)
        with curve.open("a", newline="") as file:
            writer = csv.DictWriter(file, header, extrasaction="ignore")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})

    def save(self) -> None:
        """Write the checkpoint so that a killed process leaves the old one or the new one."""
        self._saved = time.monotonic()
        part = self.checkpoint.with_suffix(".part")
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        # torch.save to a path hides a full disk behind a RuntimeError.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        part.write_bytes(buffer.getbuffer())
        os.replace(part, self.checkpoint)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.plan.device, weights_only=True)
        self.step, self.seconds = state["step"], state["seconds"]
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["fused"] = True
        # The fused kernel walks memory: moments must be laid out as their parameters are.
        for parameter, moments in self.optimizer.state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                moments[name] = torch.empty_like(parameter.detach()).copy_(moments[name])
        if self.rank == 0:
            self.model.load_state_dict(state["model"])


_ENDED: list[bool] = []


def _is_ended(stop: Any, parent: int) -> bool:
    if stop is None:
        return bool(_ENDED)
    return bool(stop.is_set()) or os.getppid() != parent


def _on_end_signals(act: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: act() and None)
