"""A client of ComfyUI's HTTP and WebSocket API, as scripts are; it measures whatever answers at a port."""

import itertools
import json
import secrets
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from websockets.sync.client import connect

Workflow = Mapping[str, Any]

WAIT_S = 120.0


class ComfyClient:
    """One connection for requests, and one socket that tells when a prompt is done.

    Args:
        port: Of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._id = secrets.token_hex(16)
        self._names = itertools.count()
        self._http = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._http.connect()
        self._socket = connect(
            f"ws://127.0.0.1:{port}/ws?clientId={self._id}", compression=None, max_size=None, proxy=None
        )

    def close(self) -> None:
        """Leave."""
        self._socket.close()
        self._http.close()

    def run(self, workflow: Workflow) -> dict[str, Any]:
        """Run a workflow; return what its nodes show, by node."""
        return self.wait([self.submit(workflow)])

    def submit(self, workflow: Workflow) -> str:
        """Queue a workflow; return its id."""
        body = json.dumps({"prompt": workflow, "client_id": self._id}).encode()
        return str(json.loads(self._ask("POST", "/prompt", body, "application/json"))["prompt_id"])

    def wait(self, ids: Iterable[str]) -> dict[str, Any]:
        """Wait until all these are done; return what their nodes showed."""
        waiting, shown = set(ids), {}
        while waiting:
            message = self._socket.recv(WAIT_S)
            if isinstance(message, bytes):
                continue
            event = json.loads(message)
            data = event["data"]
            assert event["type"] not in ("execution_error", "execution_interrupted"), event
            if event["type"] == "executed":
                shown[data["node"]] = data["output"]
            elif event["type"] == "executing" and data["node"] is None:
                waiting.discard(data["prompt_id"])
        return shown

    def upload(self, png: bytes) -> str:
        """Upload a picture; return its name."""
        line = secrets.token_hex(16)
        name = f"benchmark{next(self._names)}.png"
        head = (
            f'--{line}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        overwrite = (
            f'\r\n--{line}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n--{line}--\r\n'
        )
        body = head.encode() + png + overwrite.encode()
        answer = self._ask("POST", "/upload/image", body, f"multipart/form-data; boundary={line}")
        return str(json.loads(answer)["name"])

    def view(self, image: Mapping[str, str]) -> bytes:
        """Download a picture that a node shows."""
        return self._ask("GET", f"/view?{urlencode(image)}")

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
        self._http.request(method, path, body or None, {"Content-Type": kind} if kind else {})
        response = self._http.getresponse()
        answer = response.read()
        assert response.status == 200, (method, path, response.status, answer[:500])
        return answer
