"""Work divided among processes."""

import itertools
import multiprocessing
import os
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def divided(work: Callable[..., Result], count: int, workers: int, *arguments: object) -> list[Result]:
    """Call ``work(*arguments, range)`` for ranges that cover 0..count, one a worker; results in order.

    One worker works in this process, and so needs no second start of Python.
    """
    if workers == 1:
        return [work(*arguments, range(count))]
    # One of many workers needs no threads of its own; this process has its numpy already.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    bounds = [count * k // workers for k in range(workers + 1)]
    jobs = [(*arguments, range(*pair)) for pair in itertools.pairwise(bounds)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return pool.starmap(work, jobs)
