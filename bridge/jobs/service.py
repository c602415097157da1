"""Jobs and live streams for many clients on one worker; everything happens on the daemon's event loop.

1. Whatever changes asks for one look round at the end of the event loop's turn: it starts what can
   start, and tells all clients the new state.
2. Nothing new starts while memory is being given back, nor while the worker is not ready or is prepared for
   pictures. While a job is waited for to give it back, frames of streams go on.
3. When the worker has failed for good, what waits fails with its reason; the next request tries to
   start it again.
4. Where the store is lasting, jobs outlive the daemon; see ``queue`` and ``store``.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from bridge.engine import Freed, Judged, Measured, Ready, Run, Warm
from bridge.errors import BridgeError
from bridge.graph import ChoicesOf, Definitions
from bridge.jobs.definitions import load_definitions, read_definitions, save_definitions
from bridge.jobs.dispatch import Dispatcher
from bridge.jobs.figures import WorkerFigures
from bridge.jobs.freeing import Freeing
from bridge.jobs.history import History
from bridge.jobs.judgements import Judgements
from bridge.jobs.metrics import Metrics
from bridge.jobs.preparation import Preparation
from bridge.jobs.prepare import ExpandPreset, Prepared, ResolvePrompt, draft, is_light_work
from bridge.jobs.previews import sweep_previews
from bridge.jobs.queue import JobQueue
from bridge.jobs.record import JobRecord
from bridge.jobs.sessions import Sessions
from bridge.jobs.store import IN_MEMORY, JobStore, StoreSettings
from bridge.jobs.streams import LiveStream, Streams
from bridge.jobs.supervisor import Supervisor, WorkerSettings
from bridge.prompts import TEMPLATE_TEXT
from bridge.protocol import Accepted, Message, Result, SetStream, State, StreamFrame, Submit

T = TypeVar("T")


class JobService:
    """What the server calls.

    Args:
        worker: How to run the worker.
        definitions_file: Keeps node definitions between starts; ``None`` for not at all.
        choices: Lists the names in a folder (``checkpoints``, ``input`` …).
        presets: From a preset's name and its controls' values to a workflow.
        prompts: From a dynamic prompt and a seed to a text.
        store: Where queue and history are.

    Attributes:
        metrics: What is counted.
    """

    def __init__(
        self,
        worker: WorkerSettings,
        definitions_file: Path | None,
        choices: ChoicesOf,
        presets: ExpandPreset,
        prompts: ResolvePrompt,
        store: StoreSettings = IN_MEMORY,
    ) -> None:
        self._definitions_file = definitions_file
        self._choices = choices
        self._presets = presets
        self._prompts = prompts
        self._definitions: Definitions | None = None
        self._told: Ready | None = None  # what the last worker that was ready said
        self._supervisor = Supervisor(worker, self._receive, self._worker_changed, self._worker_lost)
        self._judgements = Judgements(self._supervisor, self._supervisor.send, self._raise_if_failed)
        self._figures = WorkerFigures(self._supervisor.send, lambda: self._supervisor.state == "ready")
        self.metrics = Metrics()
        self._dispatcher = Dispatcher(
            self._supervisor.send,
            self._supervisor.kill,
            worker.hang_timeout_s,
            worker.cancel_timeout_s,
            self.metrics,
        )
        self._sessions = Sessions()
        self._store = JobStore(store)
        self._reading = asyncio.Lock()
        self._queue = JobQueue(self._dispatcher, self._sessions, self._store, self._look_round_soon)
        self._streams = Streams(self._dispatcher, self._sessions, self._look_round_soon)
        self._freeing = Freeing(self._supervisor, worker.hang_timeout_s, self._look_round_soon)
        self._previews = Path(worker.settings["temp"]) if "temp" in worker.settings else None
        self._is_open = False
        self._is_closing = False
        self._preparation = Preparation(self._supervisor, self._look_round_soon)
        self._will_look_round = False
        self._announced: State | None = None

    def open(self) -> None:
        """Take up the jobs of an earlier daemon; nothing runs yet.

        Raises:
            BridgeError: ``newer_database`` or ``bad_folder``.
        """
        self._queue.open()
        self._is_open = True

    async def start(self) -> None:
        """Start the worker; requests may come at once."""
        if not self._is_open:
            self.open()
        self._definitions = await asyncio.to_thread(load_definitions, self._definitions_file)
        if self._previews and self._store.is_lasting:
            await asyncio.to_thread(sweep_previews, self._previews, self.history.shown())
        self._supervisor.start()

    async def close(self) -> None:
        """Stop everything, and end the worker within a few seconds; jobs wait for the next start, or end."""
        self._is_closing = True
        if not self._is_open:
            return
        self._is_open = False
        kept = self._queue.leave()
        if kept:
            jobs = "1 job waits" if kept == 1 else f"{kept} jobs wait"
            detail = f"the daemon is leaving; {jobs} for its next start"
            self._sessions.broadcast(replace(self.state, detail=detail))
        self._streams.close_all()
        self._preparation.end()
        await self._supervisor.close()
        await self._queue.close()

    # ---- sessions ----------------------------------------------------------------------------

    def tell_all(self, message: Message) -> None:
        """Hand a message to every client that is here."""
        self._sessions.broadcast(message)

    def connect(self, session: str, deliver: Callable[[Message], None]) -> None:
        """Deliver a session's messages from now on, after those kept while it was away."""
        self._sessions.connect(session, deliver)

    def owns_jobs(self, session: str) -> bool:
        """Return whether a session has jobs, of this daemon or an earlier one."""
        return self.history.owns_any(session)

    def disconnect(self, session: str) -> None:
        """Note that a client is away: its streams end, its jobs go on."""
        self._sessions.disconnect(session)
        self._streams.close_session(session)

    # ---- jobs --------------------------------------------------------------------------------

    async def submit(
        self, session: str, message: Submit, *, job_id: str = "", wants_nodes: bool = False
    ) -> Accepted:
        """Queue a job, unless this session has it already, under the name that the message gives it.

        Args:
            session: Whose it is.
            message: What to run.
            job_id: A name that no job may have yet; by default that of the message, or a random one.
            wants_nodes: Whether the client hears of each node, and gets pictures as files; see ``Run``.

        Raises:
            WorkflowError: With every fault of the workflow.
            BridgeError: ``queue_full``, ``queue_unavailable``, ``job_exists``, ``worker_failed``, or a
                preset's or value's fault.
        """
        if message.job and await self._queue.has(session, message.job):
            prepared = await self._prepare(message)
            ahead = next((at for at, job in enumerate(self.jobs()) if job.id == message.job), 0)
            return Accepted(message.request, message.job, ahead, prepared.warnings, prepared.texts)
        self._queue.raise_if_full(session)
        prepared = await self._prepare(message)
        run = Run(
            job_id or message.job or uuid4().hex,
            prepared.workflow,
            prepared.outputs,
            prompt=prepared.prompt,
            extra={**message.extra, TEMPLATE_TEXT: prepared.templates}
            if prepared.templates
            else message.extra,
            frame=message.frame,
            wants_preview=message.wants_preview,
            wants_nodes=wants_nodes,
        )
        position = await self._queue.add(session, run, message.number, front=message.front)
        return Accepted(message.request, run.job, position, prepared.warnings, prepared.texts)

    def jobs(self) -> Sequence[JobRecord]:
        """Return the jobs that have not ended: what runs, then what waits, in the order of its turns."""
        return self._queue.jobs()

    @property
    def idle_s(self) -> float:
        """Seconds since a job was last accepted or ended; 0 while there is one."""
        return self._queue.idle_s

    def record(self, job_id: str) -> JobRecord | None:
        """Return a job in any state."""
        return self._queue.record(job_id)

    @property
    def history(self) -> History:
        """The jobs that have ended. It reads the disk, on any thread: best not on the event loop for many."""
        return self._queue.history

    async def read_history(self, read: Callable[[History], T]) -> T:
        """Do on a thread what reads many jobs of the history; one at a time, as a page may be large."""
        async with self._reading:
            return await asyncio.to_thread(read, self.history)

    async def forget(self, job_ids: Collection[str] | None, session_prefix: str = "") -> int:
        """Drop jobs of such sessions from the history: those named, or all; with their results.

        Returns:
            How many there were.
        """
        return await self._queue.forget(job_ids, session_prefix)

    async def cancel(self, session: str, job: str) -> bool:
        """Have a job's last word be ``cancelled``; return whether it is not too late.

        Args:
            session: Whose it is; "" for whoever's.
            job: Its id.

        Raises:
            BridgeError: ``job_not_found``.
        """
        return await self._queue.cancel(session, job)

    async def attach(self, session: str, job: str) -> None:
        """Send the results of a job again, and its last word if it has ended.

        Raises:
            BridgeError: ``job_not_found``.
        """
        await self._queue.attach(session, job)

    async def results(self, session: str, job: str) -> Sequence[Result]:
        """Return what a job has handed back so far.

        Args:
            session: Whose it is; "" for whoever's.
            job: Its id.

        Raises:
            BridgeError: ``job_not_found``, or ``results_lost``.
        """
        messages = await self._queue.messages(session, job)
        return [message for message in messages if isinstance(message, Result)]

    # ---- streams -----------------------------------------------------------------------------

    async def set_stream(self, session: str, message: SetStream) -> Accepted:
        """Open a live stream, or change what it runs.

        Raises:
            WorkflowError: With every fault of the workflow; an open stream stays as it was.
            BridgeError: ``worker_failed``, or a preset's or value's fault.
        """
        prepared = await self._prepare(message)
        self._streams.set(session, message, prepared)
        return Accepted(message.request, warnings=prepared.warnings, texts=prepared.texts)

    def push_frame(self, session: str, message: StreamFrame) -> None:
        """Take a stream's newest frame.

        Raises:
            BridgeError: ``stream_not_found``, ``worker_crashed`` or ``worker_failed``.
        """
        self._raise_if_failed()
        self._streams.push(session, message)

    @property
    def live_streams(self) -> Sequence[LiveStream]:
        """The live streams of all clients, to look at."""
        return tuple(self._streams)

    def close_stream(self, session: str, stream: str) -> None:
        """End a live stream; its running frame is cancelled."""
        self._streams.close(session, stream)

    # ---- the worker --------------------------------------------------------------------------

    async def free(self) -> None:
        """Give the device's memory back once no job runs; what waits starts afterwards."""
        if self._supervisor.state != "ready":
            return
        await asyncio.shield(self._freeing.want())

    def warm_up(self) -> None:
        """Prepare the worker for pictures, as somebody is here who may want one soon; each worker once."""
        self._preparation.want()

    async def measure(self) -> Mapping[str, float]:
        """Return what the worker measures of itself (``bridge.engine.Measured``); nothing while it cannot."""
        return await self._figures.read()

    async def definitions(self) -> Definitions:
        """Return the nodes that exist; waits for the worker the first time ever.

        Raises:
            BridgeError: ``worker_failed``, or why its nodes cannot be loaded.
        """
        self._supervisor.revive()
        if self._definitions is None:
            await self._supervisor.settle()
            self._raise_if_failed()
        assert self._definitions is not None
        return self._definitions

    @property
    def state(self) -> State:
        """The worker's state, for clients."""
        state, detail = self._supervisor.state, self._supervisor.detail
        if state == "ready" and self._queue.is_running:
            state = "busy"
        elif state == "ready" and self._preparation.is_under_way:
            state, detail = "starting", "preparing for pictures"
        return State(
            state,
            detail,
            str(self._environment.get("device", "")),
            len(self._queue),
        )

    @property
    def worker_pid(self) -> int:
        """The worker's process id; 0 while there is none."""
        return self._supervisor.pid

    @property
    def queue_problem(self) -> str:
        """Why jobs cannot be kept at present; empty while they can."""
        return "" if self._queue.is_kept else self._queue.problem

    def status(self) -> dict[str, Any]:
        """Return the state in detail, as JSON data."""
        state = self.state
        return {
            "worker": state.worker,
            "detail": state.detail,
            "device": state.device,
            "queue_remaining": state.queue_remaining,
            "queue_problem": self._queue.problem,
            "queue_is_kept": self._queue.is_kept,
            "history": self.history.size(),
            "streams": len(self._streams),
            "worker_pid": self._supervisor.pid,
            "environment": dict(self._environment),
            "failures": dict(self._told.failures) if self._told else {},
        }

    @property
    def packs(self) -> Mapping[str, Mapping[str, str]]:
        """Return the folders of packs that others wrote: name → ``web``, ``locales``, ``examples``."""
        return self._told.packs if self._told else {}

    @property
    def _environment(self) -> Mapping[str, Any]:
        return self._told.environment if self._told else {}

    async def _prepare(self, message: Submit | SetStream) -> Prepared:
        definitions = await self.definitions()
        asked = message, definitions, self._choices, self._presets, self._prompts
        is_light = is_light_work(message, definitions)
        found = draft(*asked) if is_light else await asyncio.to_thread(draft, *asked)
        return found.prepared(await self._judgements.ask(found.questions))

    def _raise_if_failed(self) -> None:
        problem = self._supervisor.problem
        if self._supervisor.state == "failed" and problem:
            raise BridgeError(problem.message, code=problem.code, hint=problem.hint)

    def _receive(self, message: Message) -> None:
        if isinstance(message, Freed):
            self._freeing.end()
        elif isinstance(message, Warm):
            self._preparation.end()
        elif isinstance(message, Judged):
            self._judgements.receive(message)
        elif isinstance(message, Measured):
            self._figures.take(message)
        else:
            self._dispatcher.receive(message)

    def _worker_changed(self) -> None:
        ready = self._supervisor.ready
        if ready and ready is not self._told:
            self._learn(ready)
        self._preparation.begin()
        self._look_round_soon()

    def _learn(self, ready: Ready) -> None:
        is_news = self._told is None or self._told.definitions != ready.definitions
        self._told = ready
        self._definitions = read_definitions(ready.definitions)
        if is_news and self._definitions_file:
            save_definitions(self._definitions_file, ready.definitions)

    def _worker_lost(self, reason: str) -> None:
        self._preparation.lose()
        self._freeing.end()
        self._judgements.lose()
        self._figures.lose()
        self._dispatcher.lose(reason)

    def _look_round_soon(self) -> None:
        if not self._will_look_round:
            self._will_look_round = True
            asyncio.get_running_loop().call_soon(self._look_round)

    def _look_round(self) -> None:
        self._will_look_round = False
        problem = self._supervisor.problem
        if self._supervisor.state == "failed" and problem:
            self._queue.end_waiting("failed", problem)
            self._streams.fail_waiting(problem)
        elif self._supervisor.state == "ready" and not (self._preparation.is_under_way or self._is_closing):
            self._begin_some()
        if self._announced != (state := self.state):
            self._announced = state
            self._sessions.broadcast(state)

    def _begin_some(self) -> None:
        if self._freeing.is_under_way:
            return
        if self._freeing.is_wanted and not self._queue.is_running:
            self._freeing.begin()
        else:  # what runs keeps other jobs from beginning
            self._dispatcher.start_some([*self._queue.candidates(), *self._streams.candidates()])
