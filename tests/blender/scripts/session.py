"""The add-on's session: frames as they travel, and a thread that ends when told to."""

import threading
import time

import framebridge
import numpy as np
import scenes
from framebridge._bridge import client, protocol
from framebridge._bridge.host.session import Session
from framebridge.capture import Capturer
from framebridge.viewport import camera_view, find_viewport
from framebridge.wire import frame_of
from harness import REQUEST, report


def frame() -> dict:
    """A capture, packed into a message and unpacked again."""
    captured = _captured(96, 54)
    sent = frame_of(captured, 7)
    message = protocol.decode(protocol.encode(protocol.StreamFrame("live", sent)))
    planes = message.frame.planes
    normal = _array(planes["normal"], np.uint8) / 127.5 - 1
    return {
        "number": message.frame.number,
        "same_digest": message.frame.digest == sent.digest,
        "planes": {name: [plane.dtype, *plane.shape] for name, plane in planes.items()},
        "color": bool((_array(planes["color"], np.uint8) == captured.color).all()),
        "depth": bool((_array(planes["depth"], np.float32) == captured.depth).all()),
        "ids": bool((_array(planes["object_id"], np.uint16) == captured.object_id).all()),
        "normal": float(np.abs(normal - captured.normal).max()),
        "is_perspective": message.frame.camera.is_perspective,
        "view": np.allclose(np.reshape(message.frame.camera.view, (4, 4)), captured.view),
    }


def closing() -> dict:
    """A session that searches for a daemon in vain, closed while it does."""
    session = Session(client.Locator(address=REQUEST["nowhere"], token="none"), name="blender")
    session.start()
    during = [thread.name for thread in threading.enumerate()]
    deadline = time.monotonic() + 60
    while session.status.problem is None and time.monotonic() < deadline:
        list(session.pump())
        time.sleep(0.01)
    problem = session.status.problem
    began = time.monotonic()
    session.close()
    return {
        "during": during,
        "state": problem.code if problem else "",
        "seconds": time.monotonic() - began,
        "after": [thread.name for thread in threading.enumerate()],
    }


def registering() -> list[str]:
    """Register and unregister twice; returns the threads that are left."""
    for _ in range(2):
        framebridge.register()
        framebridge.unregister()
    return [thread.name for thread in threading.enumerate()]


def _captured(width: int, height: int):
    scenes.solids()
    scenes.camera("perspective")
    viewport = find_viewport()
    return Capturer().capture(viewport, camera_view(viewport, width, height), with_surfaces=True)


def _array(plane: protocol.Plane, dtype: type) -> np.ndarray:
    return np.frombuffer(plane.data, dtype).reshape(plane.shape)


report(frame, closing, registering)
