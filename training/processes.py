"""Work divided among processes."""

import itertools
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from training.errors import TrainingError

Result = TypeVar("Result")


def divided(work: Callable[..., Result], count: int, workers: int, *arguments: object) -> list[Result]:
    """Call ``work(*arguments, range)`` for ranges that cover 0..count, one a worker; results in order.

    One worker works in this process, and so needs no second start of Python.

    Raises:
        TrainingError: A worker was killed.
    """
    if workers == 1:
        return [work(*arguments, range(count))]
    # One of many workers needs no threads of its own; this process has its numpy already.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    bounds = [count * k // workers for k in range(workers + 1)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, torch.set_num_threads, (1,)) as pool:
        futures = [pool.submit(work, *arguments, range(*pair)) for pair in itertools.pairwise(bounds)]
        try:
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process that prepared samples was killed, perhaps for want of memory",
                "Start again with fewer --workers: it goes on where it was.",
            ) from error
