"""One daemon a user: whoever holds the lock is it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from bridge.client import read_runtime
from bridge.daemon.settings import bad_folder
from bridge.errors import BridgeError


@contextlib.contextmanager
def being_the_only_one(folder: Path) -> Iterator[None]:
    """Hold the user's lock while the block runs.

    Raises:
        BridgeError: ``already_running``, with where; ``bad_folder``.
    """
    lock = filelock.FileLock(folder / "daemon.lock", timeout=0)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise _already_running() from None
    except OSError as error:
        raise bad_folder(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def wait_until_gone(folder: Path, timeout_s: float) -> bool:
    """Wait until no daemon holds the user's lock; return whether that came in time.

    A process id would not do: of a daemon that has ended it stays taken until its starter takes notice.
    """
    try:
        with filelock.FileLock(folder / "daemon.lock", timeout=timeout_s):
            return True
    except filelock.Timeout:
        return False


def _already_running() -> BridgeError:
    where = ""
    with contextlib.suppress(BridgeError):
        runtime = read_runtime()
        where = f": port {runtime.port}, process {runtime.pid}" if runtime else ""
    return BridgeError(
        f"a daemon of yours is running already{where}",
        code="already_running",
        hint="Use that one, or end it with: framebridge stop",
    )
