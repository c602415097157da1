"""The whole loop: capture → daemon → result → image → save → reload."""

import hashlib
import threading
import time
from pathlib import Path

import bpy
import numpy as np
import scenes
from framebridge import display
from framebridge._bridge import protocol
from framebridge.capture import Capture, Capturer
from framebridge.session import LIVE, RESULT, Session
from framebridge.viewport import camera_view, find_viewport
from harness import REQUEST, report

PRESET = REQUEST["preset"]
SESSION = Session()
WAIT_S = 120


def job() -> dict:
    """A job that is waited for; its picture lies in an image that survives saving."""
    (image,) = SESSION.render(_captured(128, 96), PRESET, {"prompt": "neon", "width": 128})
    before = _bytes(image)
    path = str(Path(REQUEST["folder"]) / "loop.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    scenes.clear()
    bpy.ops.wm.open_mainfile(filepath=path)
    after = _bytes(display.find_image(RESULT))
    return {
        "shape": list(before.shape),
        "colors": len(np.unique(before[..., :3].reshape(-1, 3), axis=0)),
        "same_after_reload": bool((before == after).all()),
    }


def submitted() -> dict:
    """A job that is not waited for: what ``pump`` hands out, and the image that it fills."""
    scenes.clear()
    request = SESSION.submit(_captured(128, 96), PRESET, {"prompt": "sketch", "width": 128})
    messages = _pumped(lambda message: isinstance(message, protocol.Finished))
    kinds = [type(message).__name__ for message in messages]
    image = display.find_image(RESULT)
    return {
        "request": request,
        "accepted": next(m.request for m in messages if isinstance(m, protocol.Accepted)),
        "kinds": kinds,
        "state": messages[-1].state,
        "size": list(image.size),
        "is_packed": image.packed_file is not None,
    }


def live() -> dict:
    """Several views pushed at once: the newest is shown, and one image is all that they leave."""
    scenes.clear()
    SESSION.set_live(PRESET, {"prompt": "neon", "width": 128})
    _pumped(lambda message: isinstance(message, protocol.Accepted))
    captured = _captured(128, 96)
    numbers = [SESSION.push_live(captured) for _ in range(12)]
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
        "images": [image.name for image in bpy.data.images if display.SLOT in image],
        "shown": hashlib.sha256(_bytes(display.find_image(LIVE)).tobytes()).hexdigest(),
    }


def refused() -> dict:
    """A preset that the daemon does not have: an answer, and the session lives on."""
    request = SESSION.submit(_captured(64, 48), "no such preset", {})
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
        found += SESSION.pump()
        for index, message in enumerate(found):
            if is_last(message):
                return found[: index + 1]
        time.sleep(0.005)
    raise TimeoutError(f"{WAIT_S} s; came: {found}; {SESSION.status}")


def _bytes(image: bpy.types.Image) -> np.ndarray:
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values.reshape(height, width, 4) * 255).astype(np.uint8)


SESSION.start()
report(job, submitted, live, refused, closed)
