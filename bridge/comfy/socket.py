"""The WebSocket at ``/ws``: what ComfyUI's clients listen to.

1. A client names itself with ``?clientId=``; who does not is given a name, in the first ``status``.
2. What it says is read in order, one message after the other; ``Speech`` has the rules.
3. A client that reads too slowly is sent away; what was not on its way by then waits for it.
"""

import contextlib
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.comfy.hub import PREFIX, Hub
from bridge.comfy.outlet import Outlet
from bridge.comfy.prompt import MAX_CLIENT_ID, PromptDesk
from bridge.comfy.speech import Speech
from bridge.errors import BridgeError
from bridge.server import Clients, answer_to, send_texts, until_one_ends

TOO_SLOW = 1013
"""WebSocket's word for: try again later."""


class ComfySocket:
    """The endpoint.

    Args:
        hub: Where clients are known.
        prompts: Takes the prompts that come this way.
        clients: Who is connected to the daemon.
    """

    def __init__(self, hub: Hub, prompts: PromptDesk, clients: Clients) -> None:
        self._hub = hub
        self._prompts = prompts
        self._clients = clients

    async def serve(self, websocket: WebSocket) -> None:
        """Talk with one client until it leaves."""
        client_id = websocket.query_params.get("clientId", "")[:MAX_CLIENT_ID] or uuid4().hex
        is_page = websocket.headers.get("user-agent", "").startswith("Mozilla/")
        try:
            with self._clients.guest(PREFIX + client_id, "editor" if is_page else "ComfyUI client"):
                if is_page:
                    self._hub.warm_up()
                await self._serve(websocket, client_id)
        except BridgeError as error:
            await websocket.send_denial_response(answer_to(error))

    async def _serve(self, websocket: WebSocket, client_id: str) -> None:
        await websocket.accept()
        outlet = Outlet()
        speech = Speech(self._hub, self._prompts, client_id, outlet)
        self._hub.enter(client_id, outlet)
        try:
            with contextlib.suppress(WebSocketDisconnect):
                await until_one_ends(
                    self._read(websocket, speech), self._write(websocket, outlet), outlet.overflow.wait()
                )
        finally:
            self._hub.leave(client_id, outlet)
        if outlet.overflow.is_set():
            with contextlib.suppress(WebSocketDisconnect):
                await websocket.close(TOO_SLOW, "too_slow")

    async def _read(self, websocket: WebSocket, speech: Speech) -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            await speech.hear(message["bytes"] if text is None else text)

    async def _write(self, websocket: WebSocket, outlet: Outlet) -> None:
        while True:
            data = await outlet.get()
            if isinstance(data, bytes):
                await websocket.send_bytes(data)
            else:
                await send_texts(websocket, data)
