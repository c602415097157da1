"""Keeps results as texture assets: ``Shelf``.

Every result is a numbered texture with its recipe as metadata. The PNG it was imported from is kept in the
project's Saved folder under the same name: a texture's pixels cannot be read back in Python.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import unreal

from .._bridge.errors import BridgeError
from .._bridge.host.png import write_file
from .._bridge.host.recipe import SEED, recipe_from_json
from ..core.capture import png_size
from ..core.editor import Kept
from .assets import delete, discard, exact_picture, find, import_texture, make_folder, save, users_of
from .instances import INSTANCES
from .level import RESULTS, is_playing, open_world
from .painting import depths_of, forget

TAG = "Framebridge."
"""Begins the names of our metadata."""

LOOK_AGAIN_S = 1.0
"""Results deleted or undone elsewhere are noticed after that; a listing costs too much for every redraw."""

_NAME = re.compile(r"FB_(\d{4,})")


class UnrealShelf:
    """The results in the content browser.

    Args:
        folder: Of the PNG files.

    Attributes:
        is_shown: Tells of an asset whether the level shows it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, Kept] = {}
        self._looked_at = float("-inf")
        self.is_shown: Callable[[str], bool] = lambda asset: False

    def keep(self, png: bytes, recipe: str, view: str, workflow: str) -> str:
        """Import a picture under the next free number."""
        png_size(png)
        open_world()  # while it is played no asset can be made
        make_folder(RESULTS)
        number = self._next_number()
        name = f"FB_{number:04}"
        path, file = f"{RESULTS}/{name}", self._folder / f"{name}.png"
        self._write(file, png)
        try:
            with unreal.ScopedEditorTransaction("Framebridge Result"):
                texture = import_texture(file, path, exact_picture())
                tags = {"Recipe": recipe, "Seed": _seed_of(recipe), "View": view, "Workflow": workflow}
                tags |= {"Number": str(number), "File": file.name}
                for key, value in tags.items():
                    unreal.EditorAssetLibrary.set_metadata_tag(texture, f"{TAG}{key}", value)
                save(texture)
        except BridgeError:
            discard(path)
            file.unlink(missing_ok=True)
            raise
        self._looked_at = float("-inf")
        return path

    def results(self) -> Sequence[Kept]:
        """Return the history, newest first."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_AGAIN_S and not is_playing():
            self._looked_at = now
            self._kept = {path: self._kept.get(path) or _read(path) for path in self._paths()}
        return sorted(self._kept.values(), key=lambda kept: _number_of(kept.asset), reverse=True)

    def delete(self, asset: str) -> None:
        """Delete a result, its file, and the material instances and depths that were made for it."""
        self.texture(asset)
        is_shown = self.is_shown(asset)
        if not is_shown:
            forget(asset)
        if is_shown or self._users(asset):
            raise BridgeError(
                f"{asset} is shown in a level",
                code="in_use",
                hint="Take it out of the level first: Clear in the panel, or delete what shows it.",
            )
        delete(asset)
        self._file(asset).unlink(missing_ok=True)
        self._kept.pop(asset, None)
        self._looked_at = float("-inf")
        for path in (*self._instances(asset), *depths_of(asset)):
            delete(path)

    def picture(self, asset: str) -> bytes:
        """Return a result as the PNG file that was imported."""
        self.texture(asset)
        try:
            return self._file(asset).read_bytes()
        except OSError as error:
            raise BridgeError(
                f"the file of {asset} is gone: {self._file(asset)}",
                code="no_result",
                hint="Generate it again, or put the file back.",
            ) from error

    def texture(self, asset: str) -> unreal.Texture2D:
        """Return the texture of a result.

        Raises:
            BridgeError: ``no_result``.
        """
        found = find(asset) if asset.startswith(f"{RESULTS}/") else None
        if not isinstance(found, unreal.Texture2D):
            raise BridgeError(
                f"{asset or 'nothing'} is no result",
                code="no_result",
                hint="It may have been deleted or renamed: choose another, or generate one.",
            )
        return found

    def _next_number(self) -> int:
        """Return a number that neither an asset nor a file has: nothing is ever overwritten."""
        taken = {_number_of(path) for path in self._paths()}
        taken |= {_number_of(file.stem) for file in self._folder.glob("FB_*.png")}
        return max(taken, default=0) + 1

    def _paths(self) -> list[str]:
        library = unreal.EditorAssetLibrary
        if not library.does_directory_exist(RESULTS):
            return []
        found = (str(path).partition(".")[0] for path in library.list_assets(RESULTS, recursive=False))
        return [path for path in found if _number_of(path)]

    def _file(self, asset: str) -> Path:
        return self._folder / f"{asset.rpartition('/')[2]}.png"

    def _write(self, file: Path, png: bytes) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_file(file, png)
        except OSError as error:
            raise BridgeError(
                f"{file} cannot be written: {error.strerror or error}",
                code="import_failed",
                hint="Make the project's Saved folder writable, or free some space.",
            ) from error

    def _instances(self, asset: str) -> list[str]:
        """Return the material instances that show this result and no other."""
        library, name = unreal.EditorAssetLibrary, asset.rpartition("/")[2]
        if not library.does_directory_exist(INSTANCES):
            return []
        found = [str(path).partition(".")[0] for path in library.list_assets(INSTANCES, recursive=False)]
        return [path for path in found if path.endswith(f"_{name}")]

    def _users(self, asset: str) -> list[str]:
        """Return what else refers to a result, on the disk."""
        ours = self._instances(asset)
        return [user for path in (asset, *ours) for user in users_of(path) if user not in ours]


def _read(path: str) -> Kept:
    library = unreal.EditorAssetLibrary
    texture = find(path)
    tags = {
        name: str(library.get_metadata_tag(texture, f"{TAG}{name}")) if texture is not None else ""
        for name in ("Recipe", "View")
    }
    size = (0, 0)
    if isinstance(texture, unreal.Texture2D):
        size = int(texture.blueprint_get_size_x()), int(texture.blueprint_get_size_y())
    return Kept(path, path.rpartition("/")[2], tags["Recipe"], tags["View"], size)


def _seed_of(recipe: str) -> str:
    try:
        return str(recipe_from_json(recipe).values.get(SEED, ""))
    except BridgeError:
        return ""


def _number_of(path: str) -> int:
    """Return the number of a result, by its name; 0 for what is none."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    return int(match[1]) if match else 0
