"""Reading what the queue's file says: jobs in any state, by id or by page, on any thread."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from bridge.engine import TO_DAEMON
from bridge.errors import BridgeError, Problem
from bridge.jobs.blobs import RESULTS, Blobs
from bridge.jobs.record import JobRecord
from bridge.protocol import Message, decode

PAGE_CHARACTERS = 64 * 1024**2
"""Of workflows and last words in one page; read and written as JSON they take several times as much."""

_AFTER_EVERY_PREFIX = "\U0010ffff"
_AFTER_EVERY_END = 2**63 - 1

_ENDED = "FROM jobs INDEXED BY jobs_by_ending WHERE ending IS NOT NULL AND session BETWEEN ? AND ?"
"""By itself SQLite goes by the session, reads all of the history, and sorts it."""


class History:
    """The jobs in a database.

    Args:
        connection: Only ever reads.
        blobs: Where their results are.
    """

    def __init__(self, connection: sqlite3.Connection, blobs: Blobs) -> None:
        self._connection = connection
        self._blobs = blobs

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job in any state; ``None`` if it is not known, or forgotten."""
        row = self._connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return _record_of(row) if row else None

    def messages(self, job_id: str) -> list[Message]:
        """Return everything the client of a job that has ended must see: results, then its last word.

        Raises:
            BridgeError: ``results_lost`` if a file is missing or damaged.
        """
        query = "SELECT seq, results, finished FROM jobs WHERE id = ? AND ending IS NOT NULL"
        row = self._connection.execute(query, (job_id,)).fetchone()
        if row is None:
            return []
        results = self._blobs.load(row["seq"], RESULTS, TO_DAEMON) if row["results"] else []
        if len(results) != row["results"]:
            raise BridgeError(
                f'the pictures of job "{job_id[:80]}" are lost: their file is missing or damaged',
                code="results_lost",
                hint="Run it again.",
            )
        return [*results, decode(row["finished"], TO_DAEMON)]

    def page(
        self,
        limit: int,
        offset: int = 0,
        *,
        newest_first: bool = False,
        session_prefix: str = "",
        before: int | None = None,
    ) -> Sequence[JobRecord]:
        """Return some of the jobs that have ended, in the order of their ends.

        Given the ``ending`` of a job, only those count that ended ``before`` it. A page of large jobs is
        shorter than ``limit``, but empty only where there are none.
        """
        query = (
            f"SELECT * {_ENDED} AND ending < ? "
            f"ORDER BY ending {'DESC' if newest_first else 'ASC'} LIMIT ? OFFSET ?"
        )
        rows: list[sqlite3.Row] = []
        characters = 0
        wanted = (*_range(session_prefix), _end(before), limit, offset)
        with closing(self._connection.execute(query, wanted)) as found:
            for row in found:
                characters += len(row["run"]) + len(row["finished"])
                if rows and characters > PAGE_CHARACTERS:
                    break
                rows.append(row)
        return [_record_of(row) for row in rows]

    def newest(self, limit: int, session_prefix: str = "") -> Iterator[JobRecord]:
        """Give the jobs that ended last, newest first; one page of them is in memory at a time."""
        before = None
        while jobs := self.page(limit, newest_first=True, session_prefix=session_prefix, before=before):
            limit, before = limit - len(jobs), jobs[-1].ending
            yield from jobs
            del jobs  # before the next are read

    def size(self, session_prefix: str = "", *, before: int | None = None) -> int:
        """Return how many jobs have ended; ``before`` is as for ``page``."""
        query = f"SELECT count(*) {_ENDED} AND ending < ?"
        [[count]] = self._connection.execute(query, (*_range(session_prefix), _end(before)))
        return int(count)

    def owns_any(self, session: str) -> bool:
        """Return whether a job of this session is known."""
        query = "SELECT EXISTS (SELECT 1 FROM jobs WHERE session = ?)"
        [[known]] = self._connection.execute(query, (session,))
        return bool(known)

    def shown(self) -> Iterator[Mapping[str, Mapping[str, Any]]]:
        """Give what the nodes of each job show that shows previews."""
        query = "SELECT finished FROM jobs WHERE ending IS NOT NULL AND instr(finished, '\"temp\"')"
        for [finished] in self._connection.execute(query):
            yield json.loads(finished).get("outputs", {})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _record_of(row: sqlite3.Row) -> JobRecord:
    """Read a row; what lies in it, we wrote."""
    run, finished = json.loads(row["run"]), json.loads(row["finished"])
    return JobRecord(
        row["id"],
        row["session"],
        as_given(row["number"]),
        run.get("prompt") or run["workflow"],
        run.get("extra", {}),
        tuple(run["outputs"]),
        row["state"],
        row["queued_at"],
        row["began_at"],
        row["ended_at"],
        row["attempts"],
        finished.get("outputs", {}),
        tuple(map(Problem.from_json, finished.get("problems", ()))),
        finished.get("timings", {}),
        row["ending"] or 0,
    )


def as_given(number: float) -> float:
    """Return a whole number as one: SQLite makes all of them fractions, and typed clients want ComfyUI's."""
    return int(number) if number.is_integer() else number


def _range(prefix: str) -> tuple[str, str]:
    return prefix, prefix + _AFTER_EVERY_PREFIX


def _end(before: int | None) -> int:
    return _AFTER_EVERY_END if before is None else before
