"""The pulls of a daemon: plans that wait for consent, and files that are fetched one after the other.

1. Nothing is pulled without a plan, and a client must repeat what it agrees to: source, size and licence.
2. One file at a time is fetched; others wait in order. Each may be cancelled at any time.
3. Everybody who listens is told of every change, from the thread that fetches.
4. When the daemon leaves, what is fetched is kept for the next time.
"""

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from bridge.downloads.plan import Choices, Plan, Planner
from bridge.downloads.pull import Paused, Progress, Puller, cancelled
from bridge.errors import BridgeError, Problem, problem_of

MOST_PLANS = 64
MOST_WAITING = 32
CLOSE_S = 1.0
TELL_S = 0.2
"""Between two words about the progress of a pull."""

ENDS = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class PullStatus:
    """How a pull stands.

    Args:
        id: That of its plan.
        folder: Its kind.
        name: Of the file.
        state: ``waiting``, ``pulling``, ``checking``, or one of ``ENDS``.
        done: Bytes that are here.
        total: Of how many.
        problem: Why it failed.
    """

    id: str
    folder: str
    name: str
    state: str
    done: int
    total: int
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a client agrees to, in its own words: they must be those of the plan."""

    source: str
    bytes: int
    licence: str


class Pulls:
    """The pulls of one daemon.

    Args:
        planner: Makes plans.
        tell: Called at every change, from any thread.
    """

    def __init__(self, planner: Planner, tell: Callable[[PullStatus], None]) -> None:
        self._planner = planner
        self._tell = tell
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, Plan] = OrderedDict()
        self._statuses: OrderedDict[str, PullStatus] = OrderedDict()
        self._unwanted: set[str] = set()
        self._is_closing = False
        self._told_at = 0.0
        self._waiting: SimpleQueue[Plan] = SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def statuses(self) -> tuple[PullStatus, ...]:
        """All pulls since the start, the newest last."""
        with self._lock:
            return tuple(self._statuses.values())

    @property
    def is_busy(self) -> bool:
        """Whether something is being pulled, or waits."""
        return any(status.state not in ENDS for status in self.statuses)

    def plan(self, source: str, choices: Choices) -> Plan:
        """Find out what would be pulled, and keep it for whoever agrees to it. This may take a while.

        Raises:
            BridgeError: As ``Planner.plan``.
        """
        plan = self._planner.plan(source, choices)
        with self._lock:
            self._plans[plan.id] = plan
            while len(self._plans) > MOST_PLANS:
                self._plans.popitem(last=False)
        return plan

    def start(self, plan_id: str, consent: Consent) -> PullStatus:
        """Have a plan carried out.

        Raises:
            BridgeError: ``unknown_plan``, ``consent_differs``, ``pull_running``, ``too_many_pulls``.
        """
        with self._lock:
            plan = self._plans.get(plan_id)
            if plan is None:
                raise BridgeError(
                    "there is no such plan, or it was made too long ago",
                    code="unknown_plan",
                    hint="Paste the address again.",
                )
            _raise_if_other(plan, consent)
            waiting = [each for each in self._statuses.values() if each.state not in ENDS]
            if any(each.id == plan_id for each in waiting):
                raise BridgeError(
                    f'"{plan.name}" is being pulled already', code="pull_running", hint="Wait for it."
                )
            if len(waiting) >= MOST_WAITING:
                raise BridgeError(
                    f"{MOST_WAITING} pulls wait already", code="too_many_pulls", hint="Wait, or cancel some."
                )
            status = PullStatus(plan.id, plan.folder, plan.name, "waiting", plan.partial_bytes, plan.bytes)
            self._statuses[plan.id] = status
            self._unwanted.discard(plan.id)
        self._tell(status)
        self._waiting.put(plan)
        if self._thread is None:
            # As a daemon thread: a server that is silent must not hold up the end of the process.
            self._thread = threading.Thread(target=self._work, name="pulls", daemon=True)
            self._thread.start()
        return status

    def cancel(self, plan_id: str) -> bool:
        """Have a pull end, and nothing of it be kept; returns whether there was one to end."""
        with self._lock:
            status = self._statuses.get(plan_id)
            if status is None or status.state in ENDS:
                return False
            self._unwanted.add(plan_id)
            if status.state != "waiting":
                return True
            status = self._statuses[plan_id] = replace(status, state="cancelled")
        self._tell(status)
        return True

    def close(self) -> None:
        """End, within a second; what is here already is kept."""
        self._is_closing = True
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while not self._is_closing:
            with contextlib.suppress(Empty):
                self._pull(self._waiting.get(timeout=CLOSE_S / 2))

    def _pull(self, plan: Plan) -> None:
        if self._statuses[plan.id].state in ENDS:  # it was cancelled while it waited
            return
        try:
            self._watch(plan, Progress("pulling", plan.partial_bytes, plan.bytes))
            puller = Puller(self._planner.web(plan.keys), self._planner.free_bytes)
            puller.pull(plan, lambda progress: self._watch(plan, progress))
            self._change(plan, state="done", done=plan.bytes)
        except BridgeError as error:
            state = "cancelled" if error.code == "cancelled" else "failed"
            self._change(plan, state=state, problem=error.problem)
        except Exception as error:  # a pull's last boundary: the next one must go on
            self._change(plan, state="failed", problem=problem_of(error))

    def _watch(self, plan: Plan, progress: Progress) -> None:
        if self._is_closing:
            raise Paused("the daemon leaves")
        if plan.id in self._unwanted:
            raise cancelled(plan)
        now = time.monotonic()
        is_news = self._statuses[plan.id].state != progress.state
        if is_news or now - self._told_at >= TELL_S:
            self._told_at = now
            self._change(plan, state=progress.state, done=progress.done)

    def _change(
        self, plan: Plan, *, state: str, done: int | None = None, problem: Problem | None = None
    ) -> None:
        with self._lock:
            before = self._statuses[plan.id]
            status = replace(before, state=state, done=before.done if done is None else done, problem=problem)
            self._statuses[plan.id] = status
        self._tell(status)


def _raise_if_other(plan: Plan, consent: Consent) -> None:
    if consent != Consent(plan.source, plan.bytes, plan.notes.licence):
        raise BridgeError(
            "what was agreed to is not what the plan says (source, size and licence)",
            code="consent_differs",
            hint="Show the plan to the user again, and send back what it says.",
        )
