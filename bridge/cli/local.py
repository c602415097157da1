"""Jobs without a daemon: the same queue and the same worker, in this process and its child."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.client import error_of
from bridge.daemon import Settings, create_service
from bridge.graph import Definitions
from bridge.jobs import JobService
from bridge.protocol import Accepted, Finished, Message, Result, Started, Submit

SESSION = "cli"


@dataclass(frozen=True, slots=True)
class LocalOutcome:
    """A job that is done: what was odd, what was sent to the host, and the last word."""

    accepted: Accepted
    results: tuple[Result, ...]
    finished: Finished


class LocalJobs:
    """One session on a job service of our own."""

    def __init__(self, service: JobService) -> None:
        self.service = service
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        service.connect(SESSION, self._messages.put_nowait)

    async def run(self, submit: Submit, on_message: Callable[[Message], None]) -> LocalOutcome:
        """Run a job to its end.

        Args:
            submit: What to run.
            on_message: Sees everything on the way.

        Raises:
            WorkflowError: With every fault of the workflow.
            BridgeError: Why the job failed; ``Interrupted`` if somebody cancelled it.
        """
        accepted = await self.service.submit(SESSION, submit)
        results: list[Result] = []
        while True:
            message = await self._messages.get()
            on_message(message)
            match message:
                case Started(job=accepted.job):
                    results.clear()  # a worker died, and the job begins anew
                case Result(job=accepted.job):
                    results.append(message)
                case Finished(job=accepted.job, state="done"):
                    return LocalOutcome(accepted, tuple(results), message)
                case Finished(job=accepted.job):
                    raise error_of(message)


async def node_definitions() -> Definitions:
    """Return the nodes that workflows may use."""
    async with local_jobs(Settings()) as jobs:
        return await jobs.service.definitions()


@asynccontextmanager
async def local_jobs(settings: Settings) -> AsyncIterator[LocalJobs]:
    """Start a worker, and end it with the block.

    Its node definitions are always its own: a node written a moment ago is there.
    """
    service = create_service(settings, definitions_file=None)
    await service.start()
    try:
        yield LocalJobs(service)
    finally:
        await service.close()


def saved_files(outcome: LocalOutcome, settings: Settings) -> list[Path]:
    """Return the files that output nodes wrote."""
    items = [
        item
        for node in outcome.finished.outputs.values()
        for shown in node.values()
        for item in _files(shown)
    ]
    return [settings.folders[item["type"]] / item["subfolder"] / item["filename"] for item in items]


def _files(shown: Any) -> list[Mapping[str, str]]:
    return (
        [item for item in shown if isinstance(item, dict) and "filename" in item]
        if isinstance(shown, list)
        else []
    )
