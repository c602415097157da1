# SPDX-License-Identifier: GPL-3.0-or-later
"""Give each face of a mesh a place of its own on a texture: pure numpy, no Blender.

Blender's own unwrapping needs Edit Mode, a selection and the user's screen; this needs none. Neighbouring
faces that look along the same axis make a chart, which is projected along that axis; charts are packed on
shelves. A chart that winds over itself, like a spiral ramp, overlaps, as in Blender's Smart UV Project.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MARGIN = 1 / 128
"""Of the texture's side, between charts; less where there are many."""

_ROUNDS = 24

_AXES = np.array(
    (
        ((0, 1, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 1, 0)),
    ),
    np.float32,
)
"""For faces along X, Y and Z: which way the texture's two sides lie."""


@dataclass(frozen=True)
class Faces:
    """The polygons of a mesh; a corner is one vertex of one face.

    Args:
        points: float32 (C, 3), of each corner.
        edges: int32 (C,), the edge from each corner to the next.
        owners: int32 (C,), the face of each corner.
        normals: float32 (F, 3).
    """

    points: np.ndarray
    edges: np.ndarray
    owners: np.ndarray
    normals: np.ndarray


def unwrap(faces: Faces) -> np.ndarray:
    """Return the place of each corner, float32 (C, 2), 0..1."""
    axis = np.abs(faces.normals).argmax(axis=1)
    sides = np.sign(faces.normals[np.arange(len(axis)), axis]).astype(int)
    chart = _charts(faces, axis * 2 + (sides > 0))[faces.owners]
    places = np.einsum("cij,cj->ci", _AXES[axis[faces.owners]], faces.points)
    count = int(chart.max(initial=-1)) + 1
    low, high = np.full((count, 2), np.inf, np.float32), np.full((count, 2), -np.inf, np.float32)
    np.minimum.at(low, chart, places)
    np.maximum.at(high, chart, places)
    scale, corners = _packed((high - low).astype(float))
    return ((places - low[chart]) * scale + corners[chart]).astype(np.float32)


def _charts(faces: Faces, group: np.ndarray) -> np.ndarray:
    """Number the connected faces of one group, int (F,), from 0."""
    order = np.argsort(faces.edges, kind="stable")
    is_pair = faces.edges[order[1:]] == faces.edges[order[:-1]]
    one, other = faces.owners[order[1:][is_pair]], faces.owners[order[:-1][is_pair]]
    is_same = group[one] == group[other]
    one, other = one[is_same], other[is_same]
    label = np.arange(len(group))
    while True:
        least = label.copy()
        np.minimum.at(least, one, label[other])
        np.minimum.at(least, other, label[one])
        least = least[least]
        if (least == label).all():
            return np.unique(label, return_inverse=True)[1].reshape(-1)
        label = least


def _packed(sizes: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the largest scale at which boxes (N, 2) fit on the texture, and their lower left corners."""
    margin = min(_MARGIN, 0.25 / np.sqrt(max(1, len(sizes))))
    order = np.argsort(-sizes[:, 1], kind="stable")
    fits, fails = 0.0, 1.0 / max(1e-12, float(sizes.max(initial=0.0)))
    corners = _on_shelves(sizes * fits, order, margin)
    assert corners is not None, "empty boxes fit"
    for _ in range(_ROUNDS):
        scale = (fits + fails) / 2
        found = _on_shelves(sizes * scale, order, margin)
        if found is None:
            fails = scale
        else:
            fits, corners = scale, found
    return fits, corners


def _on_shelves(sizes: np.ndarray, order: np.ndarray, margin: float) -> np.ndarray | None:
    """Lay boxes side by side, the highest first, in rows; return ``None`` if the last row does not fit."""
    corners = np.empty_like(sizes)
    x = y = shelf = margin / 2
    for index in order:
        width, height = sizes[index] + margin
        if x + width > 1.0 and x > margin:
            x, y = margin / 2, shelf
        if x + width > 1.0 or y + height > 1.0:
            return None
        corners[index] = x + margin / 2, y + margin / 2
        x += width
        shelf = max(shelf, y + height)
    return corners
