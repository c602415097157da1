"""What runs in the worker right now.

1. A job and the newest frames of streams run side by side; the worker alternates between them.
2. When the worker dies, everything that ran is suspect. A suspect runs alone, before anything else
   begins; so the second death tells who is to blame.
3. From the moment a run is cancelled, nothing it says is passed on but what its nodes showed, with its last
   word, which is ``cancelled``.
4. A run that says nothing for too long is taken for hung, and the worker killed. One that ran alone has
   failed then; of several nobody knows which it was, so rule 2 goes on.
   A pause of the daemon itself (a stopped process, a machine that sleeps) is nobody's silence.
5. Whatever is done about a run is logged with its ids; what it must not tell is noted before it begins.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.engine import CancelRun, Run, log_ids
from bridge.errors import LocalProtocolError, Problem
from bridge.jobs.metrics import Metrics
from bridge.jobs.notes import RUN_NOTES
from bridge.protocol import Finished, Message, Progress

log = logging.getLogger(__name__)

CHECK_S = 1.0
"""How often runs are checked for silence, at most."""

LATE_CHECKS = 3
"""A check that comes so many times its interval too late was held up by a pause of the daemon."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could run now, and whom to tell about it.

    Args:
        run: What the worker is asked to do.
        is_suspect: Whether the worker has died under it.
        on_begin: Called when it is chosen.
        on_message: Gets what the run says, but for its last word.
        on_finish: Gets its last word.
        on_lost: Gets the reason when the worker died under it instead.
        session: Whose it is.
        attempt: The number of the try, from 1.
    """

    run: Run
    is_suspect: bool
    on_begin: Callable[[], None]
    on_message: Callable[[Message], None]
    on_finish: Callable[[Finished], None]
    on_lost: Callable[[str], None]
    session: str = ""
    attempt: int = 1


@dataclass(slots=True)
class _Active:
    candidate: Candidate
    heard_at: float
    is_cancelled: bool = False
    is_hung: bool = False
    stepped: tuple[str, float] | None = None  # node and time of the last progress
    ids: log_ids = field(init=False)  # what is done about the run is logged with them

    def __post_init__(self) -> None:
        candidate = self.candidate
        self.ids = log_ids(job=candidate.run.job, session=candidate.session, attempt=candidate.attempt)


class Dispatcher:
    """Hands runs to the worker and what it says about them to their owners.

    Args:
        send: Sends a message to the worker.
        kill: Ends the worker, for a reason; ``lose`` follows.
        hang_timeout_s: How long a run may be silent.
        cancel_timeout_s: How long a run may go on after it was cancelled.
        metrics: Counts steps; whoever queues runs counts their ends, and those to do again.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        kill: Callable[[str], None],
        hang_timeout_s: float,
        cancel_timeout_s: float,
        metrics: Metrics | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._send = send
        self._kill = kill
        self._hang_timeout_s = hang_timeout_s
        self._cancel_timeout_s = cancel_timeout_s
        self._active: dict[str, _Active] = {}
        self._check: asyncio.TimerHandle | None = None
        self._check_due_at = 0.0

    def start_some(self, candidates: Sequence[Candidate]) -> None:
        """Start whatever may run beside what runs already (rules 1 and 2)."""
        if any(active.candidate.is_suspect for active in self._active.values()):
            return
        suspects = [candidate for candidate in candidates if candidate.is_suspect]
        if suspects and self._active:
            return
        for candidate in suspects[:1] or candidates:
            self._start(candidate)

    def cancel(self, run_id: str) -> None:
        """Stop a run that has begun (rule 3)."""
        active = self._active[run_id]
        if not active.is_cancelled:
            active.is_cancelled = True
            active.heard_at = asyncio.get_running_loop().time()
            self._send(CancelRun(run_id))

    def receive(self, message: Message) -> None:
        """Pass on what the worker says."""
        run_id: str = getattr(message, "job", "")
        active = self._active.get(run_id)
        if active is None:
            return
        with active.ids:
            if isinstance(message, Finished):
                del self._active[run_id]
                active.candidate.on_finish(
                    _cancelled(run_id, message.outputs) if active.is_cancelled else message
                )
            elif not active.is_cancelled:
                active.heard_at = asyncio.get_running_loop().time()
                if isinstance(message, Progress):
                    self._time_step(active, message)
                active.candidate.on_message(message)

    def lose(self, reason: str) -> None:
        """Note that the worker is gone."""
        lost, self._active = self._active, {}
        for run_id, active in lost.items():
            with active.ids:
                if active.is_cancelled:
                    active.candidate.on_finish(_cancelled(run_id))
                elif active.is_hung and len(lost) == 1:
                    active.candidate.on_finish(_hung(run_id, reason))
                else:
                    log.warning("lost: %s", reason)
                    active.candidate.on_lost(reason)

    def _start(self, candidate: Candidate) -> None:
        loop = asyncio.get_running_loop()
        run = candidate.run
        active = self._active[run.job] = _Active(candidate, loop.time())
        RUN_NOTES.add(run, candidate.session, candidate.attempt)
        with active.ids:
            candidate.on_begin()
        try:
            self._send(run)
        except LocalProtocolError as error:  # larger than a message may be
            self.receive(Finished("failed", job=run.job, problems=error.problems))
            return
        if self._check is None:
            self._check_soon()

    def _time_step(self, active: _Active, progress: Progress) -> None:
        if active.stepped and active.stepped[0] == progress.node and progress.value > 1:
            self.metrics.step_took(active.heard_at - active.stepped[1])
        active.stepped = progress.node, active.heard_at

    @property
    def _check_s(self) -> float:
        return min(CHECK_S, self._hang_timeout_s / 4, self._cancel_timeout_s / 4)

    def _check_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._check_due_at = loop.time() + self._check_s
        self._check = loop.call_at(self._check_due_at, self._check_runs)

    def _check_runs(self) -> None:
        late_s = asyncio.get_running_loop().time() - self._check_due_at
        if late_s > LATE_CHECKS * self._check_s:
            self._forgive(late_s)
        else:
            self._kill_if_hung()
        self._check = None
        if self._active:
            self._check_soon()

    def _forgive(self, pause_s: float) -> None:
        """Take no run's silence for its own while nobody listened; what it said waits in the pipe."""
        now = asyncio.get_running_loop().time()
        for active in self._active.values():
            active.heard_at = min(now, active.heard_at + pause_s)

    def _kill_if_hung(self) -> None:
        loop = asyncio.get_running_loop()
        for active in self._active.values():
            timeout_s = self._cancel_timeout_s if active.is_cancelled else self._hang_timeout_s
            if loop.time() - active.heard_at > timeout_s:
                active.is_hung = True
                what = "did not stop when asked to" if active.is_cancelled else "did nothing"
                with active.ids:
                    self._kill(f"a run {what} for {timeout_s:g} s")
                break


def _hung(run_id: str, reason: str) -> Finished:
    hint = "The daemon's log shows what it was doing. Give it longer with: framebridge serve --hang-minutes."
    return Finished("failed", job=run_id, problems=(Problem("job_hung", f"{reason} and was ended", hint),))


def _cancelled(run_id: str, shown: Mapping[str, Any] | None = None) -> Finished:
    return Finished("cancelled", job=run_id, outputs=shown or {})
