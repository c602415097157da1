"""A plug-in for pytest: ComfyUI's own tests of its executor, run against a server that runs already.

They start ``python main.py`` for each mode of its cache, and end it. With this plug-in they start nothing:
the server at ``--listen`` and ``--port`` is told to forget what it knows instead, and what was to be ended
only loses its sockets.

    cd COMFYUI; python -m pytest -p running_server tests/execution/test_execution.py --port 8188
"""

import json
import subprocess
import urllib.request

import pytest
import websocket

_Popen = subprocess.Popen
_connect = websocket.WebSocket.connect
_sockets = []


class RunningServer:
    """What stands for the process that the tests believe to have started."""

    returncode = None
    pid = 0

    def poll(self):
        """It never ends."""

    def wait(self, timeout=None):
        """Nobody has to wait for it."""

    def kill(self):
        """It goes on, without those who were connected."""
        while _sockets:
            _sockets.pop().close()

    terminate = kill


def connect(self, *args, **options):
    """Connect, and remember it."""
    _connect(self, *args, **options)
    _sockets.append(self)


def reset(server):
    """Have a server forget cached results, history and queue."""
    for path, body in (
        ("/queue", {"clear": True}),
        ("/history", {"clear": True}),
        ("/free", {"unload_models": True, "free_memory": True}),
    ):
        request = urllib.request.Request(
            server + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request):
            pass


@pytest.fixture(scope="session", autouse=True)
def _running_server(pytestconfig):
    server = f"http://{pytestconfig.getoption('listen')}:{pytestconfig.getoption('port')}"

    def start(command, *rest, **named):
        if "main.py" not in list(command):
            return _Popen(command, *rest, **named)
        reset(server)
        return RunningServer()

    patch = pytest.MonkeyPatch()
    patch.setattr(subprocess, "Popen", start)
    patch.setattr(websocket.WebSocket, "connect", connect)
    yield
    patch.undo()
