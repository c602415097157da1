"""Keys and tokens on every way in: no file and no answer holds one that is not to be kept."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from websockets.sync.client import connect

from bridge.cli.bundle import write_bundle
from bridge.client import Client, Locator, Runtime
from bridge.daemon import Settings
from bridge.errors import BridgeError
from bridge.protocol import PlanPull

from .mortal_daemon import MortalDaemon

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

SECRET = "canary-4711"
"""Part of every secret; looks like none, so that nobody hides it for its looks."""

KEPT, OWN = "drawn-by-hand", f"own-{SECRET}"
"""In ``extra_pnginfo``, and in the native ``extra``: what a client wants kept with its pictures."""

DONE_S = 60.0
KEEP: Mapping[str, Any] = {"1": {"class_type": "Keep", "inputs": {}}}
FAIL: Mapping[str, Any] = {"1": {"class_type": "Fail", "inputs": {}}}
ENDLESS: Mapping[str, Any] = {
    "1": {"class_type": "Endless", "inputs": {}},
    "2": {"class_type": "Keep", "inputs": {"after": ["1", 0]}},
}
PAGES = (
    *("/history", "/queue", "/jobs", "/prompt", "/metrics", "/status", "/ready", "/system_stats"),
    *("/internal/logs", "/internal/logs/raw", "/settings", "/framebridge/now", "/framebridge/history"),
)


def body(workflow: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return what ComfyUI's clients send, with a secret wherever they may put one."""
    names = ("api_key_comfy_org", "auth_token_comfy_org", "somebodys_setting")
    extra_data = {
        **{name: f"{name}-{SECRET}" for name in names},
        "nested": [{"api_key": SECRET}],
        "extra_pnginfo": {"workflow": {"id": KEPT}},
    }
    return {"prompt": workflow, "client_id": "drill", "api_key": SECRET, "extra_data": extra_data, **more}


class Visit:
    """A daemon's clients, all in one, who remember every word of its answers.

    Args:
        runtime: Of the daemon.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.address = f"127.0.0.1:{runtime.port}"
        self.headers = {"Authorization": f"Bearer {runtime.token}"}
        self.http = httpx.Client(
            base_url=f"http://{self.address}",
            timeout=DONE_S,
            trust_env=False,
            event_hooks={"response": [self._note]},
        )
        self.said: list[bytes] = []

    def post(self, path: str, data: Any = None, **how: Any) -> httpx.Response:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        return self.http.post(path, content=content, **{"headers": self.headers, **how})

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path, headers=self.headers)

    def prompt(self, path: str, workflow: Mapping[str, Any], **how: Any) -> str:
        answer = self.post(path, body(workflow), **how)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def until(self, look: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + DONE_S
        while not (found := look()):
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.02)
        return found

    def until_ended(self, job: str) -> Any:
        return self.until(lambda: self.get(f"/history/{job}").json())

    @contextlib.contextmanager
    def listening(self) -> Iterator[Any]:
        """Give the connection, and remember what comes."""
        url = f"ws://{self.address}/ws?clientId=drill"
        with connect(url, additional_headers=self.headers, compression=None, proxy=None) as line:
            thread = threading.Thread(target=self._hear, args=(line,))
            thread.start()
            yield line
        thread.join()

    def _hear(self, line: Any) -> None:
        for message in line:
            self.said.append(message if isinstance(message, bytes) else message.encode())

    def _note(self, response: httpx.Response) -> None:
        self.said.append(response.read())


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalDaemon]:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRAMEBRIDGE_API_KEY", f"environment-{SECRET}")
    monkeypatch.setenv("HF_TOKEN", f"hub-{SECRET}")
    daemon = MortalDaemon(tmp_path / "home", bootstrap="talkative_nodes:load")
    yield daemon
    daemon.end()


def test_no_secret_that_comes_in_goes_out_again(daemon: MortalDaemon, tmp_path: Path) -> None:
    runtime = daemon.start()
    visit = Visit(runtime)
    bundle = tmp_path / "bundle.zip"
    with visit.listening() as line, Client(Locator(), name="drill") as client:
        key, cookie = enter(visit)
        call_back(visit)
        refuse(visit, client)
        for path, how in (
            ("/prompt", {}),
            (f"/api/prompt?token={runtime.token}", {"headers": {}}),
            ("/prompt", {"headers": {"Cookie": cookie, "Origin": f"http://{visit.address}"}}),
            ("/run", {}),
        ):
            visit.until_ended(visit.prompt(path, KEEP, **how))
        line.send(json.dumps({"type": "prompt", "data": {"request": 1, **body(KEEP)}}))
        visit.until_ended(visit.prompt("/prompt", FAIL))
        own = client.run(workflow=KEEP, extra={"my_api_key": OWN}, timeout_s=DONE_S)
        for path in ("history", "api/jobs"):
            visit.get(f"/{path}/{own.job}")
        os.kill(runtime.pid, signal.SIGUSR1)
        log = daemon.home / "daemon.log"
        for words in ("was not called", "asked what goes on"):
            visit.until(lambda words=words: words in log.read_text())
        cancelled, running, waiting = (visit.prompt("/prompt", ENDLESS) for _ in range(3))
        visit.until(lambda: visit.get(f"/api/jobs/{cancelled}").json()["status"] == "in_progress")
        visit.post(f"/api/jobs/{cancelled}/cancel")
        visit.until(lambda: visit.get(f"/api/jobs/{running}").json()["status"] == "in_progress")
        for path in (*PAGES, *(f"/api/jobs/{job}" for job in (cancelled, running, waiting))):
            assert visit.get(path).status_code == 200, path
        told = [json.dumps(client.query(subject)).encode() for subject in ("settings", "status")]
        write_bundle(bundle, (), Settings())
        at_work = everything_in(daemon.home)
    daemon.stop()
    visit.http.close()
    left = everything_in(daemon.home) | everything_in(bundle)
    left["daemon.out"] = (tmp_path / "daemon.out").read_bytes()
    answers = {f"answer {number}": text for number, text in enumerate([*visit.said, *told])}

    database = {"jobs/queue.sqlite3", "jobs/queue.sqlite3-wal"}
    own_pictures = {f"{each['type']}/{each['filename']}" for each in own.finished.outputs["1"]["images"]}
    assert own_pictures <= found(OWN, left), "what a client wants kept with its pictures is kept with them"
    assert found(OWN, left | at_work) <= own_pictures | database
    assert not found(OWN, answers), "ComfyUI's clients are not told of the jobs of others"
    for texts in (at_work, left, answers):
        assert not found(SECRET, {name: text.replace(OWN.encode(), b"") for name, text in texts.items()})
        assert found(runtime.token, texts) == ({"daemon.json"} if texts is at_work else set())
        assert not found(cookie.partition("=")[2], texts)
    assert not found(key, at_work | left)
    seen = found(KEPT, left)  # or nothing above says anything
    assert {"jobs/queue.sqlite3", "output/output_00001_.png", "temp/temp_00001_.png", "daemon.log"} <= seen
    assert "bundle.zip/log.txt" in seen
    assert "jobs/queue.sqlite3-wal" in found(KEPT, at_work)
    assert len(found(KEPT, answers)) > 10


def enter(visit: Visit) -> tuple[str, str]:
    """Return a key that was used, and the cookie that a browser has for it."""
    path = visit.post("/framebridge/key").json()["path"]
    answer = visit.http.get(path)
    assert answer.status_code == 200
    visit.http.cookies.clear()
    return path.partition("=")[2], answer.headers["set-cookie"].partition(";")[0]


def call_back(visit: Visit) -> None:
    """Name webhooks with secrets: one that nobody answers, and some that are refused."""
    for webhook, status in (
        (f"http://127.0.0.1:9/hook?key={SECRET}", 202),
        (f"http://example.org/{SECRET}?key={SECRET}", 400),
        (f"http://user:{SECRET}@127.0.0.1:9/", 400),
    ):
        assert visit.post("/run", body(KEEP, webhook=webhook)).status_code == status


def refuse(visit: Visit, client: Client) -> None:
    """Ask for what cannot be done, in words that hold secrets."""
    for data in (
        body({"1": {"class_type": "Absent", "inputs": {}}}),
        body({"1": {"class_type": "Keep", "inputs": {"after": ["2", 0]}}}),
        json.dumps(body(KEEP)).encode()[:-1],
    ):
        assert visit.post("/prompt", data).status_code == 400
    for headers in ({"Authorization": f"Bearer {SECRET}"}, {"Cookie": f"framebridge={SECRET}"}):
        assert visit.post(f"/prompt?token={SECRET}", body(KEEP), headers=headers).status_code == 401
    for source in (
        f"https://civitai.com/nothing?token={SECRET}",
        f"http://files.example/chalk.safetensors?token={SECRET}",
        f"https://user:{SECRET}@files.example/chalk.safetensors",
        f"https://127.0.0.1/chalk.safetensors?token={SECRET}",
    ):
        with pytest.raises(BridgeError) as failure:
            client.ask(PlanPull(client.new_request(), source))
        visit.said.append(str(failure.value.problem).encode())


def everything_in(place: Path) -> dict[str, bytes]:
    """Return what lies in a folder or an archive, by name; of pictures, their texts as well."""
    if place.is_dir():
        files = (path for path in sorted(place.rglob("*")) if path.is_file())
        return {
            str(Path(path.relative_to(place).as_posix())): b"\n".join([path.read_bytes(), *_inside(path)])
            for path in files
        }
    with zipfile.ZipFile(place) as archive:
        return {f"{place.name}/{name}": archive.read(name) for name in archive.namelist()}


def _inside(path: Path) -> Iterator[bytes]:
    if zipfile.is_zipfile(path):
        yield from everything_in(path).values()
    if path.suffix == ".png":
        with Image.open(path) as picture:
            yield json.dumps(picture.info, default=str).encode()


def found(text: str, texts: Mapping[str, bytes]) -> set[str]:
    """Return the names of what holds a text."""
    return {name for name, data in texts.items() if text.encode() in data}
