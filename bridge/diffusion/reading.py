"""Telling a client how much of a network is read, and what is wrong with its file, in its loader's name.

1. Weights are read where a network is first used, long after its loader ran, and perhaps for a job in
   whose workflow that loader has another id: the cache hands networks on. So a loader is known by its
   class and inputs. Where the workflow has none like it, the running node speaks.
2. Progress counts megabytes of the file. It comes at the start, at the end, and in between at most
   every ``INTERVAL_S``.
3. How a network is loaded for which room is short is told before, once a job.
4. Outside of a job nothing is told.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from bridge.engine import Job, current_job, current_node
from bridge.errors import ModelError

INTERVAL_S = 0.1
MEGABYTE = 1e6

Loader = Mapping[str, Any]
"""A node as the API JSON has it."""


def running_loader() -> Loader | None:
    """Return the running node as its workflow has it; ``None`` where there is none."""
    job = _job()
    return job.workflow.get(current_node()) if job else None


@contextmanager
def reading(loader: Loader | None, total_bytes: int, name: str = "") -> Iterator[Callable[[int], None]]:
    """Tell the client of the current job what is read within the block; what is wrong is the loader's fault.

    Args:
        loader: In whose name; as ``running_loader`` gave it where the network was opened.
        total_bytes: All that will be read.
        name: Of the network, whose announcement is repeated meanwhile.

    Yields:
        What to call with the number of bytes that were read since it was last called.

    Raises:
        ModelError: Of the block, with the loader's id.
    """
    job = _job()
    if job is None:
        yield lambda count: None
        return
    node_id = _find(loader, job.workflow) or current_node()
    done, told_at = 0, time.monotonic()
    announced, sentence = _announced.get()
    detail = sentence if announced == name else ""

    def tell(read_bytes: int) -> None:
        job.progress(read_bytes / MEGABYTE, total_bytes / MEGABYTE, node_id, detail=detail)

    def add(count: int) -> None:
        nonlocal done, told_at
        done += count
        now = time.monotonic()
        if now - told_at >= INTERVAL_S:
            told_at = now
            tell(done)

    tell(0)
    try:
        yield add
    except ModelError as error:
        error.node_id = error.node_id or node_id
        raise
    tell(total_bytes)


def announce(name: str, detail: str) -> None:
    """Tell the client of the current job how a network will be loaded, once a job.

    While it is read that is repeated, as only the latest progress is sure to reach a client.

    Args:
        name: Of the network.
        detail: One sentence.
    """
    job = _job()
    if job and (job.id, name) not in _told:
        _told.append((job.id, name))
        _announced.set((name, detail))
        job.progress(0, 1, detail=detail)


_announced: ContextVar[tuple[str, str]] = ContextVar("announced", default=("", ""))
"""The latest announcement: which network, and the sentence."""

_told: deque[tuple[str, str]] = deque(maxlen=64)
"""The jobs that were told of late, and of which networks."""


def _job() -> Job | None:
    try:
        return current_job()
    except LookupError:
        return None


def _find(loader: Loader | None, workflow: Mapping[str, Any]) -> str | None:
    if loader is None:
        return None
    wanted = loader["class_type"], loader["inputs"]
    return next((id for id, node in workflow.items() if (node["class_type"], node["inputs"]) == wanted), None)
