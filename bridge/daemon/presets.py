"""What the daemon answers about presets: which there are, and making one of a workflow."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from bridge.builtin import (
    Draft,
    all_presets,
    chosen,
    make_preset,
    name_of,
    offer_of,
    remove_preset,
    save_preset,
)
from bridge.daemon.settings import Settings
from bridge.errors import BridgeError
from bridge.graph import parse_workflow
from bridge.jobs import JobService
from bridge.protocol import Answer, InspectWorkflow, Message, RemovePreset, SavePreset

logger = logging.getLogger(__name__)


class PresetDesk:
    """Answers what clients ask about presets.

    Args:
        settings: Where presets and models lie.
        service: Knows the nodes.

    Attributes:
        handlers: Type of a message → what answers it.
        answers: Subject of a ``query`` → what answers it.
    """

    def __init__(self, settings: Settings, service: JobService) -> None:
        self._folders = settings.preset_folders
        self._catalogue = settings.catalogue
        self._service = service
        self._logging = threading.Lock()  # queries are answered in threads of their own
        self._logged: set[str] = set()
        self.handlers: Mapping[type[Message], Callable[[Any], Awaitable[Message]]] = {
            InspectWorkflow: self._inspect,
            SavePreset: self._save,
            RemovePreset: self._remove,
        }
        self.answers = {"presets": self._list}

    def _list(self) -> Mapping[str, Any]:
        found, faults = all_presets(self._folders)
        self._log(faults)
        names = cache(self._catalogue.names)  # many presets want the same kinds of models
        return {
            "presets": [preset.to_json(names) for preset in found.values()],
            "faults": [fault.problem.to_json() for fault in faults],
        }

    def _log(self, faults: Iterable[BridgeError]) -> None:
        """Log what is wrong with files, but for what was wrong with them at the last query."""
        told = {str(fault.problem) for fault in faults}
        with self._logging:
            for text in sorted(told - self._logged):
                logger.warning("%s", text)
            self._logged = told

    async def _inspect(self, message: InspectWorkflow) -> Answer:
        offer = offer_of(parse_workflow(message.workflow), await self._service.definitions())
        return Answer(message.request, asdict(offer))

    async def _save(self, message: SavePreset) -> Answer:
        workflow, definitions = parse_workflow(message.workflow), await self._service.definitions()
        suggested = offer_of(workflow, definitions).suggested
        shown = [chosen(place, label, suggested) for place, label in message.shown.items()] or suggested
        draft = Draft(message.title, workflow, shown, message.feeds, message.description)
        data, name = make_preset(draft, definitions), name_of(message.title)
        await asyncio.to_thread(save_preset, self._folders[0], name, data, message.replaces)
        return Answer(message.request, {"name": name})

    async def _remove(self, message: RemovePreset) -> Answer:
        await asyncio.to_thread(remove_preset, self._folders[0], message.name)
        return Answer(message.request, {})
