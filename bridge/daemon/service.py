"""Jobs on the models, pictures and presets of some settings: a daemon's, or those of a single run."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bridge.builtin import expand_preset
from bridge.daemon.settings import Settings, wildcard_folder
from bridge.graph import ChoicesOf
from bridge.jobs import IN_MEMORY, JobService, StoreSettings
from bridge.prompts import Wildcards, resolve
from bridge.server import PictureNames


def create_service(
    settings: Settings, definitions_file: Path | None, store: StoreSettings = IN_MEMORY
) -> JobService:
    """Return a job service that is yet to be started.

    Args:
        settings: Where things lie, and what to compute on.
        definitions_file: Keeps node definitions between starts; ``None`` to ask the worker every time.
        store: Where queue and history are.
    """

    def resolved(template: str, seed: int) -> str:
        return resolve(template, seed, Wildcards([wildcard_folder()]))

    expand = partial(expand_preset, folders=settings.preset_folders)
    return JobService(settings.worker, definitions_file, choices_of(settings), expand, resolved, store)


def choices_of(settings: Settings) -> ChoicesOf:
    """Return what lists the names in a folder of pictures or models."""
    catalogue = settings.catalogue
    folders = settings.folders

    def choices(folder: str) -> Sequence[str]:
        return PictureNames(folders, folder) if folder in folders else catalogue.names(folder)

    return choices
