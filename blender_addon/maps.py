# SPDX-License-Identifier: GPL-3.0-or-later
"""See the control maps as the ControlNets will see them: drawn by the daemon, from a capture of now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._bridge import protocol

MAPS = ("depth", "canny", "normal", "edges")
"""In the order of the panel."""

TITLES = {"depth": "Depth", "canny": "Canny", "normal": "Normals", "edges": "Geometry Edges"}


def workflow() -> Mapping[str, Any]:
    """Return a workflow that sends each map to the host, from a node of the map's name."""
    look: dict[str, Any] = {"width": 0, "height": 0}
    sources = {"depth": ["frame", 1], "canny": ["frame", 2], "normal": ["frame", 3], "edges": ["lines", 0]}
    return {
        "frame": {"class_type": "ViewportFrame", "inputs": dict(look)},
        "lines": {"class_type": "ViewportEdges", "inputs": dict(look)},
        **{name: {"class_type": "SendToHost", "inputs": {"images": sources[name]}} for name in MAPS},
    }


def maps_in(results: list[protocol.Result]) -> dict[str, protocol.Plane]:
    """Return the maps that came back, by name."""
    return {result.node: result.planes[0] for result in results if result.node in MAPS and result.planes}
