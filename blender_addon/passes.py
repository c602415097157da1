# SPDX-License-Identifier: GPL-3.0-or-later
"""What a renderer's passes tell of a picture: colour, depth, normals, and which object is seen. No Blender.

Object ids come from Cryptomatte rather than from the object index pass: that one holds what the user made of
it, which mostly is 0 everywhere. Its hashes are those of names, so that instances of one object share an id.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._bridge.errors import InputError
from .exr import Exr, read_exr
from .geometry import MAX_ID, clip_range

_NO_SURFACE = 1e9
"""Scene units; renderers write 1e10 where a ray hits nothing, and the viewport's own writes the far plane."""


@dataclass(frozen=True)
class Matte:
    """What a Cryptomatte tells, the largest share first.

    Args:
        hashes: uint32 (H, W, 2), of names; 0 is nothing.
        shares: float32 (H, W, 2), 0..1.
        names: By hash.
    """

    hashes: np.ndarray
    shares: np.ndarray
    names: dict[int, str]


@dataclass(frozen=True)
class Passes:
    """A rendered picture; arrays have rows downwards.

    Args:
        combined: float32 (H, W, 3), linear in the scene's colour space, over black where it is transparent.
        depth: float32 (H, W), scene units along the view axis; ``inf`` is sky.
        normal: float32 (H, W, 3), unit length in camera space; the sky's is (0, 0, 1). Nothing if the
            renderer has no such pass.
        object_id: uint16 (H, W), 0 where there is no object; nothing if the renderer cannot tell.
        object_names: The object with id n is ``object_names[n - 1]``.
        objects: The shares that objects have in each pixel; nothing if the renderer cannot tell.
        materials: The same of materials.
    """

    combined: np.ndarray
    depth: np.ndarray
    normal: np.ndarray | None
    object_id: np.ndarray | None
    object_names: tuple[str, ...]
    objects: Matte | None = None
    materials: Matte | None = None


def read_passes(path: Path, view: np.ndarray, projection: np.ndarray) -> Passes:
    """Read what a multilayer file of one view layer holds.

    Args:
        path: The file.
        view: World to camera, float64 (4, 4).
        projection: Camera to clip space, float64 (4, 4).

    Raises:
        InputError: ``bad_image`` if colour or depth is missing, or the file is damaged.
        OSError: If it cannot be read at all.
    """
    exr = read_exr(path)
    combined, depth = _channels(exr, "Combined", "RGB"), _channels(exr, "Depth", "Z")
    if combined is None or depth is None:
        raise InputError("colour or depth is missing in the render", code="bad_image")
    objects = _matte(exr, "CryptoObject")
    object_id, names = _objects(objects)
    far = clip_range(projection)[1]
    is_sky = depth[..., 0] >= min(_NO_SURFACE, far * (1.0 - 1e-4))
    if object_id is not None:
        # A depth buffer that reaches from very near to very far does not tell its far plane exactly.
        is_sky |= (object_id == 0) & (depth[..., 0] > far / 2.0)
        object_id[is_sky] = 0
    return Passes(
        combined=combined,
        depth=np.where(is_sky, np.float32(np.inf), depth[..., 0]),
        normal=_camera_normals(_channels(exr, "Normal", "XYZ"), view, is_sky),
        object_id=object_id,
        object_names=names,
        objects=objects,
        materials=_matte(exr, "CryptoMaterial"),
    )


def _channels(exr: Exr, name: str, letters: str) -> np.ndarray | None:
    """Return the channels of a pass, float32 (H, W, C), whatever the view layer and the case of letters."""
    found = []
    for letter in letters:
        ending = f".{name}.{letter}".lower()
        matching = [array for key, array in exr.channels.items() if key.lower().endswith(ending)]
        if not matching:
            return None
        found.append(matching[0])
    return np.stack(found, axis=-1).astype(np.float32, copy=False)


def _camera_normals(normal: np.ndarray | None, view: np.ndarray, is_sky: np.ndarray) -> np.ndarray | None:
    """Turn normals of the world, averaged over each pixel, into the camera's space."""
    if normal is None:
        return None
    turned = normal @ view[:3, :3].T.astype(np.float32)
    length = np.linalg.norm(turned, axis=-1, keepdims=True)
    is_flat = is_sky | (length[..., 0] < 1e-6)
    turned /= np.where(is_flat[..., None], np.float32(1.0), length)
    turned[is_flat] = (0.0, 0.0, 1.0)
    return turned


def _matte(exr: Exr, name: str) -> Matte | None:
    """Return what a Cryptomatte tells in its first two ranks.

    Source: Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency",
    SIGGRAPH 2015; the Cryptomatte specification 1.2.
    """
    ranked = _channels(exr, f"{name}00", "RGBA")
    manifest = next((text for key, text in exr.texts.items() if _is_manifest(exr, key, name)), None)
    if ranked is None or manifest is None:
        return None
    hashes = np.ascontiguousarray(ranked[..., 0::2]).view(np.uint32)
    return Matte(hashes, np.ascontiguousarray(ranked[..., 1::2]), _hashed_names(manifest))


def _objects(matte: Matte | None) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Number the objects that are seen, by the hash that covers most of each pixel."""
    if matte is None:
        return None, ()
    first, second = matte.hashes[..., 0], matte.hashes[..., 1]
    seen = np.where(first != 0, first, second)  # EEVEE counts the background as a thing of hash 0
    hashes, index = np.unique(seen, return_inverse=True)
    numbers, names = np.zeros(len(hashes), np.uint16), []
    for place, value in enumerate(hashes.tolist()):
        if value in matte.names:
            names.append(matte.names[value])
            numbers[place] = 1 + (len(names) - 1) % MAX_ID
    return numbers[index].reshape(seen.shape), tuple(names)


def _hashed_names(manifest: str) -> dict[int, str]:
    """Return the names by their hashes; Cycles writes quotes within a name as they are, which is no JSON."""
    try:
        pairs = json.loads(manifest or "{}").items()
    except ValueError:
        pairs = re.findall(r'"(.*?)":"([0-9a-f]{8})"[,}]', manifest, re.DOTALL)
    return {_as_in_pixels(int(hashed, 16)): name for name, hashed in pairs}


def _as_in_pixels(value: int) -> int:
    """Return a hash as pixels hold it: one that would be no number as a float has a bit turned over.

    Source: the Cryptomatte specification 1.2, "Hash conversion".
    """
    return value ^ (1 << 23) if value >> 23 & 255 in (0, 255) else value


def _is_manifest(exr: Exr, key: str, name: str) -> bool:
    if not key.startswith("cryptomatte/") or not key.endswith("/manifest"):
        return False
    return exr.texts.get(key.replace("/manifest", "/name"), "").endswith(name)
