"""The short list of first models, as data: ``curated.json`` beside this module."""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class CuratedModel:
    """A model that is worth having.

    Args:
        id: What ``framebridge models pull`` takes.
        title: For people.
        about: What it is good for.
        source: Where it comes from, as ``pull`` takes it.
        folder: Its kind.
        file: The name that workflows use.
        family: What it was made for.
        bytes: Its size, as published.
        sha256: As published by others; empty where that is not known.
        licence: Its name.
        verified: Whether size and checksum were confirmed at the source.
    """

    id: str
    title: str
    about: str
    source: str
    folder: str
    file: str
    family: str
    bytes: int
    sha256: str
    licence: str
    verified: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


@functools.cache
def curated_models() -> Mapping[str, CuratedModel]:
    """Return the list, by id."""
    data = json.loads(files("bridge.models").joinpath("curated.json").read_text("utf-8"))
    return {entry["id"]: CuratedModel(**entry) for entry in data["models"]}


def curated_model(folder: str, file: str) -> CuratedModel | None:
    """Return the entry for a model that a workflow names, if it is on the list."""
    name = file.replace("\\", "/").rpartition("/")[2]
    entries = curated_models().values()
    return next((each for each in entries if each.folder == folder and each.file == name), None)
