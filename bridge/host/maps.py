"""See the control maps as the ControlNets will see them: drawn by the daemon, from a capture of now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import protocol

MAPS = ("depth", "canny", "normal", "edges")
"""In the order of the panel."""

TITLES = {"depth": "Depth", "canny": "Canny", "normal": "Normals", "edges": "Geometry Edges"}


def workflow() -> Mapping[str, Any]:
    """Return a workflow that sends each map to the host, from a node of the map's name."""
    size = {"width": 0, "height": 0}
    look = {
        "canny_source": "colour",
        "canny_low": 40.0,
        "canny_high": 100.0,
        "depth_near": 0.0,
        "depth_far": 0.0,
    }
    sources = {"depth": ["frame", 1], "canny": ["frame", 2], "normal": ["frame", 3], "edges": ["lines", 0]}
    return {
        "frame": {"class_type": "ViewportFrame", "inputs": {**size, **look}},
        "lines": {"class_type": "ViewportEdges", "inputs": size},
        **{name: {"class_type": "SendToHost", "inputs": {"images": sources[name]}} for name in MAPS},
    }


def maps_in(results: list[protocol.Result]) -> dict[str, protocol.Plane]:
    """Return the maps that came back, by name."""
    return {result.node: result.planes[0] for result in results if result.node in MAPS and result.planes}
