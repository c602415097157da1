"""Two other ways to move a frame to a daemon and back, as routes of the same daemon, and their clients.

``base64``: one HTTP POST with JSON, raw planes in base64, and the picture back the same way (the way of
AUTOMATIC1111's API). ``png``: colour and depth uploaded as PNG of level 1, a WebSocket that says when the
job is done, the picture downloaded as PNG (the way of ComfyUI's API). Both run the same null model.
"""

import asyncio
import base64
import io
import itertools
import json
from http.client import HTTPConnection
from typing import Any

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.sync.client import connect

from benchmarks.null_model import WORKFLOW
from bridge.jobs import JobService
from bridge.protocol import Finished, Frame, Message, Plane, Result, Submit

SESSION = "peer"


class PeerRoutes:
    """The daemon's side of both."""

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[Plane]] = {}
        self._early: dict[str, Plane] = {}
        self._uploads: dict[str, bytes] = {}
        self._sockets: set[WebSocket] = set()
        service.connect(SESSION, self._deliver)

    @property
    def routes(self) -> list[BaseRoute]:
        """What to add to the daemon's application."""
        return [
            Route("/peer/base64", self.base64, methods=["POST"]),
            Route("/peer/upload", self.upload, methods=["POST"]),
            Route("/peer/prompt", self.prompt, methods=["POST"]),
            Route("/peer/view/{name}", self.view),
            WebSocketRoute("/peer/ws", self.ws),
        ]

    async def base64(self, request: Request) -> Response:
        """Take a frame as JSON and answer with the picture as JSON."""
        data = await request.json()
        shape = data["height"], data["width"]
        color = Plane("color", (*shape, 3), "u8", base64.b64decode(data["color"]))
        depth = Plane("depth", shape, "u16", base64.b64decode(data["depth"]), near=0.1, far=100.0)
        picture = await self._run(color, depth)
        return JSONResponse({"image": base64.b64encode(picture.data).decode()})

    async def upload(self, request: Request) -> Response:
        """Keep an uploaded file."""
        name = f"upload{next(self._numbers)}.png"
        self._uploads[name] = await request.body()
        return JSONResponse({"name": name})

    async def prompt(self, request: Request) -> Response:
        """Begin a job on two uploads; the socket says when it is done."""
        data = await request.json()
        name = f"out{next(self._numbers)}.png"
        task = asyncio.create_task(self._finish(name, data["color"], data["depth"]))
        task.add_done_callback(lambda task: task.result())
        return JSONResponse({"name": name})

    async def view(self, request: Request) -> Response:
        """Hand a result out."""
        return Response(self._uploads.pop(request.path_params["name"]), media_type="image/png")

    async def ws(self, websocket: WebSocket) -> None:
        """Tell a client what is done."""
        await websocket.accept()
        self._sockets.add(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            self._sockets.discard(websocket)

    async def _finish(self, name: str, color: str, depth: str) -> None:
        planes = await asyncio.to_thread(self._open, color, depth)
        picture = await self._run(*planes)
        pixels = np.frombuffer(picture.data, np.uint8).reshape(picture.shape)
        self._uploads[name] = await asyncio.to_thread(to_png, pixels)
        for socket in list(self._sockets):
            await socket.send_text(json.dumps({"done": name}))

    def _open(self, color: str, depth: str) -> tuple[Plane, Plane]:
        pixels = np.asarray(Image.open(io.BytesIO(self._uploads.pop(color))))
        distances = np.asarray(Image.open(io.BytesIO(self._uploads.pop(depth)))).astype(np.uint16)
        return (
            Plane("color", pixels.shape, "u8", pixels.tobytes()),
            Plane("depth", distances.shape, "u16", distances.tobytes(), near=0.1, far=100.0),
        )

    async def _run(self, color: Plane, depth: Plane) -> Plane:
        submit = Submit("peer", WORKFLOW, frame=Frame({"color": color, "depth": depth}))
        accepted = await self._service.submit(SESSION, submit)
        if accepted.job in self._early:
            return self._early.pop(accepted.job)
        future = self._waiting[accepted.job] = asyncio.get_running_loop().create_future()
        return await future

    def _deliver(self, message: Message) -> None:
        if isinstance(message, Result):
            waiting = self._waiting.pop(message.job, None)
            if waiting:
                waiting.set_result(message.planes[0])
            else:
                self._early[message.job] = message.planes[0]
        elif isinstance(message, Finished):
            assert message.state == "done", message


class Peer:
    """A client of one of them: ``send`` returns the picture.

    Args:
        port: Of the daemon.
        token: Of the daemon.
    """

    def __init__(self, port: int, token: str) -> None:
        self._http = HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._port = port

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        self._http.request(method, path, body, self._headers)
        response = self._http.getresponse()
        content = response.read()
        assert response.status == 200, content
        return content


class Base64Peer(Peer):
    """JSON and base64 over HTTP."""

    def send(self, color: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Send a frame; color u8 (H, W, 3), depth u16 (H, W)."""
        height, width = depth.shape
        encoded = {"color": base64.b64encode(color).decode(), "depth": base64.b64encode(depth).decode()}
        body = json.dumps({"height": height, "width": width, **encoded}).encode()
        answer: dict[str, Any] = json.loads(self._ask("POST", "/peer/base64", body))
        return np.frombuffer(base64.b64decode(answer["image"]), np.uint8).reshape(color.shape)


class PngPeer(Peer):
    """PNG files up and down, and a WebSocket in between."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(port, token)
        url = f"ws://127.0.0.1:{port}/peer/ws"
        self._socket = connect(url, additional_headers=self._headers, compression=None, proxy=None)

    def send(self, color: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Send a frame; color u8 (H, W, 3), depth u16 (H, W)."""
        names = [
            json.loads(self._ask("POST", "/peer/upload", to_png(plane)))["name"] for plane in (color, depth)
        ]
        body = json.dumps({"color": names[0], "depth": names[1]}).encode()
        name = json.loads(self._ask("POST", "/peer/prompt", body))["name"]
        while json.loads(self._socket.recv())["done"] != name:
            pass
        return np.asarray(Image.open(io.BytesIO(self._ask("GET", f"/peer/view/{name}"))))

    def close(self) -> None:
        """Leave."""
        self._socket.close()


def to_png(pixels: np.ndarray) -> bytes:
    """Pack as PNG of level 1 with Pillow, as ComfyUI and its clients do."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
