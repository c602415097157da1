"""The WebSocket at ``/ws``: what ComfyUI's clients listen to.

1. A client names itself with ``?clientId=``; who does not is given a name, in the first ``status``.
2. The first text that a client sends may be its ``feature_flags``; it gets ours.
3. A client that sends nonsense is not answered, and nothing ends; one that reads too slowly is sent away.
"""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.comfy.hub import Hub
from bridge.comfy.outlet import Outlet
from bridge.comfy.story import Event
from bridge.comfy.system import FEATURES

MAX_CLIENT_ID = 100
"""Characters; a session's name is at most 128."""

TOO_SLOW = 1013
"""WebSocket's word for: try again later."""


class ComfySocket:
    """The endpoint.

    Args:
        hub: Where clients are known.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def serve(self, websocket: WebSocket) -> None:
        """Talk with one client until it leaves."""
        client_id = websocket.query_params.get("clientId", "")[:MAX_CLIENT_ID] or uuid4().hex
        await websocket.accept()
        outlet = Outlet()
        self._hub.enter(client_id, outlet)
        try:
            with contextlib.suppress(WebSocketDisconnect):
                await _until_one_ends(
                    self._read(websocket, client_id, outlet), self._write(websocket, outlet)
                )
        finally:
            self._hub.leave(client_id, outlet)

    async def _read(self, websocket: WebSocket, client_id: str, outlet: Outlet) -> None:
        is_first = True
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if is_first and text is not None:
                is_first = False
                self._learn_flags(text, client_id, outlet)

    def _learn_flags(self, text: str, client_id: str, outlet: Outlet) -> None:
        said = _object(text)
        flags = said.get("data")
        if said.get("type") == "feature_flags" and isinstance(flags, dict):
            outlet.takes_metadata = bool(flags.get("supports_preview_metadata"))
            self._hub.client(client_id).takes_metadata = outlet.takes_metadata
            outlet.put(Event("feature_flags", FEATURES))

    async def _write(self, websocket: WebSocket, outlet: Outlet) -> None:
        while True:
            data = await outlet.get()
            if isinstance(data, str):
                await websocket.send_text(data)
            else:
                await websocket.send_bytes(data)
            if outlet.is_hopeless:
                await websocket.close(TOO_SLOW, "too_slow")
                return


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object that a text is; an empty one if it is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


async def _until_one_ends(*activities: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.create_task(activity) for activity in activities]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
