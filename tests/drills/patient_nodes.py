"""``Echo`` of ``fake_library`` for a worker under libfaketime, with which ``time.sleep`` fails."""

import threading
from collections.abc import Mapping
from typing import Any

from bridge.engine import NodeLibrary, current_job
from bridge.graph import ALWAYS, Registry, node
from bridge.protocol import Plane


@node("Echo", category="patient", is_output=True, fingerprint=ALWAYS)
async def echo(steps: int, seconds: float, text: str) -> None:
    """Take some steps at the device, then send the frame's colour back."""
    job = current_job()
    for index in range(steps):
        async with job.step():
            threading.Event().wait(seconds)
        job.progress(index + 1, steps)
    color = job.frame.planes["color"] if job.frame else Plane("image", (1, 1, 3), "u8", b"rgb")
    job.send((Plane("image", color.shape, "u8", bytes(color.data)),))


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """The worker's bootstrap."""
    return NodeLibrary(Registry([echo.node]), {"device": "cpu"})  # type: ignore[attr-defined]
