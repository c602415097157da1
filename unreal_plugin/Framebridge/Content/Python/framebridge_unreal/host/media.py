"""Painted frames as an image sequence in the content browser: what reads, what plays, and what shows them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import unreal

from .._bridge.errors import BridgeError
from .._bridge.host.shot import frame_file
from .level import FOLDER

SEQUENCES = f"{FOLDER}/Sequences"

MOST_PARTS = 1001
"""Of a second: 23.976 frames a second are 24000 in 1001."""

_WORDS = "Framebridge: Load Painted Sequence"

Asset = TypeVar("Asset", bound=unreal.Object)


def take_in(folder: Path, first: int, frames_per_second: float, name: str) -> str:
    """Make a media source, player and texture of the painted frames in a folder, or renew those of this name.

    Returns:
        The path of the source.

    Raises:
        BridgeError: ``content_unwritable``; what was made until then is gone again.
    """
    name = re.sub(r"\W", "_", name)
    made: list[str] = []
    try:
        with unreal.ScopedEditorTransaction(_WORDS):
            source = _asset(name, unreal.ImgMediaSource, unreal.ImgMediaSourceFactoryNew(), made)
            player = _asset(f"{name}_Player", unreal.MediaPlayer, unreal.MediaPlayerFactoryNew(), made)
            texture = _asset(f"{name}_Texture", unreal.MediaTexture, unreal.MediaTextureFactoryNew(), made)
            source.modify()
            source.set_sequence_path(frame_file(folder, first).as_posix())
            source.set_editor_property("frame_rate_override", _rate(frames_per_second))
            player.set_editor_property("loop", True)
            texture.set_editor_property("media_player", player)
            for asset in (source, player, texture):
                _save(asset)
    except BaseException:
        for path in made:
            unreal.EditorAssetLibrary.delete_asset(path)
        raise
    return f"{SEQUENCES}/{name}"


def _asset(name: str, kind: type[Asset], factory: unreal.Factory, made: list[str]) -> Asset:
    """Return the asset of this name, made if need be; its path is added to what was made."""
    path = f"{SEQUENCES}/{name}"
    if unreal.EditorAssetLibrary.does_asset_exist(path):
        asset = unreal.EditorAssetLibrary.load_asset(path)
        hint = f"Rename or delete {path}: it is something else."
    else:
        asset = unreal.AssetToolsHelpers.get_asset_tools().create_asset(name, SEQUENCES, kind, factory)
        hint = "Make the project's Content folder writable, or check it out."
        if asset is not None:
            made.append(path)
    if not isinstance(asset, kind):
        raise _unwritable(path, hint)
    return asset


def _save(asset: unreal.Object) -> None:
    if not unreal.EditorAssetLibrary.save_loaded_asset(asset, only_if_is_dirty=False):
        raise _unwritable(
            asset.get_path_name(), "Make the project's Content folder writable, or check it out."
        )


def _rate(frames_per_second: float) -> unreal.FrameRate:
    rate = Fraction(frames_per_second).limit_denominator(MOST_PARTS)
    return unreal.FrameRate(rate.numerator, rate.denominator)


def _unwritable(path: str, hint: str) -> BridgeError:
    return BridgeError(f"{path} cannot be written", code="content_unwritable", hint=hint)
