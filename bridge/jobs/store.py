"""Writing down what becomes of jobs: their rows, and their pictures beside them.

1. A row is ``waiting``, then ``running``, then ``done``, ``failed`` or ``cancelled``, and then for ever.
   Each step is one commit; so a job that is killed at any moment is found as it last was, whole.
2. A frame is kept until its job ends; results from before the row says that it has ended.
3. The history is bounded in jobs, bytes and age: the oldest go, with their results; the newest stays.
   A clock that jumps ahead while the daemon runs makes nothing old.
4. Pictures in the output folder are the user's: nothing here lists, counts or removes them.
5. Nothing but what a job needs is written: no token, no key.
"""

import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.engine import TO_WORKER, Run
from bridge.errors import BridgeError, ProtocolError
from bridge.jobs.blobs import FRAME, RESULTS, Blobs, FileBlobs, MemoryBlobs
from bridge.jobs.database import VERSION, open_database, open_to_checkpoint, open_to_read
from bridge.jobs.history import History, as_given
from bridge.protocol import Finished, Message, decode, encode

DATABASE = "queue.sqlite3"

FORGOTTEN_AT_ONCE = 50
"""Rows that one commit removes."""

DAY_S = 24 * 3600.0

AGED_EVERY_S = 3600.0
"""How often jobs are looked for that are too old."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where queue and history are, and how much of it is kept.

    Args:
        folder: ``None`` for memory: then nothing outlives the process.
        kept_jobs: Jobs that the history remembers.
        kept_bytes: Size of their rows and results.
        kept_days: Their age.
        survives_power_cuts: Whether each step waits for the disk.
    """

    folder: Path | None = None
    kept_jobs: int = 10_000
    kept_bytes: int = 2 * 1024**3
    kept_days: float = 30.0
    survives_power_cuts: bool = False


IN_MEMORY = StoreSettings()


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A job that an earlier process left behind.

    Args:
        seq: The number of its row.
        session: Whose it is.
        number: Its place in the queue.
        run: What to run; without its frame if that ``is_damaged``.
        queued_at: Unix seconds.
        began_at: Unix seconds; 0 if it has not begun.
        attempts: How often it has begun.
        is_begun: Whether it was running.
        is_cancelled: Whether it was told to stop.
        is_damaged: Whether it cannot be run as it was asked for.
    """

    seq: int
    session: str
    number: float
    run: Run
    queued_at: float
    began_at: float
    attempts: int
    is_begun: bool
    is_cancelled: bool
    is_damaged: bool


class JobStore:
    """The jobs of a daemon on its disk.

    Rows are written on one thread, each step in a commit of some microseconds. What may take milliseconds is
    for another thread: ``keep_frame``, ``keep_results``, ``settle`` and ``close``, which come one at a time.

    Args:
        settings: Where, and how much.

    Attributes:
        history: Reads, on any thread.
        warning: What the user must know: that a damaged file was moved aside.
    """

    history: History

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self.warning = ""

    @property
    def survives_power_cuts(self) -> bool:
        """Whether each step has to wait for the disk."""
        return self._settings.survives_power_cuts

    @property
    def is_lasting(self) -> bool:
        """Whether jobs outlive the process."""
        return self._settings.folder is not None

    def open(self) -> None:
        """Open the database, or make it; sweep away the pictures that no row speaks of.

        Raises:
            BridgeError: ``newer_database`` or ``bad_folder``.
        """
        folder, is_synced = self._settings.folder, self._settings.survives_power_cuts
        file = folder / DATABASE if folder else None
        if folder:
            _make(folder)
        self._database, self.warning = open_database(file)
        self._blobs: Blobs = FileBlobs(folder, survives_power_cuts=is_synced) if folder else MemoryBlobs()
        self._checkpoints = open_to_checkpoint(file) if file else None
        self.history = History(open_to_read(file) if file else self._database, self._blobs)
        self._blobs.sweep(self._known_blobs())
        totals = "SELECT count(*), coalesce(sum(bytes), 0) FROM jobs WHERE ending IS NOT NULL"
        [[self._ended, self._bytes]] = self._database.execute(totals)
        self._opened_at, self._opened_time = time.monotonic(), time.time()
        self._aged_at = self._opened_at
        with _writing():
            self._prune()
            self._age()

    def close(self) -> None:
        """Close the database; its ``-wal`` goes into it."""
        self.history.close()
        if self._checkpoints:
            self._checkpoints.close()
        self._database.close()

    def settle(self) -> int:
        """Bring what was written to where it stays: into the database's file, and onto the disk.

        Returns:
            How many pages the ``-wal`` has; it begins anew if nothing was written meanwhile.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        if self._checkpoints is None:
            return 0
        with _writing():
            [[_, pages, _]] = self._checkpoints.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return int(pages)

    def sync(self) -> None:
        """Wait until what was written is on the disk, whatever happens to the machine.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        if self._settings.folder:
            with _writing(), (self._settings.folder / f"{DATABASE}-wal").open("rb+") as log:
                os.fsync(log.fileno())

    def touch(self) -> None:
        """Write something that changes nothing, to learn whether the disk takes it.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        with _writing():
            self._database.execute(f"PRAGMA user_version={VERSION}")

    @property
    def last_seq(self) -> int:
        """The highest number that a row ever had."""
        [[last]] = self._database.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'jobs'")
        return last or 0

    def unfinished(self) -> list[Unfinished]:
        """Return the jobs that have not ended, in the order of their submission."""
        rows = self._database.execute("SELECT * FROM jobs WHERE ending IS NULL ORDER BY seq").fetchall()
        return [self._unfinished(row) for row in rows]

    def keep_frame(self, seq: int, run: Run) -> None:
        """Keep what a job looks at, before it is accepted.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        with _writing():
            self._blobs.keep(seq, FRAME, [Run(run.job, {}, (), frame=run.frame)])

    def drop_frame(self, seq: int) -> None:
        """Remove what a job has looked at, or would have."""
        self._blobs.remove(seq, FRAME)

    def withdraw(self, seq: int) -> None:
        """Remove a job that is not accepted after all, as far as it was written, and its frame.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        self.drop_frame(seq)
        with _writing():
            self._database.execute("DELETE FROM jobs WHERE seq = ?", (seq,))

    def accept(self, seq: int, session: str, number: float, run: Run, queued_at: float) -> int:
        """Write down a job that waits; its frame is kept already. Return the bytes of its workflow.

        Raises:
            LocalProtocolError: If it is larger than a message to the worker may be.
            BridgeError: ``queue_unavailable``.
        """
        text = encode(replace(run, frame=None))
        with _writing():
            self._database.execute(
                "INSERT INTO jobs (seq, id, session, number, state, run, has_frame, queued_at, bytes) "
                "VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?)",
                (seq, run.job, session, number, text, run.frame is not None, queued_at, len(text)),
            )
        return len(text)

    def begin(self, seq: int, began_at: float, attempts: int) -> None:
        """Write down that a job runs.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        with _writing():
            self._database.execute(
                "UPDATE jobs SET state = 'running', began_at = ?, attempts = ? WHERE seq = ?",
                (began_at, attempts, seq),
            )

    def cancel(self, seq: int) -> None:
        """Write down that a job that runs was told to stop.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        with _writing():
            self._database.execute("UPDATE jobs SET is_cancelled = 1 WHERE seq = ?", (seq,))

    def put_back(self, seq: int) -> None:
        """Let a job wait again as if its last beginning had not been.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        with _writing():
            self._database.execute(
                "UPDATE jobs SET state = 'waiting', attempts = attempts - 1 WHERE seq = ?", (seq,)
            )

    def keep_results(self, seq: int, results: Sequence[Message]) -> int:
        """Keep what a job has handed back; return how many bytes that takes.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        with _writing():
            return self._blobs.keep(seq, RESULTS, results) if results else 0

    def end(self, seq: int, finished: Finished, ended_at: float, results: int = 0, size: int = 0) -> None:
        """Write down a job's last word.

        Args:
            seq: Which job.
            finished: Its last word.
            ended_at: Unix seconds.
            results: How many results ``keep_results`` has kept.
            size: Their bytes.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        text = encode(finished)
        with _writing():
            sizes = self._database.execute(
                "UPDATE jobs SET state = ?, finished = ?, ended_at = ?, results = ?, has_frame = 0, "
                "bytes = bytes + ?, ending = 1 + "
                "(SELECT coalesce(max(ending), 0) FROM jobs WHERE ending IS NOT NULL) "
                "WHERE seq = ? AND ending IS NULL RETURNING bytes",
                (finished.state, text, ended_at, results, len(text) + size, seq),
            ).fetchall()
            self._ended += len(sizes)
            self._bytes += sum(size for [size] in sizes)
            self._prune()
            if time.monotonic() - self._aged_at > AGED_EVERY_S:
                self._age()

    def forget(self, job_ids: Collection[str] | None, session_prefix: str = "") -> Iterator[int]:
        """Remove jobs that have ended from the history: those named, or all; and their results.

        Yields:
            How many a step has removed; a step is a few jobs.

        Raises:
            BridgeError: ``queue_unavailable``.
        """
        wanted = None if job_ids is None else frozenset(job_ids)
        rows = self._database.execute("SELECT seq, id, session FROM jobs WHERE ending IS NOT NULL").fetchall()
        chosen = [
            row["seq"]
            for row in rows
            if row["session"].startswith(session_prefix) and (wanted is None or row["id"] in wanted)
        ]
        for start in range(0, len(chosen), FORGOTTEN_AT_ONCE):
            with _writing():
                dropped = self._drop(chosen[start : start + FORGOTTEN_AT_ONCE])
            yield dropped

    def _prune(self) -> None:
        """Drop the oldest jobs while there are too many, or too large ones (rule 3)."""
        count, size = self._ended, self._bytes
        if not self._is_too_much(count, size):
            return
        chosen = []
        for row in self._database.execute(
            "SELECT seq, bytes FROM jobs WHERE ending IS NOT NULL ORDER BY ending"
        ):
            if count == 1 or not self._is_too_much(count, size):
                break
            chosen.append(row["seq"])
            count -= 1
            size -= row["bytes"]
        self._drop(chosen)

    def _is_too_much(self, count: int, size: int) -> bool:
        return count > self._settings.kept_jobs or size > self._settings.kept_bytes

    def _age(self) -> None:
        """Drop what is too old, but the newest; each for itself, as the clock may have jumped (rule 3)."""
        self._aged_at = time.monotonic()
        now = min(time.time(), self._opened_time + self._aged_at - self._opened_at)
        rows = self._database.execute(
            "SELECT seq FROM jobs WHERE ended_at < ? "
            "AND ending < (SELECT max(ending) FROM jobs WHERE ending IS NOT NULL)",
            (now - self._settings.kept_days * DAY_S,),
        ).fetchall()
        self._drop([seq for [seq] in rows])

    def _drop(self, seqs: Sequence[int]) -> int:
        """Remove ended jobs; their results first, as a full disk has no room for what removes rows.

        Returns:
            How many there were.
        """
        if not seqs:
            return 0
        for seq in seqs:
            self._blobs.remove(seq, RESULTS)
        dropped = self._database.execute(
            "DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?)) AND ending IS NOT NULL "
            "RETURNING bytes",
            (json.dumps(seqs),),
        ).fetchall()
        self._ended -= len(dropped)
        self._bytes -= sum(size for [size] in dropped)
        self._database.execute("PRAGMA incremental_vacuum").fetchall()
        return len(dropped)

    def _known_blobs(self) -> frozenset[tuple[int, str]]:
        frames = self._database.execute("SELECT seq FROM jobs WHERE has_frame")
        results = self._database.execute("SELECT seq FROM jobs WHERE results")
        return frozenset([*((seq, FRAME) for [seq] in frames), *((seq, RESULTS) for [seq] in results)])

    def _unfinished(self, row: sqlite3.Row) -> Unfinished:
        run, is_damaged = self._run(row)
        return Unfinished(
            row["seq"],
            row["session"],
            as_given(row["number"]),
            run,
            row["queued_at"],
            row["began_at"],
            row["attempts"],
            row["state"] == "running",
            bool(row["is_cancelled"]),
            is_damaged,
        )

    def _run(self, row: sqlite3.Row) -> tuple[Run, bool]:
        """Return what to run, and whether something of it is lost."""
        try:
            run = decode(row["run"], TO_WORKER)
            frames = self._blobs.load(row["seq"], FRAME, TO_WORKER) if row["has_frame"] else [run]
        except ProtocolError:
            return Run(row["id"], {}, ()), True
        assert isinstance(run, Run)
        match frames:
            case [Run(frame=frame)]:
                return replace(run, frame=frame), False
        return run, True


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise BridgeError(
            f"{folder} cannot be used: {error.strerror or error}",
            code="bad_folder",
            hint="FRAMEBRIDGE_HOME moves everything elsewhere.",
        ) from error


@contextmanager
def _writing() -> Iterator[None]:
    """Tell what the disk or SQLite complains about."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BridgeError(
            f"the queue cannot be written to the disk: {getattr(error, 'strerror', None) or error}",
            code="queue_unavailable",
            hint="Make room on the disk that holds Framebridge's state folder; framebridge doctor names it.",
        ) from error
