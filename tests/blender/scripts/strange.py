"""Daemons that answer nonsense, the wrong size, nothing, or refuse; and addresses as people type them."""

import threading
import time
from typing import Any

import bpy
import framebridge
import scenes
from artist import told
from framebridge import preferences
from framebridge._bridge import client, protocol
from framebridge._bridge.errors import BridgeError
from framebridge._bridge.host import diagnosis as diagnosis_module
from framebridge.studio import studio
from harness import REQUEST, report
from websockets.sync.server import Server, ServerConnection, serve

PRESETS = {
    "presets": [
        {
            "name": "stylize",
            "title": "Stylize",
            "controls": [{"name": "prompt", "label": "Prompt", "type": "text", "default": "neon"}],
        }
    ]
}
WAIT_S = 60


def nonsense() -> dict:
    """What the artist is told where the daemon's presets make no sense."""
    found = {}
    for name, answer in {"empty": {}, "numbers": {"presets": [1, 2]}, "texts": {"presets": "all"}}.items():
        with_daemon(Fake(presets=answer))
        found[name] = told(bpy.ops.framebridge.generate)
    return found


def wrong_size() -> dict:
    """A picture of other proportions is kept, with a word about it."""
    with_daemon(Fake(picture=(64, 300)))
    message = told(bpy.ops.framebridge.generate)
    return {"message": message, "notice": studio().notice, "images": sizes()}


def no_picture() -> dict:
    with_daemon(Fake(picture=None))
    return {"said": told(bpy.ops.framebridge.generate), "images": sizes()}


def garbage() -> dict:
    """Bytes that are no message, in the middle of a job that never ends: it can be cancelled."""
    fake = Fake(picture=(0, 0))
    with_daemon(fake)
    studio().ask_for_picture(bpy.context)
    studio().wait(lambda: "submit" in fake.heard, WAIT_S)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        studio().tick()
        time.sleep(0.01)
    words, generating = studio().link.words, studio().is_generating
    bpy.ops.framebridge.cancel()
    bpy.ops.framebridge.cancel()
    return {"words": words, "generating": generating, "after": studio().is_generating, "images": sizes()}


def leaves() -> dict:
    """A daemon that goes away in the middle of a job and does not come back; the artist cancels."""
    fake = Fake(says_nothing=True)
    with_daemon(fake)
    studio().ask_for_picture(bpy.context)
    studio().wait(lambda: "submit" in fake.heard, WAIT_S)
    fake.stop()
    deadline = time.monotonic() + WAIT_S
    while studio().link.is_connected and time.monotonic() < deadline:
        studio().tick()
        time.sleep(0.01)
    words = studio().link.words
    began = time.monotonic()
    studio().disconnect()
    return {
        "words": words,
        "generating": studio().is_generating,
        "code": studio().problem.code if studio().problem else "",
        "seconds": time.monotonic() - began,
    }


def refuses() -> dict:
    with_daemon(Fake(), token="wrong")
    found = {"token": told(bpy.ops.framebridge.generate)}
    with_daemon(Fake(), token="wrong")
    diagnosis = studio().diagnose(bpy.context)
    studio().wait(lambda: diagnosis.is_over, WAIT_S)
    found["diagnosis"] = [[step.name, step.state] for step in diagnosis.steps]
    found["hint"] = diagnosis.broken.problem.hint
    return found


def nobody() -> dict:
    """Nobody listens, and no daemon can be started."""
    locate(client.Locator(address=REQUEST["nowhere"], token="t"))
    diagnosis = studio().diagnose(bpy.context)
    diagnosis_module.PATIENCE_S["Daemon"] = 1.0
    studio().wait(lambda: diagnosis.is_over, WAIT_S)
    found = {"diagnosis": [step.state for step in diagnosis.steps], "said": diagnosis.broken.problem.message}
    locate(client.Locator(starts_daemon=True, command=["/nonexistent/framebridge"]))
    found["cannot start"] = told(bpy.ops.framebridge.generate)
    return found


def online_access() -> dict:
    """A daemon elsewhere, with and without Online Access; one on this machine needs none."""
    found = {}
    for name, allowed in (("off", False), ("on", True)):
        preferences.may_go_online = lambda allowed=allowed: allowed
        found[name] = [_located("192.168.0.7"), _located("localhost:8189"), _located("[::1]:8189")]
    return found


def addresses() -> dict:
    """How the preferences read what is typed."""
    found = {}
    for typed in ("localhost", "8189", "http://127.0.0.1:8189/", "ws://[::1]:8189", "ftp://x", "a b"):
        found[typed] = _located(typed)
    return found


def _located(typed: str) -> str:
    preferences._preferences = lambda: Typed(typed)
    try:
        return preferences.locator(True).find(False).url
    except BridgeError as error:
        return error.code


class Typed:
    """Stands for the preferences, which exist for an enabled add-on only."""

    def __init__(self, address: str) -> None:
        self.address, self.token, self.starts_daemon = address, "t", False
        self.program = self.arguments = ""


class Fake:
    """Speaks the protocol, and says what it is told to."""

    def __init__(
        self,
        presets: dict[str, Any] = PRESETS,
        picture: tuple[int, int] | None = (64, 64),
        says_nothing: bool = False,
    ) -> None:
        self.heard: set[str] = set()
        self._presets, self._picture, self._says_nothing = presets, picture, says_nothing
        self._server: Server = serve(
            self._talk, "127.0.0.1", 0, process_request=self._check, compression=None, max_size=2**26
        )
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        for socket in list(SOCKETS):
            socket.close()

    def _check(self, socket: ServerConnection, request: Any) -> Any:
        if request.path.startswith(client.PROOF_PATH):
            nonce = request.path.partition("=")[2]
            return socket.respond(200, client.proof_of("t", f"127.0.0.1:{self.port}", nonce))
        if request.headers.get("Authorization") != "Bearer t":
            return socket.respond(401, "no")
        return None

    def _talk(self, socket: ServerConnection) -> None:
        SOCKETS.append(socket)
        socket.recv()
        self._say(socket, protocol.Welcome(1, "test", "s"), protocol.State("ready", device="cpu"))
        for data in socket:
            message = protocol.decode(data)
            self.heard.add(message.type)
            if isinstance(message, protocol.Query):
                self._say(socket, protocol.Answer(message.request, self._presets))
            elif isinstance(message, protocol.Submit) and not self._says_nothing:
                self._say(socket, protocol.Accepted(message.request, job="j"), protocol.Started(job="j"))
                if self._picture == (0, 0):
                    socket.send(bytes(range(256)))
                    continue
                if self._picture is not None:
                    self._send_picture(socket)
                self._say(socket, protocol.Finished("done", job="j"))

    def _send_picture(self, socket: ServerConnection) -> None:
        width, height = self._picture
        plane = protocol.Plane("image", (height, width, 3), "u8", bytes(width * height * 3))
        self._say(socket, protocol.Result("9", (plane,), job="j"))

    def _say(self, socket: ServerConnection, *messages: protocol.Message) -> None:
        for message in messages:
            socket.send(protocol.encode(message))


SOCKETS: list[ServerConnection] = []


def with_daemon(fake: Fake, token: str = "t") -> None:
    locate(client.Locator(address=f"127.0.0.1:{fake.port}", token=token))


def locate(locator: client.Locator) -> None:
    """Begin anew: an empty studio that finds this daemon."""
    studio().disconnect()
    studio().dismiss()
    scenes.solids()
    scenes.camera("perspective")
    bpy.context.scene.framebridge.source, bpy.context.scene.framebridge.longest_side = "CAMERA", 64
    studio().link._locate = lambda starts_daemon: locator


def sizes() -> list[list[int]]:
    return [list(image.size) for image in bpy.data.images if image.get("framebridge_slot") == "result"]


framebridge.register()
report(nonsense, wrong_size, no_picture, garbage, leaves, refuses, nobody, online_access, addresses)
