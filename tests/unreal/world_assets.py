"""The content browser: assets by path, with metadata, saved or not; imports of pictures; materials."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR
from PIL import Image

from .fake_objects import destroy
from .world_materials import Materials

if TYPE_CHECKING:
    from .world import World

PNG, EXR = b"\x89PNG\r\n\x1a\n", b"v/1\x01"


class Assets:
    """Assets by path without the object's name: ``/Game/Framebridge/Results/FB_0001``."""

    def __init__(self, world: World) -> None:
        self.world, self.unreal = world, world.unreal
        self.by_path: dict[str, Any] = {}
        self.tags: dict[int, dict[str, str]] = {}
        self.saved: set[str] = set()
        """Paths of what is on the disk."""

        self.references: dict[str, set[str]] = {}
        """By package, a level's too: the assets that it referred to when it was saved last."""

        self.folders: set[str] = {"/Game", "/Engine"}
        scripts = world.scripts
        scripts.behave("EditorAssetLibrary", LibraryCalls(self))
        scripts.behave("AssetTools", ToolCalls(self))
        scripts.behave("AssetRegistry", RegistryCalls(self))
        scripts.script("AssetToolsHelpers.get_asset_tools", lambda: world.subsystem(self.unreal.AssetTools))
        scripts.script(
            "AssetRegistryHelpers.get_asset_registry", lambda: world.subsystem(self.unreal.AssetRegistry)
        )
        scripts.script("AssetImportTask.get_objects", lambda task: list(task._imported))
        for function in ("load_asset", "find_asset"):
            scripts.script(function, lambda name, kind=None, follow=True: self.find(name))
        scripts.script("load_object", lambda outer, name, kind=None, follow=True: self.find(name))
        scripts.script("Texture2D.blueprint_get_size_x", lambda texture: _size(texture)[0])
        scripts.script("Texture2D.blueprint_get_size_y", lambda texture: _size(texture)[1])
        scripts.script("EditorLoadingAndSavingUtils.get_dirty_map_packages", self._dirty_maps)
        scripts.script("EditorLoadingAndSavingUtils.get_dirty_content_packages", self._dirty_content)
        scripts.script("AssetData.get_asset", lambda data: self.find(str(data.package_name)))
        scripts.script("ImgMediaSource.set_sequence_path", self._set_sequence_path)
        scripts.script("ImgMediaSource.get_sequence_path", lambda source: getattr(source, "_path", ""))
        self.materials = Materials(world)
        for name in ("Plane", "Sphere", "Cube"):
            self.add(f"/Engine/BasicShapes/{name}", self.unreal.StaticMesh)
        world.dirty.clear()

    def find(self, path: str) -> Any:
        """Return the asset at a path, with or without its object's name; ``None`` if there is none."""
        return self.by_path.get(plain(path))

    def add(self, path: str, kind: type) -> Any:
        """Make an asset, not saved yet."""
        path = plain(path)
        package = self.unreal.Package(name=path)
        asset = kind(package, path.rsplit("/", 1)[-1])
        self.put(path, asset)
        return asset

    def put(self, path: str, asset: Any) -> None:
        """Have an asset at a path."""
        self.by_path[path] = asset
        self.tags[id(asset)] = {}
        folder = path.rsplit("/", 1)[0]
        while folder and folder not in self.folders:
            self.folders.add(folder)
            folder = folder.rsplit("/", 1)[0]
        self.world.dirty.add(path)
        self.world.journal(lambda: self._forget(path))

    def remove(self, path: str) -> bool:
        """Delete an asset for good: the editor cannot take that back."""
        asset = self.find(path)
        if asset is None or self.is_readonly(path):
            return False
        self._forget(plain(path))
        return True

    def is_readonly(self, path: str) -> bool:
        """Tell whether nothing may be written here."""
        return self.world.faults.has_readonly_content and path.startswith("/Game")

    def save(self, asset: Any) -> bool:
        """Save an asset."""
        path = asset.get_outermost().get_name()
        if self.is_readonly(path):
            return False
        self.saved.add(path)
        self.keep_references(path, [asset])
        return True

    def keep_references(self, package: str, saved: Sequence[Any]) -> None:
        """Know of a package that is saved what its objects refer to."""
        values = [
            value
            for one in saved
            for value in (*one._values.values(), *getattr(one, "_parameters", {}).values())
        ]
        found = {path for path, asset in self.by_path.items() if any(value is asset for value in values)}
        self.references[package] = found - {package}
        self.world.dirty.discard(package)

    def path_of(self, asset: Any) -> str:
        """Return the path of an asset."""
        return plain(asset.get_path_name())

    def _forget(self, path: str) -> None:
        asset = self.by_path.pop(path, None)
        if asset is not None:
            destroy(asset)
        self.saved.discard(path)
        self.references.pop(path, None)
        self.world.dirty.discard(path)

    def _set_sequence_path(self, source: Any, path: str) -> None:
        self.world.change(source, "_path", path)

    def _dirty_maps(self) -> list[Any]:
        return self._packages("/Game/Maps/")

    def _dirty_content(self) -> list[Any]:
        return [one for one in self._packages("/Game/") if "/Maps/" not in one.get_name()]

    def _packages(self, start: str) -> list[Any]:
        names = sorted(name for name in self.world.dirty if name.startswith(start))
        return [self.unreal.Package(name=name) for name in names]


class LibraryCalls:
    """EditorAssetLibrary."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def does_asset_exist(self, path: str) -> bool:
        return self._assets.find(path) is not None

    def load_asset(self, path: str) -> Any:
        return self._assets.find(path)

    def list_assets(self, folder: str, recursive: bool = True, include_folder: bool = False) -> list[str]:
        start = folder.rstrip("/") + "/"
        found = [path for path in self._assets.by_path if path.startswith(start)]
        return sorted(
            f"{path}.{path.rsplit('/', 1)[-1]}"
            for path in found
            if recursive or "/" not in path[len(start) :]
        )

    def does_directory_exist(self, folder: str) -> bool:
        return folder.rstrip("/") in self._assets.folders

    def make_directory(self, folder: str) -> bool:
        if self._assets.is_readonly(folder):
            return False
        self._assets.folders.add(folder.rstrip("/"))
        return True

    def delete_directory(self, folder: str) -> bool:
        gone = [self._assets.remove(path) for path in self.list_assets(folder)]
        return all(gone)

    def delete_asset(self, path: str) -> bool:
        return self._assets.remove(path)

    def delete_loaded_asset(self, asset: Any) -> bool:
        return self._assets.remove(self._assets.path_of(asset))

    def save_loaded_asset(self, asset: Any, only_if_is_dirty: bool = True) -> bool:
        return self._assets.save(asset)

    def save_asset(self, path: str, only_if_is_dirty: bool = True) -> bool:
        asset = self._assets.find(path)
        return asset is not None and self._assets.save(asset)

    def save_directory(self, folder: str, only_if_is_dirty: bool = True, recursive: bool = True) -> bool:
        saved = [self.save_asset(path) for path in self.list_assets(folder, recursive)]
        return all(saved)

    def set_metadata_tag(self, asset: Any, tag: Any, value: str) -> None:
        tags = self._assets.tags[id(asset)]
        before = dict(tags)
        self._assets.world.journal(lambda: (tags.clear(), tags.update(before)))
        tags[str(tag)] = value
        self._assets.world.touch(asset)

    def get_metadata_tag(self, asset: Any, tag: Any) -> str:
        return self._assets.tags[id(asset)].get(str(tag), "")

    def remove_metadata_tag(self, asset: Any, tag: Any) -> None:
        self._assets.tags[id(asset)].pop(str(tag), None)
        self._assets.world.touch(asset)

    def get_metadata_tag_values(self, asset: Any) -> dict[str, str]:
        return dict(self._assets.tags[id(asset)])

    def get_path_name_for_loaded_asset(self, asset: Any) -> str:
        return str(asset.get_path_name())

    def find_asset_data(self, path: str) -> Any:
        asset = self._assets.find(path)
        return _data(self._assets, asset) if asset else self._assets.unreal.AssetData()

    def find_package_referencers_for_asset(self, path: str, load_assets: bool = False) -> list[str]:
        return [user for user, used in self._assets.references.items() if plain(path) in used]

    def duplicate_asset(self, source: str, destination: str) -> Any:
        found = self._assets.find(source)
        if found is None or self._assets.find(destination) or self._assets.is_readonly(destination):
            return None
        twin = self._assets.add(destination, type(found))
        twin._values.update(found._values)
        return twin

    def rename_asset(self, source: str, destination: str) -> bool:
        found = self._assets.find(source)
        if found is None or self._assets.find(destination) or self._assets.is_readonly(destination):
            return False
        del self._assets.by_path[plain(source)]
        found._name, found._outer._name = destination.rsplit("/", 1)[-1], destination
        self._assets.by_path[plain(destination)] = found
        return True

    def sync_browser_to_objects(self, paths: Sequence[str]) -> None:
        pass


class ToolCalls:
    """AssetTools."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def create_asset(
        self, _: Any, name: str, folder: str, kind: Any, factory: Any, calling_context: Any = None
    ) -> Any:
        path = f"{folder.rstrip('/')}/{name}"
        if self._assets.is_readonly(path) or self._assets.find(path) is not None:
            return None
        kind = kind or getattr(factory, "_made", None)
        return self._assets.add(path, kind) if kind is not None else None

    def create_unique_asset_name(self, _: Any, base: str, suffix: str) -> tuple[str, str]:
        number, path = 0, f"{base}{suffix}"
        while self._assets.find(path) is not None:
            number += 1
            path = f"{base}{suffix}{number}"
        return path, path.rsplit("/", 1)[-1]

    def import_asset_tasks(self, _: Any, tasks: Sequence[Any]) -> None:
        for task in tasks:
            object.__setattr__(task, "_imported", [])
            if asset := self._imported(task):
                task._imported.append(asset)
                name = f"{self._assets.path_of(asset)}.{asset.get_name()}"
                task._values["imported_object_paths"] = self._assets.unreal.convert(
                    "Array[str]", [name], "imported_object_paths"
                )

    def _imported(self, task: Any) -> Any:
        assets = self._assets
        file = Path(task.filename)
        name = task.destination_name or file.stem
        path = f"{task.destination_path.rstrip('/')}/{name}"
        if assets.is_readonly(path) or assets.world.faults.refuses_imports or not file.exists():
            return None
        pixels = read_picture(file.read_bytes(), file)
        before = assets.find(path)
        if pixels is None or (before is not None and not task.replace_existing):
            return None
        texture = before or assets.add(path, assets.unreal.Texture2D)
        texture._pixels = pixels
        texture._source = file
        texture._values.setdefault("srgb", pixels.dtype == np.uint8)
        if task.save:
            assets.save(texture)
        return texture


class RegistryCalls:
    """AssetRegistry."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def is_loading_assets(self, _: Any) -> bool:
        return False

    def scan_paths_synchronous(self, _: Any, paths: Sequence[str], force: bool = False) -> None:
        pass

    def get_assets_by_class(self, _: Any, path: Any, search_sub_classes: bool = False) -> list[Any]:
        wanted = getattr(self._assets.unreal, str(path.asset_name))
        found = [one for one in self._assets.by_path.values() if isinstance(one, wanted)]
        return [_data(self._assets, one) for one in found]

    def get_assets_by_path(
        self, _: Any, folder: Any, recursive: bool = False, only_on_disk: bool = False
    ) -> list[Any]:
        start = str(folder).rstrip("/") + "/"
        return [
            _data(self._assets, one)
            for path, one in self._assets.by_path.items()
            if path.startswith(start) and (recursive or "/" not in path[len(start) :])
        ]


def read_picture(data: bytes, file: Path) -> Any:
    """Return a picture's pixels, (H, W, 4): 8 bits of a PNG, floats of an OpenEXR; else ``None``."""
    if data.startswith(PNG) and file.suffix.lower() == ".png":
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGBA"))
    if data.startswith(EXR) and file.suffix.lower() == ".exr":
        with OpenEXR.File(str(file), separate_channels=True) as opened:
            channels = opened.channels()
            planes = [np.asarray(channels[name].pixels, float) for name in "RGBA" if name in channels]
        if not planes:
            return None
        planes += [planes[-1]] * (4 - len(planes))
        return np.stack(planes, axis=-1)
    return None


def plain(path: str) -> str:
    """Return ``/Game/A/B`` of ``/Game/A/B.B``."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}"


def _data(assets: Assets, asset: Any) -> Any:
    path = assets.path_of(asset)
    unreal = assets.unreal
    return unreal.AssetData(path, path.rsplit("/", 1)[0], asset.get_name())


def _size(texture: Any) -> tuple[int, int]:
    height, width = texture._pixels.shape[:2]
    return width, height
