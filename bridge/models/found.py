"""ComfyUI and A1111 folders on this machine, found where they usually lie, to be offered to the user.

Nothing is added by looking; ``bridge.models.registered`` adds what the user agrees to.

Sources: the defaults of ComfyUI, ComfyUI Desktop, comfy-cli, Stability Matrix, AUTOMATIC1111's and Forge's
installers; ComfyUI's ``extra_model_paths.yaml.example``.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bridge.models.catalogue import ALIASES, FOLDERS, Catalogue
from bridge.models.registered import ModelFolder

_IN_HOME = (
    "ComfyUI",
    "comfyui",
    "comfy/ComfyUI",
    "Documents/ComfyUI",
    "Documents/comfy/ComfyUI",
    "AppData/Local/comfy/ComfyUI",
    *(f"{place}ComfyUI_windows_portable/ComfyUI" for place in ("", "Desktop/", "Downloads/", "Documents/")),
    "stable-diffusion-webui",
    "stable-diffusion-webui-forge",
    "stable-diffusion-webui-reForge",
    "Documents/stable-diffusion-webui",
    "StabilityMatrix/Data/Models",
    "StabilityMatrix/Models",
    "AppData/Roaming/StabilityMatrix/Models",
    ".local/share/StabilityMatrix/Models",
)
_ON_DRIVES = (
    "ComfyUI",
    "ComfyUI_windows_portable/ComfyUI",
    "stable-diffusion-webui",
    "stable-diffusion-webui-forge",
    "StabilityMatrix/Data/Models",
    "AI/ComfyUI",
)
_DESKTOP_SETTINGS = (
    "AppData/Roaming/ComfyUI/extra_models_config.yaml",
    "Library/Application Support/ComfyUI/extra_models_config.yaml",
    ".config/ComfyUI/extra_models_config.yaml",
)
"""Where ComfyUI Desktop lists its folders, below the home folder."""

_YAML = "extra_model_paths.yaml"
MOST_YAML_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class FoundFolder:
    """A folder that could be added.

    Args:
        program: Whose it is: ``ComfyUI`` or ``A1111``.
        folder: The folder itself.
        models: How many models we would see in it.
    """

    program: str
    folder: ModelFolder
    models: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"program": self.program, "path": str(self.folder.path), "models": self.models}


def find_folders(
    known: Iterable[Path] = (), home: Path | None = None, drives: tuple[Path, ...] | None = None
) -> tuple[FoundFolder, ...]:
    """Look for folders of ComfyUI and A1111 that hold models.

    Args:
        known: Folders that are searched already, which are not offered again.
        home: The user's; by default this one's.
        drives: Roots of disks; by default those of this machine.
    """
    drives = _drives() if drives is None else drives
    seen = {_real(path) for path in known}
    found = []
    for program, folder in _candidates(home or Path.home(), drives):
        places = {_real(folder.path), _real(folder.path / "models")}
        if places & seen:
            continue
        seen |= places
        if folder.path.is_dir() and (count := count_models(folder)):
            found.append(FoundFolder(program, folder, count))
    return tuple(found)


def folder_at(path: Path) -> ModelFolder:
    """Return a folder as it would be added: where ComfyUI's extra paths lead is part of it.

    Args:
        path: A folder, or an ``extra_model_paths.yaml``.
    """
    path = path.expanduser().absolute()
    if path.suffix in (".yaml", ".yml"):
        sections = list(_read_yaml(path))
        places: dict[str, list[Path]] = {}
        for section in sections:
            for kind, paths in section.places.items():
                places.setdefault(kind, []).extend(paths)
        return ModelFolder(path.parent, places)
    return ModelFolder(path)


def count_models(folder: ModelFolder) -> int:
    """Return how many models a folder holds; those that are always there do not count."""
    alone, always = Catalogue([folder]), Catalogue(())
    return sum(len(alone.names(kind)) - len(always.names(kind)) for kind in FOLDERS)


def _candidates(home: Path, drives: tuple[Path, ...]) -> Iterator[tuple[str, ModelFolder]]:
    places = [home / place for place in _IN_HOME] + [
        drive / place for drive in drives for place in _ON_DRIVES
    ]
    for path in places:
        if program := _program(path):
            yield program, ModelFolder(path)
            yield from (("ComfyUI", folder) for folder in _read_yaml(path / _YAML))
    for setting in _DESKTOP_SETTINGS:
        for folder in _read_yaml(home / setting):
            yield _program(folder.path) or "ComfyUI", folder


def _program(path: Path) -> str:
    """Tell whose folder it is by the folder of its checkpoints; empty if it is nobody's."""
    for parent in (path / "models", path):
        if (parent / "checkpoints").is_dir():
            return "ComfyUI"
        if (parent / "Stable-diffusion").is_dir() or (parent / "StableDiffusion").is_dir():
            return "A1111"
    return ""


def _read_yaml(file: Path) -> Iterator[ModelFolder]:
    """Yield a folder for each section of a file in the form of ``extra_model_paths.yaml``."""
    try:
        if file.stat().st_size > MOST_YAML_BYTES:
            return
        sections = yaml.safe_load(file.read_text("utf-8", errors="replace"))
    except (OSError, yaml.YAMLError, RecursionError):
        return
    for section in sections.values() if isinstance(sections, dict) else ():
        if isinstance(section, dict):
            yield _section(file, section)


def _section(file: Path, section: Mapping[str, Any]) -> ModelFolder:
    base = file.parent / Path(os.path.expandvars(str(section.get("base_path") or "."))).expanduser()
    places: dict[str, list[Path]] = {}
    for name, value in section.items():
        kind = ALIASES.get(str(name), str(name))
        if kind in FOLDERS and isinstance(value, str):
            paths = [base / line.strip() for line in value.splitlines() if line.strip()]
            places.setdefault(kind, []).extend(Path(os.path.normpath(path)) for path in paths)
    return ModelFolder(Path(os.path.normpath(base)), places)


def _drives() -> tuple[Path, ...]:
    if sys.platform == "win32":  # pragma: no cover
        names = [f"{letter}:/" for letter in "CDEFGH"]
    else:
        names = ["/opt", "/workspace"]
    return tuple(Path(name) for name in names if os.path.exists(name))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
