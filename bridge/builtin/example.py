"""Workflows of ordinary nodes, to begin with in a graph editor; they run with what comes along."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "examples"
PICTURE = Path(__file__).parent / "example.png"

_ORDER = ("lines-to-picture", "picture-to-picture", "enlarge", "text-to-picture")


@dataclass(frozen=True, slots=True)
class Example:
    """A workflow to begin with.

    Args:
        name: What programs call it.
        title: What people call it.
        description: One or two sentences.
        workflow: ComfyUI API JSON.
        icon: A picture of what it makes; ``None`` without one.
    """

    name: str
    title: str
    description: str
    workflow: Mapping[str, Any]
    icon: Path | None


def examples() -> tuple[Example, ...]:
    """Return the examples, the first to try first."""
    return tuple(_read(name) for name in _ORDER)


def place_example_picture(folder: Path) -> None:
    """Put the picture that the examples load into a folder that is yet to be made; never into another.

    Raises:
        OSError: If it cannot be written.
    """
    if not folder.exists():
        folder.mkdir(parents=True)
        shutil.copyfile(PICTURE, folder / PICTURE.name)


def _read(name: str) -> Example:
    data = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
    icon = EXAMPLES / f"{name}.webp"
    return Example(
        name, data["title"], data["description"], data["workflow"], icon if icon.is_file() else None
    )
