"""Jobs of the running daemon, whoever's they are: listed, cancelled and forgotten."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table

from bridge.cli.service import ask, running_daemon
from bridge.errors import BridgeError, InputError

SHOWN_LETTERS = 12
"""Of a job's id, in a table."""

Job = Mapping[str, Any]


def list_queue(as_json: bool) -> None:
    """Print the jobs that run or wait.

    Raises:
        BridgeError: ``no_daemon``.
    """
    jobs = _queue()
    rows = [(job["state"], _ago(job["queued_at"]), job["title"]) for job in jobs]
    _print(jobs, ("state", "since", "what"), rows, as_json, "nothing runs or waits")


def list_history(limit: int, as_json: bool) -> None:
    """Print the jobs that have ended, newest first.

    Raises:
        BridgeError: ``no_daemon``.
    """
    jobs = list(islice(_history(), limit))
    rows = [
        (job["state"], _ago(job["ended_at"]), f"{job['seconds']:.1f} s", job["problem"] or job["title"])
        for job in jobs
    ]
    _print(jobs, ("state", "ended", "took", "what"), rows, as_json, "nothing has ended yet")


def cancel(names: Sequence[str], everything: bool) -> None:
    """Cancel jobs that run or wait.

    Raises:
        InputError: ``bad_usage``.
        BridgeError: ``no_daemon``, ``job_not_found``.
    """
    _check(names, everything)
    runtime, jobs = running_daemon(), _queue()
    for job in jobs if everything else [_named(name, jobs) for name in names]:
        answer = ask(runtime, "POST", f"/framebridge/cancel/{job['id']}")
        print(f"{job['id']} {'is cancelled' if answer['cancelled'] else 'has ended already'}")


def forget(names: Sequence[str], everything: bool) -> None:
    """Forget jobs that have ended.

    Raises:
        InputError: ``bad_usage``.
        BridgeError: ``no_daemon``, ``job_not_found``.
    """
    _check(names, everything)
    runtime = running_daemon()
    if everything:
        print(f"{ask(runtime, 'POST', '/framebridge/forget')['forgotten']} jobs are forgotten")
        return
    jobs = list(_history())
    for job in [_named(name, jobs) for name in names]:
        ask(runtime, "POST", f"/framebridge/forget/{job['id']}")
        print(f"{job['id']} is forgotten")


def _queue() -> list[Job]:
    jobs: list[Job] = ask(running_daemon(), "GET", "/framebridge/now")["jobs"]
    return jobs


def _history() -> Iterator[Job]:
    """Give the jobs that have ended, newest first, page by page."""
    runtime, offset = running_daemon(), 0
    while page := ask(runtime, "GET", f"/framebridge/history?offset={offset}")["jobs"]:
        yield from page
        offset += len(page)


def _named(name: str, jobs: Sequence[Job]) -> Job:
    """Return the job that a user means.

    Raises:
        BridgeError: ``job_not_found``.
    """
    found = [job for job in jobs if job["id"].startswith(name)]
    exact = [job for job in found if job["id"] == name]
    match exact or found:
        case [job]:
            return job
        case []:
            raise BridgeError(
                f'there is no job "{name}"',
                code="job_not_found",
                hint="See: framebridge queue, framebridge history",
            )
    raise BridgeError(
        f'{len(found)} jobs begin with "{name}"', code="job_not_found", hint="Give more letters."
    )


def _check(names: Sequence[str], everything: bool) -> None:
    if bool(names) == everything:
        raise InputError(
            "either name jobs or say --all", code="bad_usage", hint="The lists say what they are called."
        )


def _print(
    jobs: Sequence[Job], heads: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool, otherwise: str
) -> None:
    if as_json:
        print(json.dumps(jobs, indent=2))
        return
    if not jobs:
        print(otherwise)
        return
    table = Table("job", *heads, box=None)
    for job, row in zip(jobs, rows, strict=True):
        table.add_row(job["id"][:SHOWN_LETTERS], *row)
    Console(markup=False, highlight=False).print(table)


def _ago(moment: float) -> str:
    """Say in words how long ago something was, in Unix seconds."""
    seconds = max(time.time() - moment, 0.0)
    for size, unit in ((24 * 3600, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
