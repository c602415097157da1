# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's conversation with the daemon: captures go out, pictures come back into the scene.

Nothing here waits, but ``render``. The client's thread moves bytes and touches nothing of Blender's; what
arrived is taken by ``pump``, on the main thread: from a timer, or from a script where no timers run.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import bpy
import numpy as np

from ._bridge import client, protocol
from .capture import Capture
from .display import keep_picture, show_picture

LIVE = "live"
"""Names the stream of the live view, and the slot of its picture."""

RESULT = "result"
"""The slot of a job's picture."""


def frame_of(capture: Capture, number: int = 0) -> protocol.Frame:
    """Turn a capture into a frame as it travels; the arrays must not change afterwards."""
    planes = [_plane("color", "u8", capture.color), _plane("depth", "f32", capture.depth)]
    if capture.normal is not None:
        packed = np.round((capture.normal + 1.0) * 127.5).astype(np.uint8)
        planes.append(_plane("normal", "u8", packed))
    if capture.object_id is not None:
        planes.append(_plane("object_id", "u16", capture.object_id))
    camera = protocol.Camera(
        view=tuple(capture.view.ravel().tolist()),
        projection=tuple(capture.projection.ravel().tolist()),
        near=capture.near,
        far=capture.far,
    )
    return protocol.Frame({plane.name: plane for plane in planes}, camera, number)


class Session:
    """One Blender's connection to the daemon.

    Args:
        locator: How to find the daemon; by default the one of this user that runs.
    """

    def __init__(self, locator: client.Locator | None = None) -> None:
        self._client = client.Client(locator, name="blender", version=bpy.app.version_string)
        self._numbers = itertools.count(1)

    @property
    def status(self) -> client.Status:
        """How the connection is, for a status line."""
        return self._client.status

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._client.start()

    def close(self) -> None:
        """Disconnect; the thread has ended within a second."""
        self._client.close()

    def submit(self, capture: Capture, preset: str, values: Mapping[str, Any]) -> str:
        """Queue a job that looks at a capture.

        Returns:
            The request, which ``Accepted`` or ``Failure`` will name.

        Raises:
            BridgeError: Why there is no connection.
        """
        request = self._client.new_request()
        self._client.send(protocol.Submit(request, preset=preset, values=values, frame=frame_of(capture)))
        return request

    def set_live(self, preset: str, values: Mapping[str, Any]) -> str:
        """Say how captures of the live view are to be seen from now on; returns the request."""
        request = self._client.new_request()
        self._client.send(protocol.SetStream(request, LIVE, preset=preset, values=values))
        return request

    def push_live(self, capture: Capture) -> int:
        """Send the live view's newest capture, which replaces one that waits; returns its number."""
        number = next(self._numbers)
        self._client.send(protocol.StreamFrame(LIVE, frame_of(capture, number)))
        return number

    def end_live(self) -> None:
        """End the live view."""
        self._client.send(protocol.CloseStream(LIVE))

    def pump(self, budget_s: float = 0.005) -> list[protocol.Message]:
        """Take what arrived, put pictures into their images, and return it all for the panel to read.

        Args:
            budget_s: Seconds after which the rest waits for the next call.
        """
        messages = []
        for message in self._client.pump(budget_s):
            if isinstance(message, protocol.Result):
                _show(message)
            messages.append(message)
        return messages

    def render(self, capture: Capture, preset: str, values: Mapping[str, Any]) -> list[bpy.types.Image]:
        """Run a job and wait for its pictures; for scripts and ``blender --background``.

        Raises:
            BridgeError: Why there are none.
        """
        outcome = self._client.run(preset=preset, values=values, frame=frame_of(capture))
        return [image for result in outcome.results for image in _show(result)]


def _show(result: protocol.Result) -> list[bpy.types.Image]:
    """Put the pictures of a result into images; those of a job are kept with the file."""
    images = []
    for index, plane in enumerate(result.planes):
        slot = LIVE if result.stream else RESULT
        image = show_picture(plane, slot if index == 0 else f"{slot} {index + 1}", "Framebridge")
        if not result.stream:
            keep_picture(image)
        images.append(image)
    return images


def _plane(name: str, dtype: str, array: np.ndarray) -> protocol.Plane:
    data = memoryview(np.ascontiguousarray(array)).cast("B")
    return protocol.Plane(name, array.shape, dtype, data)
