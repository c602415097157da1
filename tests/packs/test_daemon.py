"""A daemon that was told of a folder of packs, over HTTP and ComfyUI's socket."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.sync.client import connect

FOLDER = Path(__file__).parent / "folder"


class Daemon:
    """What tests ask of it."""

    def __init__(self, port, token):
        self.port, self.token = port, token

    def ask(self, path, body=None):
        """Return a status and the JSON behind it."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=180) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(self, prompt):
        """Run a prompt; return everything that ComfyUI's socket says until its end."""
        url = f"ws://127.0.0.1:{self.port}/ws?clientId=packs&token={self.token}"
        with connect(url) as socket:
            status, answer = self.ask("/prompt", {"prompt": prompt, "client_id": "packs"})
            assert status == 200, answer
            told = []
            while not told or told[-1]["type"] != "executing" or told[-1]["data"]["node"] is not None:
                message = socket.recv(timeout=180)
                if isinstance(message, str):
                    told.append(json.loads(message))
        return told


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "bridge", "serve", "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "FRAMEBRIDGE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "--custom-nodes", str(FOLDER)], env=environment) as process:
        try:
            yield _started(home / "daemon.json")
        finally:
            process.terminate()


def _started(runtime):
    for _ in range(600):
        if runtime.exists() and (text := runtime.read_text()):
            known = json.loads(text)
            return Daemon(known["port"], known["token"])
        time.sleep(0.1)
    raise TimeoutError("the daemon does not start")


def show(kind, **inputs):
    return {
        "1": {"class_type": kind, "inputs": inputs},
        "2": {"class_type": "PackShow", "inputs": {"value": ["1", 0]}},
    }


def test_nodes_of_packs_are_described_as_comfyui_does(daemon):
    _, described = daemon.ask("/object_info/PackConstant")
    found = described["PackConstant"]
    assert found["input"]["required"]["value"] == [
        "INT",
        {"default": 3, "min": 0, "max": 9, "tooltip": "Which."},
    ]
    assert (found["python_module"], found["display_name"]) == ("custom_nodes.first_form", "A constant")
    assert found["output_tooltips"] == ["The number."]


def test_what_could_not_be_loaded_is_in_the_status(daemon):
    daemon.ask("/object_info/PackConstant")
    failures = daemon.ask("/status")[1]["failures"]
    assert failures["broken"] == "ValueError: this pack is broken"
    assert failures["leaves"] == "SystemExit: 3"


def test_a_prompt_runs_and_a_pack_has_words_of_its_own(daemon):
    told = daemon.run({**show("PackSlow", value=["3", 0]), "3": show("PackConstant", value=5)["1"]})
    assert [each["data"] for each in told if each["type"] == "pack.word"] == [{"node": "1"}]
    (shown,) = [each["data"]["output"] for each in told if each["type"] == "executed"]
    assert shown["value"] == [5]


def test_a_refusal_is_told_in_comfyuis_words(daemon):
    status, answer = daemon.ask("/prompt", {"prompt": show("PackChecked", value=7, mode="a", bounded=1)})
    (error,) = answer["node_errors"]["1"]["errors"]
    assert (status, error["type"]) == (400, "custom_validation_failed")
    assert error["details"] == "value - 7 is not allowed in node 1"
    assert answer["node_errors"]["1"]["dependent_outputs"] == ["2"]


def test_a_validator_that_raises_is_told_in_comfyuis_words(daemon):
    _, answer = daemon.ask("/prompt", {"prompt": show("PackChecked", value=1, mode="raise", bounded=1)})
    assert answer["node_errors"]["1"]["errors"][0]["type"] == "exception_during_validation"
