"""Running a workflow: outputs ask for what they need, and whatever is ready runs.

1. Asking for a node looks into the cache first; what is found there needs nothing further. What lies
   upstream of it is looked up all the same: it keeps its place in the cache, and shows what it showed.
   A node that shows a file which has been deleted runs again.
2. A node is ready when everything that its links lead to is done, lazy links excepted until the node
   asks for them. Of those ready, output nodes run first, then those asked for first.
3. Plain nodes run on the event loop, one at a time. Async nodes run beside whatever else is ready.
4. Two nodes with one signature run once; the second takes over what the first left behind.
5. A node that expands is done when the nodes it named are, and speaks for them: progress, errors and
   what they show carry its id.
6. The first error ends the run; what is done by then stays in the cache, and outputs that have begun, such
   as a picture that is being saved, are finished first.
7. What a blocker stops does not run, and the run goes on; a blocker's message is told, as a warning, by the
   node that it stopped first.
8. The calls of an async node that is mapped over a list go on beside each other.
9. Between two nodes other runs get the event loop, once this one had it for ``SLICE_S``.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from time import perf_counter
from typing import Any

from bridge.engine.cache import Cache, Entry
from bridge.engine.call import (
    ExecutionBlocker,
    Expansion,
    all_of,
    arguments,
    blocker_among,
    call_accepted,
    gather,
    is_async,
    slots,
)
from bridge.engine.failure import blamed_on
from bridge.engine.job import Job, running
from bridge.engine.node_events import NodeEvents
from bridge.engine.plan import DynamicPrompt, Plan
from bridge.engine.shown import is_gone, merge_shown
from bridge.engine.step import Step
from bridge.engine.turns import give_way
from bridge.errors import BridgeError, ExecutionError, Interrupted, Problem
from bridge.graph import Link, Registry, Workflow, links_of

BLOCKED = "blocked"
"""Code of the warning that a node did not run."""

ABOUT_DEVICE = "device_"
"""How codes of warnings begin that are about the device: what one node has told, no other repeats."""

SLICE_S = 0.01
"""How long a run may keep the event loop between nodes while others wait."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind.

    Args:
        outputs: Of each node that was asked for, the list of values of each slot.
        shown: What nodes show, by the id of the workflow's node.
        seconds: How long nodes ran, by class; what came from the cache is not in it.
        problems: What nodes warned of, or were kept from running by; the rest of the run went on.
    """

    outputs: Mapping[str, tuple[list[Any], ...]]
    shown: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    problems: tuple[Problem, ...] = ()


async def execute(
    workflow: Workflow, outputs: Iterable[str], registry: Registry, cache: Cache, job: Job
) -> Outcome:
    """Run what some nodes of a workflow need, and them.

    Args:
        workflow: Validated, with converted values.
        outputs: Ids of the nodes that are wanted.
        registry: The nodes that exist.
        cache: Results of earlier runs; takes those of this one.
        job: Whom to ask about progress, turns and cancellation.

    Raises:
        Interrupted: If the job was cancelled; ``asyncio.CancelledError`` if the calling task was.
        BridgeError: With the id of the node that failed.
    """
    return await _Execution(workflow, registry, cache, job).run(list(outputs))


class _Execution:
    """One run of one workflow."""

    def __init__(self, workflow: Workflow, registry: Registry, cache: Cache, job: Job) -> None:
        self._plan = Plan(workflow.nodes, registry, job)
        self._dynamic_prompt = DynamicPrompt(self._plan)
        self._registry = registry
        self._cache = cache
        self._job = job
        self._folders = {"output": job.folders.output, "temp": job.folders.temp}
        self._steps: dict[str, Step] = {}
        self._visited: set[str] = set()
        self._firsts: dict[str, Step] = {}  # by signature
        self._followers: dict[str, list[Step]] = {}  # by the id they wait for
        self._ready: list[Step] = []
        self._tasks: dict[asyncio.Task[None], Step] = {}
        self._shown = job.shown = {}
        self._problems: list[Problem] = []
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._slice_began = perf_counter()
        self._events = NodeEvents(job, self._plan)

    async def run(self, outputs: list[str]) -> Outcome:
        self._job.raise_if_cancelled()
        await self._plan.extend(outputs)
        try:
            for node_id in outputs:
                self._want(node_id)
            known = (node_id for node_id, key in self._plan.keys.items() if self._cache.knows(key))
            self._events.begin(known)
            while self._ready or self._tasks:
                await self._advance()
        except BridgeError as error:
            if not isinstance(error, Interrupted):
                await self._finish_outputs()
            raise
        finally:
            await self._abandon_tasks()
        self._raise_if_stuck()
        done = {node_id: self._done(node_id).outputs for node_id in outputs}
        return Outcome(done, self._shown, self._seconds, tuple(self._problems))

    # ---- asking ------------------------------------------------------------------------------

    def _want(self, node_id: str) -> None:
        waiting = [(node_id, True)]
        while waiting:
            node_id, is_needed = waiting.pop()
            if node_id not in self._steps and (is_needed or node_id not in self._visited):
                waiting.extend(reversed(self._open(node_id, is_needed)))

    def _open(self, node_id: str, is_needed: bool) -> list[tuple[str, bool]]:
        """Look for a node in the cache, else note that it must run; return what to look at next (rule 1)."""
        node = self._plan.nodes[node_id]
        step = Step(node, self._registry[node.class_type], len(self._steps))
        step.is_volatile = node_id in self._plan.volatile
        key = self._plan.keys[node_id]
        parents = [link.node_id for _, link in step.used_links]
        entry = self._cache.get(key)
        if entry is not None and is_gone(entry.shown, self._folders):
            self._cache.drop(key)
            entry = None
        self._visited.add(node_id)
        if entry is not None or not is_needed:
            if entry is not None:
                self._steps[node_id] = step
                self._finish(step, entry)
            return [(parent, False) for parent in parents]
        self._steps[node_id] = step
        step.twin = self._firsts.get(key)
        self._firsts.setdefault(key, step)
        needed = [step.twin.node.id] if step.twin else parents
        self._wait_for(step, needed)
        return [(parent, True) for parent in needed]

    def _wait_for(self, step: Step, node_ids: Iterable[str]) -> None:
        """Make a step ready once these nodes are done; at once if they are."""
        for node_id in node_ids:
            if not self._is_done(node_id) and node_id not in step.waits_for:
                step.waits_for.add(node_id)
                self._followers.setdefault(node_id, []).append(step)
        if not step.waits_for:
            heappush(self._ready, step)

    # ---- running -----------------------------------------------------------------------------

    async def _advance(self) -> None:
        if not self._ready:
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._tasks[task]
                task.result()
            return
        step = heappop(self._ready)
        if step.twin:
            step.is_volatile = step.twin.is_volatile
            self._finish(step, self._done(step.twin.node.id))
        elif step.calls is not None:
            self._conclude(step)
        elif not await self._ask_for_lazy_inputs(step):
            await self._start(step)

    async def _start(self, step: Step) -> None:
        self._job.raise_if_cancelled()
        if is_async(step.function.call) and (self._ready or self._tasks):
            self._tasks[asyncio.create_task(self._run(step))] = step
            await asyncio.sleep(0)  # it begins before what is ready after it
            return
        await self._run(step)
        if perf_counter() - self._slice_began > SLICE_S:
            await give_way()
            self._slice_began = perf_counter()

    async def _ask_for_lazy_inputs(self, step: Step) -> bool:
        """Have a node look at what it has; return whether it must wait for more."""
        if step.function.needs is None:
            return False
        definition = step.function.definition
        lazy = {
            name: link
            for name, link in links_of(step.node)
            if name not in step.asked and (entry := definition.input(name)) and entry.is_lazy
        }
        with self._blamed_on(step):
            wanted: set[str] = set()
            for number, values in enumerate(arguments(definition, self._inputs(step))):
                if not blocker_among(definition, values):
                    with self._running(step, number):
                        names = call_accepted(step.function.needs, values)
                        wanted.update(await names if is_async(step.function.needs) else names)
            wanted &= lazy.keys()
        if not wanted:
            return False
        step.asked |= wanted
        needed = [link.node_id for name, link in lazy.items() if name in wanted]
        for node_id in needed:
            self._want(node_id)
        self._wait_for(step, needed)
        return True

    async def _run(self, step: Step) -> None:
        definition = step.function.definition
        began = perf_counter()
        self._events.start(step)
        with self._events.failure(step, self._inputs), self._blamed_on(step):
            calls = arguments(definition, self._inputs(step))
            if len(calls) > 1 and is_async(step.function.call):
                waiting = [self._call(step, number, values) for number, values in enumerate(calls)]
                results = await all_of(waiting)
            else:
                results = [await self._call(step, number, values) for number, values in enumerate(calls)]
            self._seconds[definition.name] += perf_counter() - began
            for _, shown in results:
                merge_shown(step.own_shown, shown)
            step.calls = [slots(definition, result) for result, _ in results]
            await self._expand(step, [result for result, _ in results])

    async def _call(self, step: Step, number: int, values: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Call a node once; return its result and what it showed."""
        blocker = blocker_among(step.function.definition, values)
        if blocker:
            if blocker.message:
                step.warnings.append(Problem(BLOCKED, blocker.message, is_warning=True))
            return ExecutionBlocker(), {}
        self._job.raise_if_cancelled()
        with self._running(step, number) as shown:
            result = step.function.call(**values, **self._hidden(step))
            return (await result if is_async(step.function.call) else result), shown

    def _running(self, step: Step, number: int) -> running:
        node_id = step.node.id
        return running(self._job, self._plan.display(node_id), step.warnings, f"{node_id}.{number}.")

    def _blamed_on(self, step: Step) -> AbstractContextManager[None]:
        return blamed_on(self._plan.display(step.node.id), step.node.class_type)

    def _inputs(self, step: Step) -> dict[str, list[Any]]:
        """Return the list of values of each given input; a lazy one not asked for has one ``None``."""
        definition, given = step.function.definition, step.node.inputs
        used = {name for name, _ in step.used_links}
        declared = [entry.name for entry in definition.inputs if entry.name in given]
        taken = [name for name, value in given.items() if definition.takes(name, value)]
        raw = {entry.name for entry in definition.inputs if entry.is_raw_link}
        inputs: dict[str, list[Any]] = {}
        for name in dict.fromkeys((*declared, *taken)):
            value = given[name]
            if isinstance(value, Link) and name not in used:
                inputs[name] = [None]
            elif isinstance(value, Link) and name not in raw:
                inputs[name] = self._brought(value)
            else:
                inputs[name] = [value]
        return inputs

    def _hidden(self, step: Step) -> dict[str, Any]:
        known = {
            "PROMPT": self._job.workflow,
            "EXTRA_PNGINFO": self._job.extra,
            "UNIQUE_ID": step.node.id,
            "DYNPROMPT": self._dynamic_prompt,
        }
        return {name: known.get(kind) for name, kind in step.function.definition.hidden.items()}

    # ---- finishing ---------------------------------------------------------------------------

    async def _expand(self, step: Step, results: list[Any]) -> None:
        """Ask for the nodes that a node's calls named; conclude at once if there are none."""
        wanted: list[str] = []
        for number, result in enumerate(results):
            if isinstance(result, Expansion):
                assert step.calls is not None
                step.calls[number], needed = await self._plan.expand(step.node.id, number, result)
                wanted.extend(needed)
        for node_id in wanted:
            self._want(node_id)
        unfinished = [node_id for node_id in wanted if not self._is_done(node_id)]
        if unfinished:
            self._wait_for(step, unfinished)
        else:
            self._conclude(step)

    def _conclude(self, step: Step) -> None:
        """Collect what the calls of a node, and the nodes it named, left behind."""
        assert step.calls is not None
        outputs = gather(step.function.definition, step.calls, self._linked)
        children = [
            self._steps[node_id] for node_id in self._plan.children(step.node.id) if self._is_done(node_id)
        ]
        shown = dict(step.own_shown)
        warnings = list(step.warnings)
        for child in children:
            entry = self._done(child.node.id)
            merge_shown(shown, entry.shown)
            warnings += entry.warnings
        links = [link for _, link in step.used_links]
        links += [content for call in step.calls for content in call if isinstance(content, Link)]
        sources = [*children, *(self._steps[link.node_id] for link in links)]
        step.is_volatile = step.is_volatile or any(source.is_volatile for source in sources)
        entry = Entry(outputs, shown, tuple(dict.fromkeys(warnings)))
        if not step.is_volatile:
            self._cache.put(self._plan.keys[step.node.id], entry)
        self._finish(step, entry)

    def _linked(self, content: Any) -> list[Any] | None:
        return self._brought(content) if isinstance(content, Link) else None

    def _brought(self, link: Link) -> list[Any]:
        """Return the values behind a link; a node may give fewer than links ask for, which blocks."""
        outputs = self._done(link.node_id).outputs
        return outputs[link.slot] if link.slot < len(outputs) else [ExecutionBlocker()]

    def _finish(self, step: Step, entry: Entry) -> None:
        step.entry = entry
        node_id = step.node.id
        self._events.finish(step, entry)
        if self._plan.display(node_id) == node_id:
            self._report(step, entry)
        for follower in self._followers.pop(node_id, ()):
            follower.waits_for.discard(node_id)
            if not follower.waits_for:
                heappush(self._ready, follower)

    def _report(self, step: Step, entry: Entry) -> None:
        """Tell what a node of the workflow shows, what it warns of, and what kept it from running."""
        node = step.node
        if entry.shown:
            merge_shown(self._shown.setdefault(node.id, {}), entry.shown)
        for warning in entry.warnings:
            is_told = any(told.message == warning.message for told in self._problems)
            if is_told and warning.code.startswith(ABOUT_DEVICE):
                continue
            message = warning.message
            if warning.code == BLOCKED:
                message = f"{node.class_type} did not run: {message}"
            self._problems.append(replace(warning, message=message, node_id=node.id))

    def _is_done(self, node_id: str) -> bool:
        step = self._steps.get(node_id)
        return step is not None and step.entry is not None

    def _done(self, node_id: str) -> Entry:
        entry = self._steps[node_id].entry
        assert entry is not None, f"node {node_id} is not done"
        return entry

    def _raise_if_stuck(self) -> None:
        """Find nodes that wait for each other, which only an expansion can bring about."""
        stuck = next((step for step in self._steps.values() if step.entry is None), None)
        if stuck:
            raise ExecutionError(
                f"{stuck.node.class_type} and the nodes it expands to wait for each other",
                code="cycle",
                hint="This is a fault of the node's code.",
                node_id=self._plan.display(stuck.node.id),
            )

    async def _finish_outputs(self) -> None:
        """Wait for the outputs that have begun, whatever becomes of them."""
        begun = [task for task, step in self._tasks.items() if step.function.definition.is_output]
        await asyncio.gather(*begun, return_exceptions=True)

    async def _abandon_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
