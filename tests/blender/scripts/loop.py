"""A session with a real daemon: captures go out, messages come back."""

import threading
import time

import numpy as np
import scenes
from framebridge._bridge import protocol
from framebridge._bridge.host.recipe import Recipe
from framebridge._bridge.host.session import Session
from framebridge.capture import Capture, Capturer
from framebridge.viewport import camera_view, find_viewport
from framebridge.wire import frame_of
from harness import REQUEST, report

PRESET = REQUEST["preset"]
SESSION = Session(name="blender")
WAIT_S = 120


def submitted() -> dict:
    """A job: what ``pump`` hands out."""
    request = SESSION.submit(frame_of(_captured(128, 96)), Recipe(PRESET, {"prompt": "neon", "width": 128}))
    messages = _pumped(lambda message: isinstance(message, protocol.Finished))
    planes = [
        plane for message in messages if isinstance(message, protocol.Result) for plane in message.planes
    ]
    return {
        "request": request,
        "accepted": next(m.request for m in messages if isinstance(m, protocol.Accepted)),
        "kinds": [type(message).__name__ for message in messages],
        "state": messages[-1].state,
        "shapes": [list(plane.shape) for plane in planes],
        "colors": len(np.unique(np.frombuffer(planes[0].data, np.uint8).reshape(-1, 3), axis=0)),
    }


def live() -> dict:
    """Several views pushed at once: the newest is rendered."""
    SESSION.set_live(Recipe(PRESET, {"prompt": "neon", "width": 128}))
    _pumped(lambda message: isinstance(message, protocol.Accepted))
    captured = _captured(128, 96)
    numbers = [SESSION.next_number() for _ in range(12)]
    for number in numbers:
        SESSION.push_live(frame_of(captured, number))
    messages = _pumped(
        lambda message: isinstance(message, protocol.Finished) and message.frame == numbers[-1]
    )
    SESSION.end_live()
    finished = [message for message in messages if isinstance(message, protocol.Finished)]
    return {
        "last": messages[-1].frame == numbers[-1],
        "state": messages[-1].state,
        "finished": [message.frame for message in finished],
        "pushed": numbers,
    }


def refused() -> dict:
    """A preset that the daemon does not have: an answer, and the session lives on."""
    request = SESSION.submit(frame_of(_captured(64, 48)), Recipe("no such preset", {}))
    (*_, failure) = _pumped(lambda message: isinstance(message, protocol.Failure))
    return {
        "same": failure.request == request,
        "codes": [problem.code for problem in failure.problems],
        "ready": SESSION.status.is_ready,
    }


def closed() -> dict:
    began = time.monotonic()
    SESSION.close()
    return {"seconds": time.monotonic() - began, "threads": [thread.name for thread in threading.enumerate()]}


def _captured(width: int, height: int) -> Capture:
    scenes.solids()
    scenes.camera("perspective")
    viewport = find_viewport()
    return Capturer().capture(viewport, camera_view(viewport, width, height))


def _pumped(is_last) -> list[protocol.Message]:
    """Pump as a timer would, until a message of a kind has come."""
    found: list[protocol.Message] = []
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found += list(SESSION.pump())
        for index, message in enumerate(found):
            if is_last(message):
                return found[: index + 1]
        time.sleep(0.005)
    raise TimeoutError(f"{WAIT_S} s; came: {found}; {SESSION.status}")


SESSION.start()
report(submitted, live, refused, closed)
