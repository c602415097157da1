"""What a running node may ask of the engine: progress, warnings, cancellation, turns, the frame, the folders.

1. One ``Job`` exists for each run of a workflow; it lives in the worker.
2. A node reaches its job through ``current_job()``; nothing is passed down by hand.
3. ``async with job.step()`` is where a running node loses its turn or is cancelled, so a sampler
   enters it once for every model call.
4. ``cancel()``, and ``emit()`` of what is not about the course of nodes, may be called from any thread;
   everything else belongs to the worker's event loop.
"""

import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Set
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.engine.shown import merge_shown
from bridge.engine.turns import Turns
from bridge.errors import Interrupted, Problem
from bridge.graph import Definitions
from bridge.protocol import Frame, Message, Plane, Preview, Progress, Result


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a job may read and write; nothing outside them.

    Args:
        input: Pictures that ``LoadImage`` may open.
        output: What is kept.
        temp: Previews; they live as long as the history that shows them.
        frames: Captured frames by content hash, so that a picture can be made again.
        models: Roots of the model folders, in search order.
    """

    input: Path
    output: Path
    temp: Path
    frames: Path
    models: tuple[Path, ...] = ()


@dataclass(slots=True, weakref_slot=True)
class Job:
    """One run of a workflow.

    Args:
        id: Names the job in every message.
        folders: Where it may read and write.
        emit: Takes messages for the client that asked; called on the event loop.
        turns: Shared by all jobs of this worker.
        workflow: The API JSON as it was submitted, for ``PROMPT``.
        extra: Kept with pictures, for ``EXTRA_PNGINFO``.
        frame: What ``ViewportFrame`` sees.
        wants_preview: Whether the client asked for pictures while sampling.
        wants_nodes: Whether the client wants to hear of each node.
        flush: Sends what ``emit`` has gathered; it goes by itself once the event loop is free.
        quick: Node classes that took no time when they ran last.
        environment: What pictures depend on besides the workflow; see ``NodeLibrary``.
        definitions: Of the nodes that can run.
        shown: What its nodes have shown so far, by the id of the workflow's node.
    """

    id: str
    folders: Folders
    emit: Callable[[Message], None] = lambda message: None
    turns: Turns = field(default_factory=Turns)
    workflow: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    frame: Frame | None = None
    wants_preview: bool = False
    wants_nodes: bool = False
    flush: Callable[[], None] = lambda: None
    quick: Set[str] = frozenset()
    environment: Mapping[str, Any] = field(default_factory=dict)
    definitions: Definitions = field(default_factory=dict)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the job to stop at its next step."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked the job to stop."""
        return self._cancelled.is_set()

    def raise_if_cancelled(self) -> None:
        """Stop here if somebody asked for it.

        Raises:
            Interrupted: If the job was cancelled.
        """
        if self.is_cancelled:
            raise Interrupted("the job was cancelled")

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Wait for this job's turn at the device; hold it for one model call.

        Raises:
            Interrupted: If the job was cancelled before the turn came or while it was held.
        """
        self.raise_if_cancelled()
        async with self.turns.take():
            self.raise_if_cancelled()
            yield
        self.raise_if_cancelled()

    def progress(self, value: float, maximum: float, node_id: str | None = None, *, detail: str = "") -> None:
        """Tell the client how far a node is: the current one, unless another is named.

        Args:
            value: What is done.
            maximum: Of how much.
            node_id: The node.
            detail: One sentence for people, of what is special about it.
        """
        node = current_node() if node_id is None else node_id
        self.emit(Progress(node, value, maximum, job=self.id, detail=detail))

    def preview(self, plane: Plane) -> None:
        """Show the client what the picture looks like so far."""
        self.emit(Preview(current_node(), (plane,), job=self.id))

    def send(self, planes: tuple[Plane, ...]) -> None:
        """Hand finished pictures to the client."""
        self.emit(Result(current_node(), planes, job=self.id))

    def show(self, ui: Mapping[str, Any]) -> None:
        """Report what the current node shows, in ComfyUI's form: ``{"images": [{"filename": …}]}``.

        Lists of a node that shows several times (it is mapped over a list) are joined.

        Raises:
            TypeError: If it holds what JSON cannot say.
            ValueError: If it holds a number that is not finite.
        """
        json.dumps(ui, allow_nan=False)
        merge_shown(_shown.get(), ui)

    def warn(self, code: str, message: str, hint: str = "", input_name: str = "") -> None:
        """Tell the client what is odd about the current node's work, which goes on in spite of it.

        It is told with the end of the run, once however often it is said; and again with every run that
        takes the node's result from the cache, because it is about the result. What is about the device is
        told of one node only: its code begins with ``device_``. A run that fails tells only why it failed.

        Args:
            code: Stable, lower case, for programs: ``empty_mask``.
            message: One sentence for people.
            hint: What they can do about it.
            input_name: The input of the node that it is about.
        """
        _warnings.get().append(Problem(code, message, hint, input_name=input_name, is_warning=True))


_job: ContextVar[Job] = ContextVar("job")
_node: ContextVar[str] = ContextVar("node", default="")
_place: ContextVar[str] = ContextVar("place", default="")
_shown: ContextVar[dict[str, Any]] = ContextVar("shown")
_warnings: ContextVar[list[Problem]] = ContextVar("warnings")


def current_job() -> Job:
    """Return the job that the calling node runs for.

    Raises:
        LookupError: If no node is running.
    """
    return _job.get()


def current_node() -> str:
    """Return the id of the running node, or an empty string."""
    return _node.get()


def current_place() -> str:
    """Return ``<own id>.<number of the call>.`` of the running node: how names that it expands to begin."""
    return _place.get()


class running:  # noqa: N801 - reads as a statement: async with running(job, node_id)
    """Make a job and a node the current ones; gives what the node shows.

    The executor enters this around each node (``async with``, or ``with`` for code that never waits);
    tests of a node do the same.

    Args:
        job: The job.
        node_id: Names the node in every message.
        warnings: Takes what the node warns of.
        place: See ``current_place``.
    """

    def __init__(
        self, job: Job, node_id: str, warnings: list[Problem] | None = None, place: str = ""
    ) -> None:
        self._job_and_node = job, node_id
        self._place = place or f"{node_id}.0."
        self._told = [] if warnings is None else warnings

    def __enter__(self) -> dict[str, Any]:
        job, node_id = self._job_and_node
        shown: dict[str, Any] = {}
        self._tokens = _job.set(job), _node.set(node_id), _shown.set(shown), _warnings.set(self._told)
        self._place_token = _place.set(self._place)
        return shown

    def __exit__(self, *error: object) -> None:
        job, node_id, shown, warnings = self._tokens
        _job.reset(job)
        _node.reset(node_id)
        _shown.reset(shown)
        _warnings.reset(warnings)
        _place.reset(self._place_token)

    async def __aenter__(self) -> dict[str, Any]:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()
