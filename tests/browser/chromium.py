"""A headless Chromium, steered over its DevTools socket."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
    "about:blank",
)
DEADLINE_S = 180.0
"""Of anything; machines that test are busy."""


def chromium() -> str | None:
    """Return the program; ``None`` where it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A running browser with one page, for ``with``."""

    def __init__(self, program: str, profile: Path) -> None:
        as_root = ["--no-sandbox"] if os.name != "nt" and os.geteuid() == 0 else []
        self._profile = profile
        self._open = contextlib.ExitStack()
        self._process = subprocess.Popen(
            [program, f"--user-data-dir={profile}", *as_root, *OPTIONS],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._open.close()
        self._process.terminate()
        self._process.wait(DEADLINE_S)

    def page(self) -> "Page":
        """Connect to the page."""
        port = int(self._port_file().split()[0])
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}/json", timeout=DEADLINE_S) as answer:
            targets = json.load(answer)
        url = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        socket = connect(url, max_size=2**28, proxy=None, compression=None, ping_interval=None)
        return Page(self._open.enter_context(socket))

    def _port_file(self) -> str:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            file = self._profile / "DevToolsActivePort"
            if file.exists() and len(text := file.read_text()) > 1 and "\n" in text:
                return text
            time.sleep(0.05)
        raise AssertionError("Chromium does not start")


class Page:
    """A page: what it shows, what it asked for, what went wrong in it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._count = 0
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have the browser do something, and return its answer."""
        answer = self._asked(method, parameters)
        assert "error" not in answer, answer["error"]
        return dict(answer["result"])

    def _asked(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        number = self._say(method, parameters)
        while True:
            heard = json.loads(self._connection.recv(DEADLINE_S))
            if heard.get("id") == number:
                return dict(heard)
            if "method" in heard:
                self._events.append(heard)
            if heard.get("method") == "Page.javascriptDialogOpening":  # "leave without saving?"
                self._say("Page.handleJavaScriptDialog", {"accept": True})

    def _say(self, method: str, parameters: dict[str, Any]) -> int:
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        return self._count

    def open(self, url: str) -> None:
        self.command("Page.navigate", url=url)

    def js(self, code: str) -> Any:
        """Return what an expression of the page is worth; a promise is awaited."""
        answer = self.command("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{code}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def until(self, code: str, timeout_s: float = DEADLINE_S) -> Any:
        """Wait until an expression is worth something; one that fails is tried again."""
        deadline = time.monotonic() + timeout_s
        asked = {"expression": code, "awaitPromise": True, "returnByValue": True}
        while True:
            answer = self._asked("Runtime.evaluate", asked).get("result", {})  # none while the page changes
            value = answer.get("result", {}).get("value")
            if value and "exceptionDetails" not in answer:
                return value
            assert time.monotonic() < deadline, f"it did not come to pass: {code}; {self.faults()}"
            time.sleep(0.05)

    def until_shown(self, text: str) -> None:
        self.until(f"document.body.innerText.includes({json.dumps(text)})")

    def click(self, text: str) -> None:
        """Click on the element that says exactly this."""
        find = f"""(() => {{
            const deepest = [...document.querySelectorAll('body *')].findLast(
                each => each.textContent.trim() === {json.dumps(text)} && each.getBoundingClientRect().width);
            const box = deepest?.getBoundingClientRect();
            return box && [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = self.until(find)
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, file: Path) -> bytes:
        """Keep a picture of what is shown, and return it."""
        data = base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])
        file.write_bytes(data)
        return data

    def answers(self) -> Iterable[tuple[int, str]]:
        """Yield the status and address of every answer so far."""
        for event in self._heard("Network.responseReceived"):
            yield event["response"]["status"], event["response"]["url"]

    def faults(self) -> list[str]:
        """Return what scripts of the page failed of."""
        return [
            event["exceptionDetails"].get("exception", {}).get("description", "?")
            for event in self._heard("Runtime.exceptionThrown")
        ]

    def _heard(self, method: str) -> list[dict[str, Any]]:
        self.js("0")  # takes up what has been said
        return [event["params"] for event in self._events if event["method"] == method]
