"""The worker: takes runs from a pipe, executes them on one event loop, and answers.

1. The main thread has the event loop and all computing. Each run is a task.
2. The control thread reads the pipe. It applies a cancellation at once, while the main thread may be
   in a model call, and begins a thread for each ``Judge``; everything else it hands to the event loop.
3. When the daemon's end of the pipe is closed, or it says ``Stop``, everything is cancelled and the
   worker leaves; if the main thread cannot be got out of a call in time, the process is left by force.
"""

import asyncio
import gc
import logging
import pkgutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from bridge.engine.cache import Cache
from bridge.engine.encoding import with_encoded_pictures
from bridge.engine.executor import execute
from bridge.engine.imports import importing
from bridge.engine.job import Folders, Job
from bridge.engine.judging import JUDGE_S, judge
from bridge.engine.library import NodeLibrary
from bridge.engine.log import log_ids
from bridge.engine.messages import (
    TO_WORKER,
    Cached,
    CancelRun,
    Configure,
    Executed,
    Executing,
    Freed,
    FreeMemory,
    Judge,
    Judged,
    Measure,
    Measured,
    Ready,
    Run,
    Stop,
    Warm,
    WarmUp,
    WorkerFailed,
)
from bridge.engine.outbox import Outbox
from bridge.engine.phases import PhaseBook
from bridge.engine.pipe import ByteSink, ByteSource, read_message
from bridge.engine.turns import Turns
from bridge.errors import (
    BridgeError,
    Interrupted,
    LocalProtocolError,
    OutOfMemory,
    Problem,
    problem_of,
    reason_of,
)
from bridge.graph import PICTURE_FOLDERS, parse_workflow
from bridge.protocol import Finished, Message, Started

log = logging.getLogger(__name__)

GRACE_S = 2.0
"""How long the main thread may take to leave."""

CACHE_BYTES = 1024 * 1024 * 1024
"""What cached results may hold where the settings do not say."""


QUICK_S = 0.002
"""A node that took less may keep what is told of it waiting while it runs."""

GATHERED = (Started, Cached, Executing, Executed)
"""What is told of nodes; of a run that takes no time, all in one piece."""


class Worker:
    """One worker process.

    Args:
        source: Messages from the daemon.
        sink: Messages to the daemon.
        bootstrap: ``package.module:callable``; the callable takes the settings and returns a ``NodeLibrary``.
        abandon: Leaves the process by force; called on the control thread.
    """

    def __init__(
        self, source: ByteSource, sink: ByteSink, bootstrap: str, abandon: Callable[[], None]
    ) -> None:
        self._source = source
        self._outbox = Outbox(sink, "worker-writer")
        self._bootstrap = bootstrap
        self._abandon = abandon
        self._turns = Turns()
        self._jobs: dict[str, Job] = {}  # also read by the control thread
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._begun: set[str] = set()
        self._quick: set[str] = set()
        self._will_flush = False
        self._freeing: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._has_left = threading.Event()

    async def serve(self) -> int:
        """Serve the daemon until it goes or says so; return the exit status."""
        first = read_message(self._source, TO_WORKER)
        if first is None:
            return 0
        assert isinstance(first, Configure), "the daemon speaks first, and says how to work"
        self._loop = asyncio.get_running_loop()
        self._folders = folders_of(first.settings)
        self._cache = Cache(first.settings.get("cache_bytes") or CACHE_BYTES)
        control = threading.Thread(target=self._control, name="worker-control", daemon=True)
        control.start()
        try:
            if not self._load(first.settings):
                return 1
            await self._stopping.wait()
            await self._cancel_everything()
            return 0
        finally:
            self._outbox.close(GRACE_S)
            self._has_left.set()

    def _load(self, settings: Mapping[str, Any]) -> bool:
        try:
            with importing():
                self._library: NodeLibrary = pkgutil.resolve_name(self._bootstrap)(settings)
            self._phases = PhaseBook(self._library.registry.definitions)
            gc.freeze()  # a full collection of all that torch and its friends define takes 300 ms
            self._outbox.put(_ready(self._library))
        except BaseException as error:  # whatever the imports of all nodes and their needs raise
            log.exception("the nodes cannot be loaded")
            self._outbox.put(WorkerFailed((_why_not_loaded(error),)))
            return False
        return True

    # ---- the control thread ------------------------------------------------------------------

    def _control(self) -> None:
        try:
            while (message := read_message(self._source, TO_WORKER)) and not isinstance(message, Stop):
                self._take(message)
        except Exception:  # of the protocol, or our own: nobody would hear the daemon any more
            log.exception("the daemon cannot be understood")
        for job in list(self._jobs.values()):
            job.cancel()
        with suppress(RuntimeError):  # the main thread has left already, and closed its loop
            self._loop.call_soon_threadsafe(self._stopping.set)
        if not self._has_left.wait(GRACE_S):
            self._abandon()

    def _take(self, message: Message) -> None:
        if isinstance(message, CancelRun):
            job = self._jobs.get(message.job)
            if job:
                job.cancel()
                self._loop.call_soon_threadsafe(self._interrupt, job)
        elif isinstance(message, Run):
            job = Job(
                message.job,
                self._folders,
                emit=self._emit_gathered if message.wants_nodes else self._outbox.put,
                turns=self._turns,
                workflow=message.prompt or message.workflow,
                extra=message.extra,
                frame=message.frame,
                wants_preview=message.wants_preview,
                wants_nodes=message.wants_nodes,
                flush=self._outbox.flush,
                quick=self._quick,
            )
            self._jobs[job.id] = job
            self._loop.call_soon_threadsafe(self._begin, job, message)
        elif isinstance(message, Judge):
            threading.Thread(target=self._judge, args=(message,), name="worker-judges", daemon=True).start()
        elif isinstance(message, Measure):
            self._outbox.put(Measured(self._figures()))
        elif isinstance(message, WarmUp):
            self._loop.call_soon_threadsafe(self._warm_up)
        else:
            assert isinstance(message, FreeMemory), f"the daemon does not say {message.type} here"
            self._loop.call_soon_threadsafe(self._begin_freeing)

    def _figures(self) -> Mapping[str, float]:
        own = {
            "model_cache_hits": self._phases.model_cache_hits,
            "cache_bytes": self._cache.statistics.bytes,
        }
        try:
            return {**own, **self._library.measure()}
        except Exception:  # a device that is broken; what it broke will say so itself
            log.exception("the device cannot be measured")
            return own

    def _judge(self, message: Judge) -> None:
        problems = judge(self._library.registry, message.questions, JUDGE_S)
        self._outbox.put(Judged(message.request, problems))

    # ---- the event loop ----------------------------------------------------------------------

    def _begin(self, job: Job, run: Run) -> None:
        job.environment = self._library.environment  # here, because a run may come before the nodes
        job.definitions = self._library.registry.definitions
        self._tasks[job.id] = self._loop.create_task(self._run(job, run))

    def _interrupt(self, job: Job) -> None:
        """Wake a node that waits for something else than its turn."""
        if job.id in self._begun:  # a task cancelled earlier would never run, and never say ``Finished``
            self._tasks[job.id].cancel()

    async def _run(self, job: Job, run: Run) -> None:
        self._begun.add(job.id)
        job.emit(Started(job=job.id))
        try:
            with log_ids(job=job.id):
                finished = await self._finished(job, run)
        except (Interrupted, asyncio.CancelledError):
            finished = Finished("cancelled", job=job.id, outputs=job.shown)
        except BridgeError as error:
            finished = Finished("failed", job=job.id, outputs=job.shown, problems=error.problems)
            if isinstance(error, OutOfMemory):
                self._make_room(job)
        except Exception as error:  # a fault of the engine must not take other runs down
            with log_ids(job=job.id):
                finished = Finished("failed", job=job.id, outputs=job.shown, problems=(problem_of(error),))
        del self._jobs[job.id], self._tasks[job.id]
        self._begun.discard(job.id)
        self._put_last(finished)

    def _emit_gathered(self, message: Message) -> None:
        """Send pictures as files, and what is told of nodes together with what follows at once."""
        if not isinstance(message, GATHERED):
            self._outbox.put(with_encoded_pictures(message))
            return
        self._outbox.hold(message)
        if not self._will_flush:
            self._will_flush = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        self._outbox.flush()

    def _note_speed(self, seconds: Mapping[str, float]) -> None:
        for class_type, took in seconds.items():
            (self._quick.add if took < QUICK_S else self._quick.discard)(class_type)

    def _put_last(self, finished: Finished) -> None:
        try:
            self._outbox.put(finished)
        except LocalProtocolError as error:  # what a node shows, or a file's name, cannot be said
            self._outbox.put(Finished("failed", job=finished.job, problems=error.problems))

    async def _finished(self, job: Job, run: Run) -> Finished:
        began = perf_counter()
        workflow = parse_workflow(run.workflow)
        outcome = await execute(workflow, run.outputs, self._library.registry, self._cache, job)
        self._note_speed(outcome.seconds)
        classes = (node.class_type for node in workflow.nodes.values())
        timings = {"run": perf_counter() - began, **self._phases.enter(outcome.seconds, classes)}
        return Finished("done", job=job.id, outputs=outcome.shown, timings=timings, problems=outcome.problems)

    def _make_room(self, job: Job) -> None:
        """Give memory back after it ran out, unless that would take models from other runs."""
        self._cache.clear()
        if self._tasks.keys() == {job.id}:
            self._free_models()

    def _begin_freeing(self) -> None:
        task = self._loop.create_task(self._free())
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)

    async def _free(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks.values())
        self._cache.clear()
        self._free_models()
        self._outbox.put(Freed())

    def _warm_up(self) -> None:
        gc.collect()  # so that what is frozen below is no garbage
        try:
            self._library.warm_up()
        except (Exception, SystemExit):  # whatever imports raise; each picture will say so
            log.exception("the worker cannot be prepared for pictures")
        gc.freeze()
        self._outbox.put(Warm())

    def _free_models(self) -> None:
        try:
            self._library.free()
        except Exception:  # foreign code; the daemon must get its answer
            log.exception("not all memory could be given back")

    async def _cancel_everything(self) -> None:
        tasks = [*self._tasks.values(), *self._freeing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def folders_of(settings: Mapping[str, Any]) -> Folders:
    """Return where jobs may read and write; what the settings leave out is the working directory."""
    named = {name: Path(settings.get(name, ".")) for name in (*PICTURE_FOLDERS, "frames")}
    return Folders(**named, models=tuple(Path(root) for root in settings.get("models", ())))


def _ready(library: NodeLibrary) -> Ready:
    registry = library.registry
    return Ready(
        {name: definition.to_json() for name, definition in registry.definitions.items()},
        library.environment,
        {failure.module: failure.reason for failure in registry.failures},
        library.packs,
    )


def _why_not_loaded(error: BaseException) -> Problem:
    if isinstance(error, BridgeError):
        return error.problem
    message = f"the nodes cannot be loaded: {reason_of(error)}"
    return Problem("worker_failed", message, "The daemon's log has the details.")
