"""A node library without torch, for real workers of a real daemon."""

import os
import time
from collections.abc import Mapping
from typing import Annotated, Any

from bridge.engine import NodeLibrary, current_job
from bridge.graph import ALWAYS, ChoicesFrom, Registry, node
from bridge.protocol import Plane


@node("Echo", category="fake", is_output=True, fingerprint=lambda: ALWAYS)
async def echo(steps: int = 1, seconds: float = 0.0, text: str = "") -> None:
    """Take some steps at the device, then send the frame's colour back."""
    job = current_job()
    for index in range(steps):
        async with job.step():
            time.sleep(seconds)
        job.progress(index + 1, steps)
    color = job.frame.planes["color"] if job.frame else Plane("image", (1, 1, 3), "u8", b"rgb")
    job.send((Plane("image", color.shape, "u8", bytes(color.data)),))


@node("Crash", category="fake", is_output=True, fingerprint=lambda: ALWAYS)
def crash() -> None:
    """Take the worker down."""
    os._exit(3)


@node("Load", category="fake", is_output=True)
def load_something(
    image: Annotated[str, ChoicesFrom("input")], checkpoint: Annotated[str, ChoicesFrom("checkpoints")]
) -> None:
    """Name files."""


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    functions = [function.node for function in (echo, crash, load_something)]  # type: ignore[attr-defined]
    return NodeLibrary(Registry(functions), {"device": "cpu", "settings": dict(settings)})
