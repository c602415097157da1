"""The client library: what hosts and scripts talk to.

A host starts a client, sends messages, and drains what arrived from a timer, within a budget::

    client = Client(Locator(starts_daemon=True), name="blender")
    client.start()
    client.send(SetStream(client.new_request(), "viewport", preset="Stylize"))
    client.send(StreamFrame("viewport", frame))
    for message in client.pump(budget_s=0.005):
        ...

A script waits::

    with connect() as client:
        outcome = client.run(preset="Stylize", values={"prompt": "clay"}, frame=frame)
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ..errors import Problem
from ..protocol import (
    VERSIONS,
    Accepted,
    Answer,
    Cancel,
    Finished,
    Frame,
    Free,
    Hello,
    Message,
    Preview,
    Progress,
    Query,
    Result,
    Started,
    Submit,
)
from .calls import ANSWER_S, ask, wait_for
from .connection import CLOSED, Connection, Status
from .discovery import ensure_daemon
from .outcome import Outcome, error_from, error_of
from .stream import Stream
from .target import Locator


class Client:
    """A connection to the daemon that mends itself, and the calls on top.

    Args:
        locator: How to find the daemon.
        name: What this client is: ``blender``, ``unreal``, ``cli``, ``script`` …
        version: Of the client, for people.
    """

    def __init__(self, locator: Locator | None = None, *, name: str = "script", version: str = "") -> None:
        locator = locator or Locator()
        self._connection = Connection(locator.find, Hello(VERSIONS, name, version))
        self._numbers = itertools.count(1)
        self._frame_numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- for hosts: nothing here waits -----------------------------------------------------------

    @property
    def status(self) -> Status:
        """How the connection is, for a status line."""
        return self._connection.status

    def start(self) -> None:
        """Begin to connect, in the background; also after a refusal."""
        self._connection.start()

    def close(self) -> None:
        """Disconnect for good; takes a second at most. Jobs go on, streams end."""
        self._connection.close()

    def new_request(self) -> str:
        """Return a name for a request that this client has not used yet."""
        return f"r{next(self._numbers)}"

    def send(self, message: Message) -> None:
        """Send a message as soon as there is a connection.

        Of the frames of a stream only the newest waits. A plane's bytes must not change once they are here.

        Raises:
            BridgeError: If there will be no connection, with the reason; ``outbox_full``.
        """
        self._connection.send(message)

    def give_up(self, request: str, job: str = "") -> None:
        """Wait no more for an answer, or for a job: it is cancelled, as soon as there is a connection.

        Args:
            request: What was sent.
            job: What it has made, if that is known.
        """
        if job:
            self._connection.give_up_job(job)
        else:
            self._connection.give_up(request)

    def pump(self, budget_s: float = 0.005) -> Iterator[Message]:
        """Take what has arrived, oldest first, until there is no more or the time is up.

        Args:
            budget_s: Seconds, those that the caller spends on each message included.
        """
        return self._connection.inbox.drain(budget_s)

    # ---- for scripts: everything here waits ------------------------------------------------------

    def wait_ready(self, timeout_s: float = ANSWER_S, *, is_patient: bool = True) -> None:
        """Wait until messages pass.

        Args:
            timeout_s: How long.
            is_patient: Whether to go on after a failed attempt.

        Raises:
            BridgeError: Why they do not.
        """
        states = ("connecting", "lost", "retrying") if is_patient else ("connecting",)
        status = self._connection.wait_while(*states, timeout_s=timeout_s)
        if not status.is_ready:
            raise error_from([status.problem or CLOSED])

    def run(
        self,
        *,
        workflow: Mapping[str, Any] | None = None,
        preset: str = "",
        values: Mapping[str, Any] | None = None,
        frame: Frame | None = None,
        extra: Mapping[str, Any] | None = None,
        targets: Sequence[str] = (),
        front: bool = False,
        dynamic: Sequence[str] = (),
        on_progress: Callable[[Started | Progress | Preview], None] | None = None,
        wants_preview: bool = False,
        timeout_s: float | None = None,
    ) -> Outcome:
        """Run a job and wait for its end; it is cancelled if waiting ends early.

        Args:
            workflow: ComfyUI API JSON; or give ``preset``.
            preset: Its name.
            values: See ``Submit``.
            frame: What ``ViewportFrame`` nodes see.
            extra: See ``Submit``.
            targets: Ids of the output nodes to run; empty for all.
            front: Whether to go before all jobs that wait.
            dynamic: Names of ``values`` that may be dynamic prompts.
            on_progress: Called in this thread.
            wants_preview: Whether to pass pictures to ``on_progress`` too.
            timeout_s: ``None`` to wait as long as the connection is good.

        Raises:
            WorkflowError: With every fault found, if the daemon refuses the workflow.
            ExecutionError: If a node fails; ``Interrupted`` if somebody cancels the job.
            BridgeError: ``timeout``, or what is wrong with the connection.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        submit = Submit(
            self.new_request(),
            workflow or {},
            preset,
            values or {},
            frame,
            wants_preview,
            extra or {},
            tuple(targets),
            front=front,
            dynamic=tuple(dynamic),
        )
        accepted = ask(self._connection, submit, Accepted, timeout_s)
        try:
            results, finished = self._follow(accepted.job, on_progress, deadline, _unended(timeout_s))
        except BaseException:
            self._connection.give_up_job(accepted.job)
            raise
        if finished.state != "done":
            raise error_of(finished)
        warnings = (*accepted.warnings, *finished.problems)
        return Outcome(accepted.job, tuple(results), finished, warnings, accepted.texts)

    def stream(
        self,
        name: str,
        *,
        workflow: Mapping[str, Any] | None = None,
        preset: str = "",
        values: Mapping[str, Any] | None = None,
        wants_preview: bool = False,
    ) -> Stream:
        """Open a live stream; see ``Stream.change``."""
        stream = Stream(self._connection, name, self.new_request, self._frame_numbers)
        stream.change(workflow=workflow, preset=preset, values=values, wants_preview=wants_preview)
        return stream

    def cancel(self, job: str) -> bool:
        """Cancel a job of this client; tells whether there was something to cancel."""
        return ask(self._connection, Cancel(self.new_request(), job), Answer).data.get("cancelled") is True

    def ask(self, message: Message, timeout_s: float = ANSWER_S) -> Mapping[str, Any]:
        """Send a request that is answered with data, and return the data.

        Args:
            message: The request; ``new_request`` names it.
            timeout_s: How long to wait.

        Raises:
            BridgeError: What the daemon answered, if it is an error; what is wrong with the connection.
        """
        return ask(self._connection, message, Answer, timeout_s).data

    def query(self, subject: str) -> Mapping[str, Any]:
        """Ask for ``presets``, ``nodes``, ``models`` or ``status``."""
        return ask(self._connection, Query(self.new_request(), subject), Answer).data

    def free(self) -> None:
        """Have the device's memory given back."""
        ask(self._connection, Free(self.new_request()), Answer)

    def _follow(
        self,
        job: str,
        on_progress: Callable[[Started | Progress | Preview], None] | None,
        deadline: float | None,
        late: Problem,
    ) -> tuple[list[Result], Finished]:
        """Collect what a job hands back, until it ends."""
        results: list[Result] = []
        meetings, is_again = self._connection.meetings, False
        while True:
            message = wait_for(self._connection, lambda message: _is_about(message, job), deadline, late)
            if self._connection.meetings != meetings:
                meetings, is_again = self._connection.meetings, True
                results.clear()  # all are sent again, but for what is void since
            if isinstance(message, Finished):
                return results, message
            if isinstance(message, Result):
                if not (is_again and message in results):  # some are sent twice
                    results.append(message)
                continue
            assert isinstance(message, Started | Progress | Preview)
            if isinstance(message, Started):
                results.clear()  # a worker or daemon died, and the job begins anew
            if on_progress:
                on_progress(message)


def connect(
    address: str = "",
    token: str = "",
    *,
    starts_daemon: bool = False,
    command: Sequence[str] | None = None,
    name: str = "script",
    version: str = "",
    timeout_s: float = ANSWER_S,
) -> Client:
    """Connect a script to the daemon, and wait until messages pass.

    Args:
        address: As typed by a user; this user's daemon on this machine if empty.
        token: For a daemon elsewhere.
        starts_daemon: Whether to start this user's daemon if it does not run.
        command: How to start it; see ``launch_daemon``.
        name: See ``Client``.
        version: See ``Client``.
        timeout_s: How long starting and connecting may take, each.

    Raises:
        BridgeError: Why not.
    """
    if starts_daemon and not address:
        ensure_daemon(command, timeout_s)
    client = Client(Locator(address, token), name=name, version=version)
    client.start()
    try:
        client.wait_ready(timeout_s, is_patient=False)
    except BaseException:
        client.close()
        raise
    return client


def _is_about(message: Message, job: str) -> bool:
    return isinstance(message, Started | Progress | Preview | Result | Finished) and message.job == job


def _unended(timeout_s: float | None) -> Problem:
    text = f"the job did not end within {timeout_s or 0:g} s and was cancelled"
    return Problem("timeout", text, "Raise timeout_s, or leave it out to wait for the end.")
