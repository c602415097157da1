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
    sources = {"depth": [_FRAME, 1], "canny": [_FRAME, 2], "normal": [_FRAME, 3], "edges": ["lines", 0]}
    return {
        _FRAME: _viewport_frame(0, 0),
        "lines": {"class_type": "ViewportEdges", "inputs": {"width": 0, "height": 0}},
        **{name: _sent(sources[name]) for name in MAPS},
    }


def range_workflow(width: int, height: int) -> Mapping[str, Any]:
    """Return a workflow that tells the depth range of a frame, looked at in this size, pixels."""
    return {_FRAME: _viewport_frame(width, height), "depth": _sent([_FRAME, 1])}


def range_in(outputs: Mapping[str, Any]) -> tuple[float, float]:
    """Return the depth range, near and far in metres, that ``range_workflow`` told."""
    near, far = outputs[_FRAME]["depth_range"]
    return float(near), float(far)


def maps_in(results: list[protocol.Result]) -> dict[str, protocol.Plane]:
    """Return the maps that came back, by name."""
    return {result.node: result.planes[0] for result in results if result.node in MAPS and result.planes}


_FRAME = "frame"


def _viewport_frame(width: int, height: int) -> dict[str, Any]:
    look = {
        "canny_source": "colour",
        "canny_low": 40.0,
        "canny_high": 100.0,
        "depth_near": 0.0,
        "depth_far": 0.0,
    }
    return {"class_type": "ViewportFrame", "inputs": {"width": width, "height": height, **look}}


def _sent(images: list[Any]) -> dict[str, Any]:
    return {"class_type": "SendToHost", "inputs": {"images": images}}
