"""The SQLite file that queue and history live in.

1. It is in WAL mode with ``synchronous=NORMAL``: a commit is an append to a file that nobody waits for
   (20 to 50 µs), readers never wait for the writer, and whoever is killed leaves nothing half done. What
   takes long, bringing the ``-wal`` into the file, is for another connection on another thread.
2. Its version is in ``user_version``. An older file is brought up to date, step by step, in one transaction.
3. The file of a newer Framebridge is refused, and left as it is byte for byte.
4. A damaged file is moved aside, and a new one begun.
5. Only its user may read it: prompts lie in it. What is removed from it is overwritten.
"""

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bridge.errors import BridgeError

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        session TEXT NOT NULL,
        number REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
        run TEXT NOT NULL,
        has_frame INTEGER NOT NULL,
        queued_at REAL NOT NULL,
        began_at REAL NOT NULL DEFAULT 0,
        ended_at REAL NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        ending INTEGER,
        finished TEXT NOT NULL DEFAULT '{}',
        results INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL,
        CHECK ((ending IS NULL) = (state IN ('waiting', 'running')))
    ) STRICT;
    CREATE INDEX jobs_by_ending ON jobs (ending, session) WHERE ending IS NOT NULL;
    CREATE INDEX unfinished_jobs ON jobs (seq) WHERE ending IS NULL;
    CREATE INDEX jobs_by_session ON jobs (session);
    """,
    """
    ALTER TABLE jobs ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0;
    """,
)
"""What makes a file of version n one of version n + 1."""

VERSION = len(MIGRATIONS)

KEPT_LOG_BYTES = 4 * 1024**2
"""What a ``-wal`` that begins anew keeps of its size."""

BUSY_TIMEOUT_S = 5.0

_VERSION_OFFSET = 60
"""Where SQLite keeps ``user_version`` in a file, big-endian in four bytes."""


def open_database(file: Path | None) -> tuple[sqlite3.Connection, str]:
    """Open the file for writing; make it if there is none.

    Args:
        file: In a folder that exists; ``None`` for memory.

    Returns:
        The connection, for one thread at a time, and what its user must know of (rule 4), or "".

    Raises:
        BridgeError: ``newer_database`` or ``bad_folder``.
    """
    if file is None:
        connection = _connect(":memory:")
        _migrate(connection)
        return connection, ""
    _refuse_newer(file)
    try:
        return _opened(file), ""
    except sqlite3.OperationalError as error:
        raise _unusable(file, error) from error
    except sqlite3.DatabaseError as error:
        aside = _move_aside(file)
        warning = f"the queue's file was damaged ({error}); it is kept as {aside}, and a new one was begun"
        log.error("%s", warning)
        return _opened(file), warning


def open_to_read(file: Path) -> sqlite3.Connection:
    """Open a second connection to a file that ``open_database`` has opened."""
    return _connect(f"{file.absolute().as_uri()}?mode=ro")


def open_to_checkpoint(file: Path) -> sqlite3.Connection:
    """Open another connection to such a file, which brings the ``-wal`` into it (rule 1)."""
    return _connect(file.absolute().as_uri())


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=True
    )
    connection.row_factory = sqlite3.Row
    return connection


def _opened(file: Path) -> sqlite3.Connection:
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite gives -wal and -shm the same mode
    connection = _connect(file.absolute().as_uri())
    try:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # counts for a new file only
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute(f"PRAGMA journal_size_limit={KEPT_LOG_BYTES}")
        [[verdict]] = connection.execute("PRAGMA quick_check(1)")
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    script = "".join(MIGRATIONS[version:])
    if script:
        connection.executescript(f"BEGIN; {script} PRAGMA user_version={len(MIGRATIONS)}; COMMIT;")


def _version(connection: sqlite3.Connection) -> int:
    [[version]] = connection.execute("PRAGMA user_version")
    return int(version)


def _refuse_newer(file: Path) -> None:
    """Look at the version without touching the file (rule 3).

    Whoever wrote it may have been killed: then the version lies in the ``-wal`` beside it, which only SQLite
    reads, and a connection that may not write leaves alone.
    """
    try:
        with file.open("rb") as head:
            version = int.from_bytes(head.read(_VERSION_OFFSET + 4)[_VERSION_OFFSET:])
        if version <= len(MIGRATIONS) and file.with_name(f"{file.name}-wal").exists():
            with closing(open_to_read(file)) as connection:
                version = _version(connection)
    except (FileNotFoundError, sqlite3.DatabaseError):
        return
    except OSError as error:
        raise _unusable(file, error) from error
    if version > len(MIGRATIONS) and _is_database(file):
        raise BridgeError(
            f"{file} was written by a newer Framebridge (its form is {version}, this one knows {VERSION})",
            code="newer_database",
            hint="Start the newer one, or move that file away to begin an empty queue.",
        )


def _is_database(file: Path) -> bool:
    with file.open("rb") as head:
        return head.read(16) == b"SQLite format 3\0"


def _move_aside(file: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = file.with_name(f"{file.name}.corrupt-{stamp}")
    for ending in ("", "-wal", "-shm"):
        part = file.with_name(file.name + ending)
        if part.exists():
            part.replace(aside.with_name(aside.name + ending))
    return aside


def _unusable(file: Path, error: Exception) -> BridgeError:
    return BridgeError(
        f"{file} cannot be used: {error}",
        code="bad_folder",
        hint="The disk may be full, or the folder not yours. FRAMEBRIDGE_HOME moves everything elsewhere.",
    )
