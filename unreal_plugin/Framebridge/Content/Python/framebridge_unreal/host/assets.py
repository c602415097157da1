"""Assets of ours in the content browser: made, imported, saved, deleted; each fault with its remedy."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import unreal

from .._bridge.errors import BridgeError
from .level import FOLDER

_HINT = "Make the project's Content/Framebridge folder writable, or check it out of source control."


def find(path: str) -> unreal.Object | None:
    """Return an asset; ``None`` where there is none."""
    library = unreal.EditorAssetLibrary
    return library.load_asset(path) if library.does_asset_exist(path) else None


def create(path: str, kind: type[unreal.Object], factory: unreal.Factory) -> unreal.Object:
    """Make an asset, not saved yet.

    Raises:
        BridgeError: ``content_unwritable``.
    """
    folder, _, name = path.rpartition("/")
    make_folder(folder)
    made = unreal.AssetToolsHelpers.get_asset_tools().create_asset(name, folder, kind, factory)
    if made is None:
        raise unwritable(path)
    return made


def users_of(path: str) -> list[str]:
    """Return the packages that refer to an asset, on the disk; none where there is no asset."""
    library = unreal.EditorAssetLibrary
    found = library.find_package_referencers_for_asset(path) if library.does_asset_exist(path) else ()
    return [str(user).partition(".")[0] for user in found]


def make_folder(folder: str) -> None:
    """Make a folder of the content browser, if need be.

    Raises:
        BridgeError: ``content_unwritable``.
    """
    library = unreal.EditorAssetLibrary
    if not library.does_directory_exist(folder) and not library.make_directory(folder):
        raise unwritable(folder)


def save(asset: unreal.Object) -> None:
    """Write an asset to the disk.

    Raises:
        BridgeError: ``content_unwritable``.
    """
    if not unreal.EditorAssetLibrary.save_loaded_asset(asset, False):
        raise unwritable(asset.get_path_name())


def delete(path: str) -> None:
    """Delete an asset; one that is gone is no fault.

    Raises:
        BridgeError: ``content_unwritable``; the asset is still there.
    """
    library = unreal.EditorAssetLibrary
    if library.does_asset_exist(path) and not library.delete_asset(path):
        raise unwritable(path)


def discard(path: str) -> None:
    """Delete an asset after another fault, which is the one to be told."""
    with suppress(BridgeError):
        delete(path)


def import_texture(file: Path, path: str, settings: dict[str, object]) -> unreal.Texture2D:
    """Import a picture and save it; a texture that was there is replaced.

    Args:
        file: PNG or OpenEXR.
        path: Of the asset.
        settings: Editor properties of the texture.

    Raises:
        BridgeError: ``content_unwritable``, ``import_failed``; the asset is gone then, if it can be.
    """
    folder, _, name = path.rpartition("/")
    make_folder(folder)
    task = unreal.AssetImportTask()
    properties: dict[str, object] = {
        "filename": str(file),
        "destination_path": folder,
        "destination_name": name,
        "replace_existing": True,
        "automated": True,
        "save": False,
        "async_": False,
    }
    for key, value in properties.items():
        task.set_editor_property(key, value)
    unreal.AssetToolsHelpers.get_asset_tools().import_asset_tasks([task])
    texture = find(path)
    if not isinstance(texture, unreal.Texture2D):
        raise BridgeError(
            f"the editor did not import {file.name}",
            code="import_failed",
            hint="See the Output Log; the plugins that import textures must be enabled.",
        )
    try:
        for key, value in settings.items():
            texture.set_editor_property(key, value)
        save(texture)
    except BridgeError:
        discard(path)
        raise
    return texture


def unwritable(what: str) -> BridgeError:
    """Return the fault of something that cannot be written."""
    return BridgeError(f"{what} cannot be written", code="content_unwritable", hint=_HINT)


def exact_picture() -> dict[str, object]:
    """Return the settings of a picture whose pixels stay as they are: sRGB, uncompressed, loaded whole."""
    return {
        "srgb": True,
        "compression_settings": unreal.TextureCompressionSettings.TC_EDITOR_ICON,
        "mip_gen_settings": unreal.TextureMipGenSettings.TMGS_NO_MIPMAPS,
        "never_stream": True,
        "address_x": unreal.TextureAddress.TA_CLAMP,
        "address_y": unreal.TextureAddress.TA_CLAMP,
    }


def exact_depth() -> dict[str, object]:
    """Return the settings of depth: half floats, and no filter, which would mix two surfaces."""
    return {
        **exact_picture(),
        "srgb": False,
        "compression_settings": unreal.TextureCompressionSettings.TC_HDR,
        "filter": unreal.TextureFilter.TF_NEAREST,
    }


def blank(name: str, data: bytes, settings: dict[str, object]) -> unreal.Texture2D:
    """Return the texture that a material has before it has another; made when first needed.

    Raises:
        BridgeError: See ``import_texture``.
    """
    path = f"{FOLDER}/Materials/{name}"
    there = find(path)
    if isinstance(there, unreal.Texture2D):
        return there
    suffix = ".exr" if data.startswith(b"v/1\x01") else ".png"
    with TemporaryDirectory() as folder:
        return import_data(data, f"{name}{suffix}", path, settings, Path(folder))


def import_data(
    data: bytes, name: str, path: str, settings: dict[str, object], folder: Path
) -> unreal.Texture2D:
    """Import a file that is only in memory, by way of a folder in which nothing of it stays.

    Raises:
        BridgeError: See ``import_texture``.
    """
    file = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return import_texture(file, path, settings)
    except OSError as error:
        raise BridgeError(
            f"{file} cannot be written: {error.strerror or error}",
            code="import_failed",
            hint="Make the project's Saved folder writable.",
        ) from error
    finally:
        if file.exists():
            file.unlink()
