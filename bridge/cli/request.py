"""What the command line was given, as plain data: this module is imported before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run, and how.

    Args:
        workflow: Its file; ``None`` where a preset is meant.
        preset: Its name; empty where a workflow is meant.
        out: Where pictures are written.
        models: Model folders.
        device: Where the models run.
        dtype: The number format that they run in.
        values: ``name=value`` texts.
        frame: The captured frame's file.
        pictures: ``FILE`` or ``NAME=FILE`` texts.
        as_json: Whether a script reads the answer.
    """

    workflow: Path | None
    preset: str
    out: Path
    models: Sequence[Path]
    device: str
    dtype: str
    values: Sequence[str]
    frame: Path | None
    pictures: Sequence[str]
    as_json: bool


@dataclass(frozen=True, slots=True)
class Prompts:
    """What pictures are to be of.

    Args:
        file: One prompt a line; ``None`` for none.
        texts: More of them.
        inputs: The inputs that take them; empty to find out.
        wildcards: Folders, searched before the user's own.
        variants: Texts that are drawn of each dynamic prompt.
        takes_all: Whether every combination of a dynamic prompt is made instead.
    """

    file: Path | None
    texts: Sequence[str]
    inputs: Sequence[str]
    wildcards: Sequence[Path]
    variants: int
    takes_all: bool
