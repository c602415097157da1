"""What the daemon answers about models: lists, cards, verdicts, what is lacking, and pulls.

Files are read and sources asked in threads; what takes long holds up nobody.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bridge.builtin import expand_preset
from bridge.daemon.settings import Settings, data_folder
from bridge.daemon.threads import Threads
from bridge.downloads import Choices, Consent, Network, Planner, Pulls, PullStatus, Web, credentials
from bridge.graph import parse_workflow
from bridge.jobs import JobService
from bridge.models import (
    Card,
    card,
    cards,
    count_models,
    curated_models,
    find_folders,
    folder_at,
    lacking_models,
    read_header,
    register,
    registry_file,
    thumbnail,
    verify,
)
from bridge.protocol import (
    AddFolder,
    Answer,
    CancelPull,
    LackingModels,
    ListModels,
    Message,
    ModelInfo,
    PlanPull,
    Pull,
    PullState,
    VerifyModel,
    encode,
)

MAX_THREADS = 8
"""So many questions are looked into at once; others wait."""

MAX_LOOKUPS = 8
"""The same for those that ask a source, which may not answer: they hold up no others."""

MOST_LIST_BYTES = 3 * 1024 * 1024
"""Of the cards in one answer; a message takes 4 MiB of JSON."""


class ModelDesk:
    """Answers what clients ask about models.

    Args:
        settings: Where models lie.
        service: Knows the nodes, and reaches every client.
        network: Where models are pulled from.

    Attributes:
        handlers: Type of a message → what answers it.
        answers: Subject of a ``query`` → what answers it.
    """

    def __init__(self, settings: Settings, service: JobService, network: Network) -> None:
        self._catalogue = settings.catalogue
        self._service = service
        self._preset_folders = settings.preset_folders
        self._threads = Threads(MAX_THREADS)
        self._lookups = Threads(MAX_LOOKUPS)
        self._loop: asyncio.AbstractEventLoop | None = None
        planner = Planner(lambda given: Web(network, credentials(given)), data_folder() / "models")
        self._pulls = Pulls(planner, self._tell)
        self.handlers: Mapping[type[Message], Callable[[Any], Awaitable[Message]]] = {
            ListModels: self._list,
            ModelInfo: self._info,
            VerifyModel: self._verify,
            LackingModels: self._lacking,
            AddFolder: self._add_folder,
            PlanPull: self._plan,
            Pull: self._pull,
            CancelPull: self._cancel,
        }
        self.answers: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "model_folders": self._folders,
            "pulls": lambda: {"pulls": [json.loads(encode(_state(each))) for each in self._pulls.statuses]},
        }

    @property
    def is_busy(self) -> bool:
        """Whether something is being pulled."""
        return self._pulls.is_busy

    def close(self) -> None:
        """Stop pulling; what is here already is kept for the next time."""
        self._pulls.close()

    async def _list(self, message: ListModels) -> Answer:
        found = await self._threads.call(lambda: list(cards(self._catalogue, message.folder)))
        listed, size = [], 0
        for each in found:
            entry = _short(each)
            size += len(json.dumps(entry))
            if size > MOST_LIST_BYTES:
                break
            listed.append(entry)
        return Answer(message.request, {"models": listed, "left_out": len(found) - len(listed)})

    async def _info(self, message: ModelInfo) -> Answer:
        return Answer(message.request, await self._threads.call(self._known, message.folder, message.name))

    def _known(self, folder: str, name: str) -> Mapping[str, Any]:
        found = card(self._catalogue, folder, name)
        picture = b""
        if found.has_thumbnail:
            path = Path(found.path)
            picture = thumbnail(path, {} if path.is_dir() or found.fault else read_header(path).metadata)
        return {"model": found.to_json(), "thumbnail": base64.b64encode(picture).decode()}

    async def _verify(self, message: VerifyModel) -> Answer:
        verdict = await self._threads.call(verify, self._catalogue, message.folder, message.name)
        return Answer(message.request, {"verdict": verdict.to_json()})

    async def _lacking(self, message: LackingModels) -> Answer:
        workflow = await self._threads.call(self._workflow, message)
        definitions = await self._service.definitions()
        found = await self._threads.call(
            lacking_models, workflow, definitions, self._catalogue, message.editor
        )
        return Answer(message.request, {"lacking": [each.to_json() for each in found]})

    def _workflow(self, message: LackingModels) -> Mapping[str, Any]:
        if message.preset:
            return expand_preset(message.preset, message.values, self._preset_folders)
        return parse_workflow(message.workflow).to_json() if message.workflow else {}

    async def _add_folder(self, message: AddFolder) -> Answer:
        folder = await self._threads.call(folder_at, Path(message.path))
        await self._threads.call(register, registry_file(), folder)
        count = await self._threads.call(count_models, folder)
        return Answer(message.request, {"path": str(folder.path), "models": count})

    async def _plan(self, message: PlanPull) -> Answer:
        choices = Choices(message.folder, message.name, message.sha256)
        plan = await self._lookups.call(self._pulls.plan, message.source, choices)
        return Answer(message.request, plan.to_json())

    async def _pull(self, message: Pull) -> Answer:
        self._loop = asyncio.get_running_loop()
        consent = Consent(message.source, message.bytes, message.licence)
        status = self._pulls.start(message.plan, consent)
        return Answer(message.request, {"pull": status.id})

    async def _cancel(self, message: CancelPull) -> Answer:
        return Answer(message.request, {"cancelled": self._pulls.cancel(message.pull)})

    def _folders(self) -> Mapping[str, Any]:
        folders = [folder.path for folder in self._catalogue.folders]
        return {
            "folders": [str(path) for path in folders],
            "found": [each.to_json() for each in find_folders(folders)],
            "curated": [each.to_json() for each in curated_models().values()],
        }

    def _tell(self, status: PullStatus) -> None:
        """Pass on how a pull stands; called from its thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._service.tell_all, _state(status))


def _state(status: PullStatus) -> PullState:
    problems = (status.problem,) if status.problem else ()
    return PullState(status.id, status.state, status.folder, status.name, status.done, status.total, problems)


def _short(found: Card) -> dict[str, Any]:
    """Return a card for a list: without what only its own page shows."""
    return {key: value for key, value in found.to_json().items() if key != "description"}
