"""Painted frames as an image sequence in the content browser: what reads, what plays, and what shows them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import unreal

from .._bridge.errors import BridgeError
from .._bridge.host.shot import frame_file
from .assets import create, discard, find, save
from .level import FOLDER

SEQUENCES = f"{FOLDER}/Sequences"

MOST_PARTS = 1001
"""Of a second: 23.976 frames a second are 24000 in 1001."""

Asset = TypeVar("Asset", bound=unreal.Object)


def take_in(folder: Path, first: int, frames_per_second: float, name: str) -> str:
    """Make a media source, player and texture of the painted frames in a folder, or renew those of this name.

    Returns:
        The path of the source.

    Raises:
        BridgeError: ``content_unwritable``, ``in_use``; what was made until then is gone again.
    """
    path = f"{SEQUENCES}/" + re.sub(r"\W", "_", name)
    made: list[str] = []
    try:
        with unreal.ScopedEditorTransaction("Framebridge: Load Painted Sequence"):
            source = _asset(path, unreal.ImgMediaSource, unreal.ImgMediaSourceFactoryNew(), made)
            player = _asset(f"{path}_Player", unreal.MediaPlayer, unreal.MediaPlayerFactoryNew(), made)
            texture = _asset(f"{path}_Texture", unreal.MediaTexture, unreal.MediaTextureFactoryNew(), made)
            source.modify()
            source.set_sequence_path(frame_file(folder, first).as_posix())
            source.set_editor_property("frame_rate_override", _rate(frames_per_second))
            player.set_editor_property("loop", True)
            texture.set_editor_property("media_player", player)
            for asset in (source, player, texture):
                save(asset)
    except BaseException:
        for one in made:
            discard(one)
        raise
    return path


def _asset(path: str, kind: type[Asset], factory: unreal.Factory, made: list[str]) -> Asset:
    """Return an asset, made if need be; its path is added to what was made."""
    asset = find(path)
    if asset is None:
        asset = create(path, kind, factory)
        made.append(path)
    if not isinstance(asset, kind):
        raise BridgeError(
            f"{path} is something else already",
            code="in_use",
            hint="Rename or delete it in the content browser.",
        )
    return asset


def _rate(frames_per_second: float) -> unreal.FrameRate:
    rate = Fraction(frames_per_second).limit_denominator(MOST_PARTS)
    return unreal.FrameRate(rate.numerator, rate.denominator)
