"""Webhooks that were promised by a daemon that died."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from bridge.comfy.kept_calls import Call, KeptCalls


class Hook(HTTPServer):
    """Somebody's server on this machine: keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: Queue[Any] = Queue()


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.got.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("client_id", ["", "somebody"])
def test_next_daemon_calls_what_a_killed_one_promised(
    spawn: Any, until: Any, hook: Hook, home: Path, client_id: str
) -> None:
    first = spawn()
    runtime = first.runtime
    asked = httpx.post(
        f"http://127.0.0.1:{runtime.port}/run",
        headers={"Authorization": f"Bearer {runtime.token}"},
        json={
            "prompt": {"1": {"class_type": "Echo", "inputs": {"steps": 40, "seconds": 0.05, "text": ""}}},
            "webhook": f"http://127.0.0.1:{hook.server_port}/",
            "client_id": client_id,
        },
        trust_env=False,
    )
    assert asked.status_code == 202, asked.text
    first.process.kill()
    first.wait()
    assert hook.got.empty()
    (home / "webhooks" / "half.json").write_bytes(b'{"url": "http')
    spawn()
    result = hook.got.get(timeout=60)
    assert (result["prompt_id"], result["status"]) == (asked.json()["prompt_id"], "completed")
    until(lambda: [file.name for file in (home / "webhooks").iterdir()] == ["half.json"])


def test_call_that_was_dropped_is_not_made_again(tmp_path: Path) -> None:
    kept = KeptCalls(tmp_path / "webhooks")
    calls = [Call("http://127.0.0.1/", {"prompt_id": name, "number": 1.0}) for name in ("a", "b")]
    for call in calls:
        kept.keep(call)
    kept.drop(calls[0])
    kept.drop(calls[0])
    assert list(KeptCalls(tmp_path / "webhooks")) == [calls[1]]
