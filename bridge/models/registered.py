"""Model folders that a user has added for good: a small settings file that every program of ours reads.

1. The file may stand among the roots of a ``Catalogue``, which reads it again when it has changed; so a
   folder that is added appears in a running daemon, too.
2. A folder is laid out as ComfyUI or A1111 do, or its ``places`` say where each kind lies.
3. A folder that is gone, or a disk that is not there, is passed over; it comes back with the disk.
4. A file that cannot be understood, as after a slip of somebody's pen, is never written.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from bridge.client import state_folder
from bridge.errors import ModelError
from bridge.files import replace_file

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
    """Return the folders in a settings file; none if there is no such file.

    Raises:
        ModelError: ``bad_model_list`` if it cannot be read or understood.
    """
    try:
        return tuple(map(_folder, _entries(json.loads(file.read_bytes()))))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"the list of model folders, {file}, cannot be read: {getattr(error, 'strerror', None) or error}",
            code="bad_model_list",
            hint="Mend it; or move it away, and add your folders anew: framebridge models add DIR",
        ) from error


def register(file: Path, folder: ModelFolder) -> None:
    """Add a folder to a settings file; one that is there already is replaced.

    Raises:
        ModelError: ``bad_folder`` if it is no folder or one too many, or the file cannot be written; as
            ``read_registered``.
    """
    if not folder.path.is_dir():
        raise _bad_folder(
            f"{folder.path} is no folder", "Name the folder of ComfyUI, of A1111, or of models."
        )

    def added(known: Sequence[ModelFolder]) -> Sequence[ModelFolder]:
        others = [each for each in known if each.path != folder.path]
        if len(others) >= MOST_FOLDERS:
            raise _bad_folder(
                f"{file} names {len(others)} folders already; {MOST_FOLDERS} are the most",
                "Forget one first: framebridge models add DIR --remove",
            )
        return [*others, folder]

    _change(file, added)


def unregister(file: Path, path: Path) -> None:
    """Take a folder out of a settings file; its models stay where they are.

    Raises:
        ModelError: ``bad_folder`` if it was not in there, or the file cannot be written; as
            ``read_registered``.
    """
    if path not in (each.path for each in read_registered(file)):
        raise _bad_folder(f"{path} was never added", "framebridge models list names those that were.")
    _change(file, lambda known: [each for each in known if each.path != path])


def _change(file: Path, change: Callable[[Sequence[ModelFolder]], Sequence[ModelFolder]]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=10):
            folders = change(read_registered(file))
            content = json.dumps({"folders": [_entry(each) for each in folders]}, indent=2)
            replace_file(file, content.encode())
    except (OSError, TimeoutError) as error:
        raise _bad_folder(
            f"{file} cannot be written: {error}", "Is the disk full, or yours to write?"
        ) from error


def _entries(data: Any) -> Sequence[Any]:
    match data:
        case {"folders": list(entries)}:
            return entries
    raise ValueError('it has no list called "folders"')


def _folder(entry: Any) -> ModelFolder:
    match entry:
        case {"path": str(path), "places": dict(places)} if all(map(_are_paths, places.values())):
            return ModelFolder(Path(path), {kind: list(map(Path, paths)) for kind, paths in places.items()})
        case {"path": str(path)} if "places" not in entry:
            return ModelFolder(Path(path))
    raise ValueError(f"{json.dumps(entry)[:80]} is no folder")


def _are_paths(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _entry(folder: ModelFolder) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": str(folder.path)}
    if folder.places:
        entry["places"] = {kind: [str(path) for path in paths] for kind, paths in folder.places.items()}
    return entry


def _bad_folder(message: str, hint: str) -> ModelError:
    return ModelError(message, code="bad_folder", hint=hint)
