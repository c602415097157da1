"""The other way for a Blender add-on, at its server's end: PNG files up, polling, PNG files down.

The routes are those that add-ons for ComfyUI use. The job does nothing: it is done when it is asked for,
and its picture is the upload.
"""

import itertools
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit


class FilePeer(BaseHTTPRequestHandler):
    """Keeps files in memory."""

    protocol_version = "HTTP/1.1"  # connections stay open
    disable_nagle_algorithm = True
    files: ClassVar[dict[str, bytes]] = {}
    jobs: ClassVar[dict[str, str]] = {}
    numbers: ClassVar[Iterator[int]] = itertools.count(1)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        number = str(next(self.numbers))
        if self.path == "/upload/image":
            self.files[number] = file_of(body, self.headers["Content-Type"])
            self._answer(json.dumps({"name": number}).encode())
        else:
            self.jobs[number] = json.loads(body)["image"]
            self._answer(json.dumps({"prompt_id": number}).encode())

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/view":
            self._answer(self.files.pop(parse_qs(address.query)["filename"][0]))
        else:
            job = address.path.removeprefix("/history/")
            self._answer(json.dumps({job: {"image": self.jobs.pop(job)}}).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def file_of(body: bytes, content_type: str) -> bytes:
    """Return the content of the one file of a ``multipart/form-data`` body."""
    boundary = content_type.partition("boundary=")[2].encode()
    start = body.index(b"\r\n\r\n") + 4
    return body[start : body.rindex(b"\r\n--" + boundary)]


def serve(pipe: Connection) -> None:
    """Run until something comes through the pipe, or its other end closes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), FilePeer) as server:
        server.daemon_threads = True
        pipe.send(server.server_port)
        server.timeout = 0.1
        while not pipe.poll():
            server.handle_request()
