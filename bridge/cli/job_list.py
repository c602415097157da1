"""Jobs of the running daemon, whoever's they are: listed, cancelled and forgotten."""

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from rich.table import Table

from bridge.cli.console import Console
from bridge.cli.service import ask, running_daemon
from bridge.errors import BridgeError, InputError, shown

SHOWN_LETTERS = 12
"""Of a job's id, in a table."""

LEAST_LETTERS = 4
"""Of a job's id, that may stand for it."""

KEPT = "Queue and history are kept, and are there again once it runs: framebridge serve"
"""What to know where no daemon runs."""

PAGE = 500
"""Jobs of the history that are asked for at once."""

_WHOLE_ID = re.compile("[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""As the daemon and ComfyUI's clients give jobs."""

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
    jobs = list(islice(_history(min(limit, PAGE)), limit))
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
    runtime = running_daemon(KEPT)
    for job in [job["id"] for job in _queue()] if everything else _named(names, _queue):
        answer = ask(runtime, "POST", f"/framebridge/cancel/{quote(job, safe='')}")
        print(f"{shown(job)} {'is cancelled' if answer['cancelled'] else 'has ended already'}")


def forget(names: Sequence[str], everything: bool) -> None:
    """Forget jobs that have ended.

    Raises:
        InputError: ``bad_usage``.
        BridgeError: ``no_daemon``, ``job_not_found``.
    """
    _check(names, everything)
    runtime = running_daemon(KEPT)
    if everything:
        print(f"{ask(runtime, 'POST', '/framebridge/forget')['forgotten']} jobs are forgotten")
        return
    for job in _named(names, _history):
        if not ask(runtime, "POST", f"/framebridge/forget/{quote(job, safe='')}")["forgotten"]:
            raise _unknown(job)
        print(f"{shown(job)} is forgotten")


def _queue() -> list[Job]:
    jobs: list[Job] = ask(running_daemon(KEPT), "GET", "/framebridge/now")["jobs"]
    return jobs


def _history(size: int = PAGE) -> Iterator[Job]:
    """Give the jobs that have ended, newest first, in pages of some size."""
    runtime, path = running_daemon(KEPT), f"/framebridge/history?limit={size}"
    page = ask(runtime, "GET", path)
    yield from page["jobs"]
    while before := page["next"]:
        page = ask(runtime, "GET", f"{path}&before={before}")
        yield from page["jobs"]


def _named(names: Sequence[str], listed: Callable[[], Iterable[Job]]) -> list[str]:
    """Return the ids of the jobs that a user means; jobs are listed only if a name is no whole id.

    Raises:
        InputError: ``bad_usage``.
        BridgeError: ``job_not_found``.
    """
    ids = () if all(map(_WHOLE_ID.fullmatch, names)) else {job["id"] for job in listed()}
    found = (name if _WHOLE_ID.fullmatch(name) else _id_of(name, ids) for name in names)
    return list(dict.fromkeys(found))


def _id_of(name: str, ids: Collection[str]) -> str:
    if name in ids:
        return name
    if len(name) < LEAST_LETTERS:
        raise InputError(
            f'"{name}" is too short to name a job',
            code="bad_usage",
            hint=f"Give its first {LEAST_LETTERS} letters, or more.",
        )
    match [job_id for job_id in ids if job_id.startswith(name)]:
        case [job_id]:
            return job_id
        case []:
            raise _unknown(name)
        case found:
            message = f'{len(found)} jobs begin with "{name}"'
            raise BridgeError(message, code="job_not_found", hint="Give more letters.")


def _unknown(name: str) -> BridgeError:
    hint = "See: framebridge queue, framebridge history"
    return BridgeError(f'there is no job "{name}"', code="job_not_found", hint=hint)


def _check(names: Sequence[str], everything: bool) -> None:
    if bool(names) == everything or not all(name.strip() for name in names):
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
