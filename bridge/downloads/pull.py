"""Carrying out a plan: fetch, go on after cuts, check, and only then give the file its name.

1. A file has one pull at a time; a lock says so to every program of this user.
2. A cut is mended by asking for the rest, if it is of the same version (``If-Range``); of another version, or
   where a server sends the whole instead, it begins again. After some tries that brought nothing it ends, and
   what is here stays for the next time.
3. What is refused leaves nothing behind: a file of another size, another header or another checksum.
4. The model's name appears when size, header and checksum are right and all of it is on the disk.
"""

import contextlib
import datetime
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from bridge.client import state_folder
from bridge.downloads.cut import Cut
from bridge.downloads.partial import Partial, cannot_write
from bridge.downloads.plan import FreeBytes, Plan, free_space, raise_if_there, raise_if_too_large
from bridge.downloads.web import Reply, Web
from bridge.errors import BridgeError, Interrupted, ModelError
from bridge.models import RECORD_ENDING, read_header, record_text, remember_digest

READ_BYTES = 256 * 1024
SYNC_BYTES = 32 * 1024 * 1024
LOOK_AT_DISK_BYTES = 64 * 1024 * 1024

WAIT_S = 0.5
"""Between two looks at whether to go on waiting."""

_KEPT_AFTER = ("disk_full", "bad_certificate", "source_forbidden")
"""What the user can mend, and then go on."""


class Paused(Cut):
    """We are to leave; another call goes on where this one was."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is.

    Args:
        state: ``pulling`` or ``checking``.
        done: Bytes that are here.
        total: Of how many.
    """

    state: str
    done: int
    total: int


Watcher = Callable[[Progress], None]
"""Told of progress, often; may raise ``Interrupted`` to stop, which leaves nothing behind."""


class Puller:
    """Carries out plans.

    Args:
        web: Where to fetch.
        free_bytes: What is free on a disk.
        sync_bytes: How much may be lost in a crash.
        sleep: Waits between tries.
    """

    def __init__(
        self,
        web: Web,
        free_bytes: FreeBytes = free_space,
        sync_bytes: int = SYNC_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._web = web
        self._free_bytes = free_bytes
        self._sync_bytes = sync_bytes
        self._sleep = sleep

    def pull(self, plan: Plan, watch: Watcher = lambda progress: None) -> Path:
        """Fetch a model; returns where it is.

        Raises:
            BridgeError: Why it is not there; a ``Cut`` can be gone on with by the same call.
            Interrupted: If ``watch`` said so.
        """
        with _alone(plan):
            raise_if_there(plan)
            try:
                with Partial(plan, self._sync_bytes) as partial:
                    self._pull(plan, partial, watch)
            except OSError as error:
                raise cannot_write(plan, error) from error
            _keep_record(plan, partial.sha256)
        return plan.target

    def _pull(self, plan: Plan, partial: Partial, watch: Watcher) -> None:
        try:
            self._fetch(plan, partial, watch)
            watch(Progress("checking", partial.done, plan.bytes))
            partial.sync()
            _check(plan, partial)
            partial.become_model()
        except BridgeError as error:
            if not isinstance(error, Cut) and error.code not in _KEPT_AFTER:
                partial.remove()
            raise

    def _fetch(self, plan: Plan, partial: Partial, watch: Watcher) -> None:
        """Fetch until all is here; gives up after several cuts in a row that brought nothing new."""
        pauses = list(self._web.patience.pauses_s)
        while partial.done < plan.bytes:
            before = partial.done
            try:
                self._fetch_some(plan, partial, watch)
            except Paused:
                raise
            except Cut as error:
                if partial.done > before and error.code != "too_slow":
                    pauses = list(self._web.patience.pauses_s)
                if error.code == "source_changed":
                    partial.begin_again("")
                if not pauses:
                    raise
                self._wait(max(pauses.pop(0), error.wait_s), plan, partial, watch)

    def _wait(self, seconds: float, plan: Plan, partial: Partial, watch: Watcher) -> None:
        """Wait before another try, with an ear for whoever wants to stop."""
        while seconds > 0:
            watch(Progress("pulling", partial.done, plan.bytes))
            self._sleep(min(seconds, WAIT_S))
            seconds -= WAIT_S

    def _fetch_some(self, plan: Plan, partial: Partial, watch: Watcher) -> None:
        reply = self._web.open(plan.url, partial.done, partial.tag)
        try:
            self._begin(plan, partial, reply)
            pace = _Pace(self._web, partial.done)
            while data := reply.read_some(READ_BYTES):
                self._take(plan, partial, data)
                pace.check(partial.done, reply.host)
                watch(Progress("pulling", partial.done, plan.bytes))
        finally:
            reply.close()
        if partial.done < plan.bytes:
            raise Cut(f'"{reply.host}" ended after {partial.done} of {plan.bytes} bytes')

    def _begin(self, plan: Plan, partial: Partial, reply: Reply) -> None:
        """Judge an answer before its body is read, and begin again if it does not continue what is here."""
        if reply.size is not None and reply.size != plan.bytes:
            raise _differs(plan, f"it is {reply.size} bytes long now, not {plan.bytes}", "size_differs")
        if partial.done and reply.start == 0:
            partial.begin_again(reply.tag)
        elif reply.start != partial.done:
            raise Cut(f'"{reply.host}" sends another part than was asked for', code="source_changed")
        elif partial.done and not _is_same(plan, partial.tag, reply.tag):
            raise Cut(f'"{reply.host}" has another version of the file now', code="source_changed")
        partial.tag = partial.tag or reply.tag
        raise_if_too_large(plan, partial.done, self._free_bytes(plan.target.parent))

    def _take(self, plan: Plan, partial: Partial, data: bytes) -> None:
        before = partial.done
        if before + len(data) > plan.bytes:
            raise _differs(plan, f"it goes on behind its {plan.bytes} bytes", "size_differs")
        partial.write(data)
        if before < plan.header_bytes <= partial.done:
            _check_header(plan, partial)
        if before // LOOK_AT_DISK_BYTES != partial.done // LOOK_AT_DISK_BYTES:
            raise_if_too_large(plan, partial.done, self._free_bytes(plan.target.parent))


class _Pace:
    """Notices a server that sends next to nothing."""

    def __init__(self, web: Web, done: int) -> None:
        self._patience = web.patience
        self._since, self._done = time.monotonic(), done

    def check(self, done: int, host: str) -> None:
        """Raise ``Cut`` if too little has come in a while."""
        passed = time.monotonic() - self._since
        if passed < self._patience.slow_s:
            return
        if done - self._done < passed * self._patience.slow_bytes:
            raise Cut(f'"{host}" sends next to nothing', code="too_slow")
        self._since, self._done = time.monotonic(), done


def _is_same(plan: Plan, before: str, now: str) -> bool:
    """Say whether what comes is of the version that is here; with a checksum the end will tell."""
    return before == now if before and now else bool(plan.sha256)


def _check_header(plan: Plan, partial: Partial) -> None:
    if hashlib.sha256(partial.start(plan.header_bytes)).hexdigest() != plan.header_sha256:
        raise _differs(plan, "it holds something else now", "source_changed")


def _check(plan: Plan, partial: Partial) -> None:
    if plan.sha256 and partial.sha256 != plan.sha256:
        raise _differs(
            plan, f"its checksum is {partial.sha256[:12]}…, not {plan.sha256[:12]}…", "checksum_differs"
        )
    try:
        read_header(partial.path)
    except ModelError as error:
        raise _differs(plan, error.message, "not_a_model") from error


def _differs(plan: Plan, fault: str, code: str) -> BridgeError:
    return BridgeError(
        f'"{plan.name}" is not the file that was agreed to: {fault}',
        code=code,
        hint="Nothing of it was kept. Pull it again; if that happens again, get it from another place.",
    )


def _keep_record(plan: Plan, digest: str) -> None:
    """Note beside a model what is known of it; the model is good without."""
    notes = replace(plan.notes, sha256=digest)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    record = plan.target.with_name(plan.target.stem + RECORD_ENDING)
    with contextlib.suppress(OSError):
        remember_digest(plan.target, digest)
        with record.open("x", encoding="utf-8") as file:
            file.write(record_text(plan.source, notes, plan.bytes, today))


@contextlib.contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """Hold the lock on a file that is to be.

    Raises:
        BridgeError: ``pull_running``.
    """
    name = hashlib.sha256(str(plan.target.absolute()).encode()).hexdigest()[:32]
    folder = state_folder() / "pulls"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / f"{name}.lock", timeout=0):
            yield
    except Timeout:
        raise BridgeError(
            f'"{plan.name}" is being pulled already',
            code="pull_running",
            hint="Wait for it, or cancel it where it was begun.",
        ) from None


def cancelled(plan: Plan) -> Interrupted:
    """Return what a watcher raises to stop a pull."""
    return Interrupted(f'pulling "{plan.name}" was cancelled', hint="Nothing of it was kept.")
