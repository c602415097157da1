# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture as it travels."""

from __future__ import annotations

import numpy as np

from ._bridge import protocol
from .capture import Capture
from .ranks import Ranked


def frame_of(capture: Capture, number: int = 0) -> protocol.Frame:
    """Turn a capture into a frame as it travels; the arrays must not change afterwards."""
    planes = [plane_of("color", "u8", capture.color), plane_of("depth", "f32", capture.depth)]
    if capture.normal is not None:
        rounded = capture.normal * np.float32(127.5)
        rounded += np.float32(127.5 + 0.5)
        planes.append(plane_of("normal", "u8", rounded.astype(np.uint8)))
    if capture.object_id is not None:
        planes.append(plane_of("object_id", "u16", capture.object_id))
    if capture.identity is not None:
        planes += _ranks("object", capture.identity.objects) + _ranks("material", capture.identity.materials)
    camera = protocol.Camera(
        view=tuple(capture.view.ravel().tolist()),
        projection=tuple(capture.projection.ravel().tolist()),
        near=capture.near,
        far=capture.far,
    )
    names = capture.identity.names if capture.identity is not None else None
    return protocol.Frame({plane.name: plane for plane in planes}, camera, number, names)


def _ranks(kind: str, ranked: Ranked | None) -> list[protocol.Plane]:
    if ranked is None:
        return []
    return [plane_of(f"{kind}_ranks", "u16", ranked.numbers), plane_of(f"{kind}_shares", "u8", ranked.shares)]


def plane_of(name: str, dtype: str, array: np.ndarray) -> protocol.Plane:
    """Turn an array into a plane as it travels; it must not change afterwards."""
    data = memoryview(np.ascontiguousarray(array)).cast("B")
    return protocol.Plane(name, array.shape, dtype, data)
