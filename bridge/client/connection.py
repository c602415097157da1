"""The client's one background thread, which moves bytes and touches nothing of the host.

1. The host's threads put messages into the outbox and take them from the inbox; this thread does the rest.
   It runs an event loop of its own; ``_wake`` is the only way in.
2. It connects, says hello, and moves messages both ways until the connection breaks; then it waits a
   little and tries again, taking up the same session. What was under way is in the ledger.
3. It gives up only when the daemon refuses it (wrong token, no common protocol): trying again would not
   help. Then every request fails with the reason.
4. ``close`` ends it within ``CLOSE_S``, whatever it is doing.
"""

import asyncio
import atexit
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from ..errors import BridgeError, ConnectionLost, Problem, problem_of
from ..protocol import Hello, Message, Submit, Welcome
from .exchange import Traffic, converse
from .inbox import Inbox
from .ledger import Ledger
from .outbox import Outbox
from .outcome import error_from
from .target import Target

logger = logging.getLogger(__name__)

CLOSE_S = 1.0
"""The longest that ``close`` takes."""

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 5.0
STEADY_S = 5.0
"""A connection that lasted this long was a good one: the next delay is the first again."""


CLOSED = Problem("connection_lost", "the client is not connected", "Connect it first.")


@dataclass(frozen=True, slots=True)
class Status:
    """How the connection is, for a status line.

    Args:
        state: ``offline`` (not started, or closed), ``connecting``, ``ready``, ``lost`` (just now),
            ``retrying``, or ``refused`` (for good).
        problem: Why it is not ready, if anything is known.
        since: ``time.monotonic()`` of the moment it was last ready, or began to be; of the start if never.
    """

    state: str
    problem: Problem | None = None
    since: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether messages pass."""
        return self.state == "ready"


class Connection:
    """A connection that mends itself; see the rules above.

    Args:
        find: Returns the daemon to connect to; called before every attempt, in the thread. It is told
            whether it may start one: only before the first meeting.
        hello: What to say first; its session is filled in.
    """

    def __init__(self, find: Callable[[bool], Target], hello: Hello) -> None:
        self.inbox = Inbox(on_room=lambda: self._wake(self._traffic.room))
        self.outbox = Outbox(wake=lambda: self._wake(self._traffic.work))
        self._traffic = Traffic(self.inbox, self.outbox, Ledger())
        self._find = find
        self._hello = hello
        self._meetings = 0
        self._status = Status("offline")
        self._status_changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[BridgeError] | None = None
        self._thread: threading.Thread | None = None

    @property
    def meetings(self) -> int:
        """How often the daemon has welcomed this client since the start."""
        return self._meetings

    @property
    def status(self) -> Status:
        """How the connection is now."""
        return self._status

    def start(self) -> None:
        """Begin to connect, with a new session, unless that has begun."""
        if self._thread and self._thread.is_alive():
            return
        self.inbox.end(None)
        self._set("connecting")
        self._hello = replace(self._hello, session="")
        self._meetings = 0
        self._traffic = Traffic(self.inbox, self.outbox, Ledger())
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._live())
        self._thread = threading.Thread(
            target=self._run, args=(self._loop, self._task), name="framebridge", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    def close(self) -> None:
        """End the connection and the thread, within ``CLOSE_S``."""
        atexit.unregister(self.close)
        if self._thread and self._loop and self._task:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(CLOSE_S)
            self._thread = None
        self._set("offline")

    def send(self, message: Message) -> None:
        """Send a message as soon as there is a connection; a job without a name gets one.

        Raises:
            BridgeError: If there will be none, with the reason; ``outbox_full``.
        """
        status = self._status
        if status.state in ("offline", "refused"):
            raise error_from([status.problem or CLOSED])
        if isinstance(message, Submit) and not message.job:
            message = replace(message, job=str(uuid4()))
        self.outbox.put(message)

    def give_up(self, request: str) -> None:
        """Wait no more for an answer: an unsent request is not sent, a job that it makes is cancelled."""
        self._call(self._traffic.give_up, request)

    def give_up_job(self, job: str) -> None:
        """Wait no more for a job: it is cancelled, and nothing is heard of it any more."""
        self._call(self._traffic.give_up_job, job)

    def wait_while(self, *states: str, timeout_s: float) -> Status:
        """Wait until the status is none of these, or the time is up."""
        with self._status_changed:
            self._status_changed.wait_for(lambda: self._status.state not in states, timeout_s)
            return self._status

    # ---- in the thread ---------------------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop, task: "asyncio.Task[BridgeError]") -> None:
        problem = CLOSED
        try:
            problem = loop.run_until_complete(task).problem
            self._set("refused", problem)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # the thread's last boundary: whoever waits must not wait for ever
            logger.error("the connection to the daemon failed")
            problem = problem_of(error)
            self._set("refused", problem)
        if self._task is task:  # else a new thread has begun, as this one took longer than ``CLOSE_S``
            for message in self._traffic.ledger.abandoned(problem, self.outbox.clear()):
                self.inbox.put(message)
            self.inbox.end(error_from([problem]))
        loop.close()

    async def _live(self) -> BridgeError:
        """Connect again and again; returns why that makes no sense any more."""
        delay = FIRST_DELAY_S
        while True:
            began = time.monotonic()
            target = None
            try:
                target = self._find(not self._meetings)
                await converse(target, self._hello, self._traffic, self._welcomed)
            except ConnectionLost as error:
                problem = error.problem
            except BridgeError as error:
                if error.code != "not_allowed" or not self._has_moved(target):
                    return error
                problem = error.problem
            self._set("lost" if self._status.is_ready else "retrying", problem)
            for failure in self._traffic.ledger.broken(problem):
                self.inbox.put(failure)
            if time.monotonic() - began > STEADY_S:
                delay = FIRST_DELAY_S
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY_S)
            self._set("retrying", problem)

    def _has_moved(self, target: Target | None) -> bool:
        """Tell whether the daemon was restarted while we talked to it, which gives it a new token."""
        try:
            return self._find(not self._meetings) != target
        except BridgeError:
            return True

    def _welcomed(self, welcome: Welcome) -> None:
        self._hello = replace(self._hello, session=welcome.session)
        self._meetings += 1
        self._set("ready")

    def _wake(self, event: asyncio.Event) -> None:
        """Set an event of the thread's loop, from any thread."""
        self._call(event.set)

    def _call(self, function: Callable[..., None], *values: str) -> None:
        """Have the thread's loop call a function, from any thread."""
        assert self._loop, "nothing moves before the start"
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *values)

    def _set(self, state: str, problem: Problem | None = None) -> None:
        before = self._status
        is_turn = state in ("offline", "connecting", "ready") or before.is_ready
        with self._status_changed:
            self._status = Status(state, problem, time.monotonic() if is_turn else before.since)
            self._status_changed.notify_all()
