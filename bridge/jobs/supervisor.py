"""Keeping a worker alive.

1. A worker is ``starting`` until it says ``Ready``, then ``ready``. One that dies is ``restarting``: a
   new one is started after a pause, which doubles from ``FIRST_PAUSE_S`` to ``LONGEST_PAUSE_S`` until a run
   has succeeded. One that is not ready after ``START_S``, or the hang limit if that is longer, is killed.
2. It is ``failed`` once its nodes could not be loaded, or ``MAX_STARTS`` workers in a row died that were not
   ready for ``TRIAL_S`` and had been given no run and no question. Then nothing happens until ``revive``.
3. Nobody outside sees a process, only ``send`` and three events: a message, a change of state, a loss.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.engine import Configure, Judge, Ready, Run, Stop, WorkerFailed
from bridge.errors import Problem
from bridge.jobs.process import WorkerProcess, count_memory_kills, describe_exit
from bridge.protocol import Finished, Message

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
MAX_STARTS = 3
START_S = 300.0
"""How long nodes may take to load; longer where runs may be silent for longer."""

TRIAL_S = 60.0
"""How long a worker that has nothing to do must live to count as one that works."""

STACKS_S = 0.2
"""How long a worker that is to be killed may take to write down what it was doing."""

STOP_S = 3.0
"""How long a worker may take to leave when it is asked to."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How to run a worker.

    Args:
        settings: What the bootstrap gets: ``models`` (list), ``input``, ``output``, ``temp``, ``frames``,
            ``device``, ``dtype``, ``cache_bytes``, ``threads``.
        bootstrap: ``package.module:callable`` that brings the nodes.
        hang_timeout_s: A run that says nothing for so long is taken for hung, and the worker killed.
        cancel_timeout_s: The same for a run that was cancelled and does not end.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    bootstrap: str = "bridge.nodes:load"
    hang_timeout_s: float = 600.0
    cancel_timeout_s: float = 60.0


class Supervisor:
    """Starts, watches and restarts one worker.

    Args:
        worker: How to run it.
        on_message: Gets what it says about runs.
        on_change: Called when ``state`` has changed.
        on_lost: Called with the reason when a worker that was ready is gone, and its runs with it.
    """

    def __init__(
        self,
        worker: WorkerSettings,
        on_message: Callable[[Message], None],
        on_change: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._worker = worker
        self._on_message = on_message
        self._on_change = on_change
        self._on_lost = on_lost
        self._process: WorkerProcess | None = None
        self._restart: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._pauses = 0  # since a run succeeded
        self._starts = 0  # since a worker passed its trial (rule 2)
        self._kill_reason = ""
        self._memory_kills = 0  # of the whole system, when the process was started
        self._is_closing = False
        self._is_settled = asyncio.Event()
        self._is_gone = asyncio.Event()
        self.state = "starting"
        self.detail = ""
        self.ready: Ready | None = None
        self.problem: Problem | None = None

    @property
    def pid(self) -> int:
        """The worker's process id; 0 while there is none."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the first worker."""
        self._spawn("starting", "loading nodes")

    def revive(self) -> None:
        """Try again if the worker has failed for good."""
        if self.state == "failed":
            self._starts = self._pauses = 0
            self.start()

    async def settle(self) -> None:
        """Wait until the worker is ready, or has failed."""
        await self._is_settled.wait()

    def send(self, message: Message) -> None:
        """Send a message to a worker that is ready.

        Raises:
            LocalProtocolError: If it cannot be written.
        """
        assert self._process is not None
        if isinstance(message, Run | Judge):
            self._pass_trial()
        self._process.send(message)

    def kill(self, reason: str) -> None:
        """End a worker that is beyond help; a new one follows."""
        assert self._process is not None
        if self._kill_reason:
            return
        log.error("killing the worker: %s", reason)
        self._kill_reason = reason
        self._process.ask_for_stacks()
        asyncio.get_running_loop().call_later(STACKS_S, self._process.kill)

    async def close(self) -> None:
        """Ask the worker to leave; kill it if it does not."""
        self._is_closing = True
        if self._restart:
            self._restart.cancel()
        if self._process is None:
            return
        self._process.send(Stop())
        try:
            async with asyncio.timeout(STOP_S):
                await self._is_gone.wait()
        except TimeoutError:
            self._process.kill()
            await self._is_gone.wait()

    def _spawn(self, state: str, detail: str) -> None:
        self.problem = None
        self._kill_reason = ""
        self._memory_kills = count_memory_kills()
        self._is_settled.clear()
        command = [sys.executable, "-m", "bridge.engine", "--bootstrap", self._worker.bootstrap]
        try:
            self._process = WorkerProcess(command, self._receive, self._exited)
        except OSError as error:
            self._fail(Problem("worker_failed", f"the worker cannot be started: {error}"))
            return
        self._starts += 1
        limit_s = max(START_S, self._worker.hang_timeout_s)
        reason = f"the worker was not ready after {limit_s:g} s"
        self._deadline = asyncio.get_running_loop().call_later(limit_s, self.kill, reason)
        self._process.send(Configure(self._worker.settings))
        self._change(state, detail)

    def _receive(self, message: Message) -> None:
        if isinstance(message, Ready):
            self.ready = message
            self._end_deadline()
            self._deadline = asyncio.get_running_loop().call_later(TRIAL_S, self._pass_trial)
            self._change("ready", "")
            self._is_settled.set()
        elif isinstance(message, WorkerFailed):
            self.problem = message.problems[0]
        else:
            if isinstance(message, Finished) and message.state == "done":
                self._pauses = 0
            self._on_message(message)

    def _exited(self, status: int) -> None:
        ready, self.ready = self.ready, None
        self._process = None
        self._end_deadline()
        reason = self._kill_reason or f"the worker process {self._described(status)}"
        if self._is_closing:
            self._is_gone.set()
        else:
            log.error("%s", reason)
            self._recover(reason, ready)
        if ready:
            self._on_lost(reason)

    def _pass_trial(self) -> None:
        self._starts = 0

    def _end_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()

    def _described(self, status: int) -> str:
        return describe_exit(status, ran_out_of_memory=count_memory_kills() > self._memory_kills)

    def _recover(self, reason: str, ready: Ready | None) -> None:
        if self.problem:
            self._fail(self.problem)
        elif self._starts >= MAX_STARTS:
            self._fail(_given_up(f"{reason} {self._starts} times", ready))
        else:
            pause = min(FIRST_PAUSE_S * 2 ** min(self._pauses, 10), LONGEST_PAUSE_S)
            self._pauses += 1
            detail = f"{reason}; starting another"
            self._restart = asyncio.get_running_loop().call_later(pause, self._spawn, "restarting", detail)
            self._is_settled.clear()
            self._change("restarting", detail)

    def _fail(self, problem: Problem) -> None:
        log.error("giving up: %s. %s", problem.message, problem.hint)
        self.problem = problem
        self._change("failed", problem.message)
        self._is_settled.set()

    def _change(self, state: str, detail: str) -> None:
        self.state, self.detail = state, detail
        self._on_change()


def _given_up(what: str, ready: Ready | None) -> Problem:
    """Say that workers die for no reason that a run has given; a thread of a pack may be one."""
    hint = "The daemon's log has the details."
    if ready and ready.packs:
        packs = ", ".join(ready.packs)
        hint = f"A pack of nodes may have ended it: leave some out. Loaded were {packs}. {hint}"
    when = "soon after it was ready" if ready else "while starting"
    return Problem("worker_failed", f"{what} {when}", hint)
