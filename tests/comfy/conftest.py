"""A whole daemon in this process, on a thread of its own, with a real worker that has no torch.

One for all tests of this folder: they must not depend on what others have queued.
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from bridge.daemon import Settings  # noqa: E402
from bridge.daemon.daemon import Daemon  # noqa: E402

from .hook import hook  # noqa: E402, F401 - a fixture

DEADLINE_S = 60.0


class Listener:
    """A client on ``/ws``."""

    def __init__(self, connection: ClientConnection, client_id: str) -> None:
        self.connection = connection
        self.client_id = client_id

    def next(self, timeout_s: float = DEADLINE_S) -> Any:
        """Return the next message: an event as a dict, or bytes."""
        data = self.connection.recv(timeout_s)
        return json.loads(data) if isinstance(data, str) else data

    def until_over(self, prompt_id: str) -> list[Any]:
        """Return everything up to the end of a job."""
        heard = []
        while True:
            heard.append(self.next())
            if isinstance(heard[-1], bytes) or heard[-1]["type"] != "executing":
                continue
            data = heard[-1]["data"]
            if data["node"] is None and data["prompt_id"] == prompt_id:
                return heard

    def until(self, kind: str) -> Any:
        """Return the next event of a type."""
        while True:
            heard = self.next()
            if isinstance(heard, dict) and heard["type"] == kind:
                return heard["data"]

    def say(self, data: Any) -> None:
        self.connection.send(data if isinstance(data, str | bytes) else json.dumps(data))

    def close(self) -> None:
        self.connection.close()


class Site:
    """The daemon as its clients see it."""

    def __init__(self, daemon: Daemon, home: Path) -> None:
        self.daemon = daemon
        self.home = home
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{daemon.port}", timeout=DEADLINE_S)
        self.open = contextlib.ExitStack()

    def listen(self, client_id: str | None = None, path: str = "/ws") -> Listener:
        """Connect to the WebSocket; the first ``status`` is yet to be read."""
        client_id = uuid.uuid4().hex if client_id is None else client_id
        query = f"?clientId={client_id}" if client_id else ""
        url = f"ws://127.0.0.1:{self.daemon.port}{path}{query}"
        connection = self.open.enter_context(connect(url, compression=None))
        return Listener(connection, client_id)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.http.post(path, json=body)

    def prompt(self, workflow: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Queue a prompt that is accepted."""
        answer = self.post("/prompt", {"prompt": workflow, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def finished(self, prompt_id: str) -> dict[str, Any]:
        """Wait for a job's entry in the history."""
        return self.eventually(lambda: self.http.get(f"/history/{prompt_id}").json().get(prompt_id))

    def eventually(self, look: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + DEADLINE_S
        while not (found := look()):
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.01)
        return found


@pytest.fixture(scope="package")
def running_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEBRIDGE_HOME", str(home))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(HERE)]))
        settings = Settings(port=0, bootstrap="comfy_nodes:load", comfy_compatible=True, idle_timeout_s=0)
        started: list[Daemon] = []
        is_up = threading.Event()
        thread = threading.Thread(target=_serve, args=(settings, started, is_up), name="daemon")
        thread.start()
        assert is_up.wait(DEADLINE_S)
        site = Site(started[0], home)
        yield site
        site.http.close()
        started[0].stop_soon()  # type: ignore[attr-defined]
        thread.join(DEADLINE_S)


def _serve(settings: Settings, started: list[Daemon], is_up: threading.Event) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        daemon = Daemon(settings)
        daemon.stop_soon = lambda: loop.call_soon_threadsafe(daemon.stop)  # type: ignore[attr-defined]
        async with daemon:
            started.append(daemon)
            is_up.set()
            await daemon.until_stopped()

    asyncio.run(serve())


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The daemon with an empty queue; connections of the test are closed after it."""
    yield running_site
    running_site.open.close()
    running_site.post("/queue", {"clear": True})
    running_site.post("/interrupt")
    running_site.eventually(
        lambda: not running_site.http.get("/prompt").json()["exec_info"]["queue_remaining"]
    )


@pytest.fixture
def listener(site: Site) -> Listener:
    """A client that has read its first ``status``."""
    client = site.listen()
    client.until("status")
    return client
