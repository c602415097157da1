"""Model folders that a user has added for good: a small settings file that every program of ours reads.

1. The file may stand among the roots of a ``Catalogue``, which reads it again when it has changed; so a
   folder that is added appears in a running daemon, too.
2. A folder is laid out as ComfyUI or A1111 do, or its ``places`` say where each kind lies.
3. A folder that is gone, or a disk that is not there, is passed over; it comes back with the disk.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from bridge.client import state_folder
from bridge.errors import ModelError
from bridge.files import replace_file
from bridge.models.notes import json_of

MOST_FOLDERS = 64


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder of models.

    Args:
        path: Absolute.
        places: Kind → the folders where it lies, where the layout is neither ComfyUI's nor A1111's.
    """

    path: Path
    places: Mapping[str, Sequence[Path]] = field(default_factory=dict)


def registry_file() -> Path:
    """Return where the settings file is; it need not exist."""
    if os.environ.get("FRAMEBRIDGE_HOME", "").strip():
        return state_folder() / "models.json"
    return Path(platformdirs.user_config_dir("framebridge", appauthor=False)) / "models.json"


def is_registry(root: Path) -> bool:
    """Say whether a root of a catalogue is such a file, not a folder."""
    return root.suffix == ".json"


def read_registered(file: Path) -> tuple[ModelFolder, ...]:
    """Return the folders in a settings file; none if there is no such file."""
    try:
        data = json_of(file.read_bytes())
    except OSError:
        return ()
    entries = data.get("folders") if isinstance(data, dict) else None
    return tuple(_folders(entries if isinstance(entries, list) else []))


def register(file: Path, folder: ModelFolder) -> None:
    """Add a folder to a settings file; one that is there already is replaced.

    Raises:
        ModelError: ``bad_folder`` if it is no folder, or the file cannot be written.
    """
    if not folder.path.is_dir():
        raise _bad_folder(
            f"{folder.path} is no folder", "Name the folder of ComfyUI, of A1111, or of models."
        )
    _change(file, lambda known: [*(each for each in known if each.path != folder.path), folder])


def unregister(file: Path, path: Path) -> None:
    """Take a folder out of a settings file; its models stay where they are.

    Raises:
        ModelError: ``bad_folder`` if it was not in there, or the file cannot be written.
    """
    if path not in (each.path for each in read_registered(file)):
        raise _bad_folder(f"{path} was never added", "framebridge models list names those that were.")
    _change(file, lambda known: [each for each in known if each.path != path])


def _change(file: Path, change: Any) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=10):
            folders = change(list(read_registered(file)))[:MOST_FOLDERS]
            content = json.dumps({"folders": [_entry(each) for each in folders]}, indent=2)
            replace_file(file, content.encode())
    except (OSError, TimeoutError) as error:
        raise _bad_folder(
            f"{file} cannot be written: {error}", "Is the disk full, or yours to write?"
        ) from error


def _folders(entries: Sequence[Any]) -> Iterator[ModelFolder]:
    for entry in entries[:MOST_FOLDERS]:
        match entry:
            case {"path": str(path), "places": dict(places)}:
                yield ModelFolder(
                    Path(path),
                    {str(kind): [Path(str(each)) for each in paths] for kind, paths in places.items()},
                )
            case {"path": str(path)}:
                yield ModelFolder(Path(path))


def _entry(folder: ModelFolder) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": str(folder.path)}
    if folder.places:
        entry["places"] = {kind: [str(path) for path in paths] for kind, paths in folder.places.items()}
    return entry


def _bad_folder(message: str, hint: str) -> ModelError:
    return ModelError(message, code="bad_folder", hint=hint)
