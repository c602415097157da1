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
class Passes:
    """A rendered picture; arrays have rows downwards.

    Args:
        combined: float32 (H, W, 3), linear in the scene's colour space, over black where it is transparent.
        depth: float32 (H, W), scene units along the view axis; ``inf`` is sky.
        normal: float32 (H, W, 3), unit length in camera space; the sky's is (0, 0, 1). Nothing if the
            renderer has no such pass.
        object_id: uint16 (H, W), 0 where there is no object; nothing if the renderer cannot tell.
        object_names: The object with id n is ``object_names[n - 1]``.
    """

    combined: np.ndarray
    depth: np.ndarray
    normal: np.ndarray | None
    object_id: np.ndarray | None
    object_names: tuple[str, ...]


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
    object_id, names = _objects(exr)
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


def _objects(exr: Exr) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Number the objects that are seen, by the hash that covers most of each pixel.

    Source: Friedman and Jones, "Fully automatic ID mattes with support for motion blur and transparency",
    SIGGRAPH 2015; the Cryptomatte specification 1.2.
    """
    ranked = _channels(exr, "CryptoObject00", "RB")
    manifest = next((text for name, text in exr.texts.items() if _is_manifest(exr, name)), None)
    if ranked is None or manifest is None:
        return None, ()
    first, second = (np.ascontiguousarray(ranked[..., rank]).view(np.uint32) for rank in (0, 1))
    seen = np.where(first != 0, first, second)  # EEVEE counts the background as a thing of hash 0
    names_of = _hashed_names(manifest)
    hashes, index = np.unique(seen, return_inverse=True)
    numbers, names = np.zeros(len(hashes), np.uint16), []
    for place, value in enumerate(hashes.tolist()):
        if value in names_of:
            names.append(names_of[value])
            numbers[place] = 1 + (len(names) - 1) % MAX_ID
    return numbers[index].reshape(seen.shape), tuple(names)


def _hashed_names(manifest: str) -> dict[int, str]:
    """Return the names by their hashes; Cycles writes quotes within a name as they are, which is no JSON."""
    try:
        pairs = json.loads(manifest or "{}").items()
    except ValueError:
        pairs = re.findall(r'"(.*?)":"([0-9a-f]{8})"[,}]', manifest, re.DOTALL)
    return {int(hashed, 16): name for name, hashed in pairs}


def _is_manifest(exr: Exr, name: str) -> bool:
    if not name.startswith("cryptomatte/") or not name.endswith("/manifest"):
        return False
    return exr.texts.get(name.replace("/manifest", "/name"), "").endswith("CryptoObject")
