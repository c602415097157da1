"""A daemon for the Blender benchmark: every preset runs the model that does nothing, and frames are stamped.

The stamps are seconds of ``time.monotonic``, which all processes of a machine share.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.null_model import WORKFLOW
from bridge import __version__
from bridge.builtin import all_presets
from bridge.client import Runtime, write_runtime
from bridge.daemon import Settings
from bridge.jobs import JobService
from bridge.protocol import Message, Result, StreamFrame
from bridge.server import Access, WebServer, bind, create_app


class StampedService(JobService):
    """Notes when a frame of a stream comes in and when its picture leaves.

    Attributes:
        stamps: Frame number → both times.
    """

    def __init__(self, settings: Settings) -> None:
        choices, presets, prompts = lambda _: (), lambda *_: WORKFLOW, lambda template, _: template
        super().__init__(settings.worker, None, choices, presets, prompts)
        self.stamps: dict[str, list[float]] = {}

    def connect(self, session: str, deliver: Callable[[Message], None]) -> None:
        """Deliver a session's messages, and stamp its pictures."""

        def stamped(message: Message) -> None:
            if isinstance(message, Result) and str(message.frame) in self.stamps:
                self.stamps[str(message.frame)].append(time.monotonic())
            deliver(message)

        super().connect(session, stamped)

    def push_frame(self, session: str, message: StreamFrame) -> None:
        """Take a frame, and stamp it."""
        self.stamps[str(message.frame.number)] = [time.monotonic()]
        super().push_frame(session, message)

    def tell_stamps(self) -> Mapping[str, Any]:
        """Answer the query for ``stamps``, and begin anew: numbers are a client's own."""
        told, self.stamps = self.stamps, {}
        return {"frames": told}


def serve(pipe: Connection, home: str) -> None:
    """Run until the other end of the pipe closes, for clients with this ``FRAMEBRIDGE_HOME``."""
    os.environ["FRAMEBRIDGE_HOME"] = home
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    service = StampedService(Settings(port=0, bootstrap="benchmarks.null_model:load"))
    listener, token = bind("127.0.0.1", 0), secrets.token_urlsafe()
    port = listener.getsockname()[1]
    answers = {"presets": _presets, "stamps": service.tell_stamps}
    app = create_app(service, Access(token, port), answers=answers)
    async with WebServer(app).serving(listener):
        await service.start()
        await service.definitions()
        url = f"ws://127.0.0.1:{port}/bridge"
        write_runtime(Runtime(url, port, token, os.getpid(), __version__, time.time()))
        pipe.send(port)
        await asyncio.to_thread(pipe.poll, None)
        await service.close()


def _presets() -> Mapping[str, Any]:
    return {"presets": [preset.to_json(lambda folder: ()) for preset in all_presets()[0].values()]}
