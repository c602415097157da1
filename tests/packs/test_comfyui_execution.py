"""ComfyUI's own tests of its executor, from a checkout outside of the project, against our daemon.

    FRAMEBRIDGE_COMFYUI=~/ComfyUI FRAMEBRIDGE_COMFYUI_PYTHON=~/ComfyUI/.venv/bin/python \
        python -m pytest tests/packs/test_comfyui_execution.py

The interpreter needs pytest, websocket-client, numpy, Pillow and torch; ours is taken where none is named.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = os.environ.get("FRAMEBRIDGE_COMFYUI", "")
PYTHON = os.environ.get("FRAMEBRIDGE_COMFYUI_PYTHON") or sys.executable
PLUGIN = Path(__file__).parent / "comfyui"
NEEDS = "import numpy, PIL, pytest, torch, websocket"

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHECKOUT, reason="FRAMEBRIDGE_COMFYUI names no checkout of ComfyUI"),
]


@pytest.fixture
def port(tmp_path):
    """Run a daemon that knows ComfyUI's own pack of test nodes; return its port."""
    nodes = Path(CHECKOUT) / "tests" / "execution" / "testing_nodes"
    options = ["--port", "0", "--comfy-compatible", "--custom-nodes", str(nodes), "--device", "cpu"]
    environment = {**os.environ, "FRAMEBRIDGE_HOME": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-m", "bridge", "serve", *options], env=environment) as daemon:
        try:
            yield _port_of(tmp_path / "daemon.json")
        finally:
            daemon.terminate()


def _port_of(runtime):
    for _ in range(300):
        if runtime.exists():
            return json.loads(runtime.read_text())["port"]
        time.sleep(0.1)
    raise TimeoutError("the daemon does not start")


def run_tests(port, tmp_path, *names):
    """Run files of ComfyUI's tests; return the last line that pytest prints."""
    if subprocess.run([PYTHON, "-c", NEEDS], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} cannot {NEEDS}")
    plugins = ["-p", "no:cacheprovider", "-p", "running_server"]
    options = ["--port", str(port), "--output_dir", str(tmp_path / "samples"), "-q"]
    done = subprocess.run(
        [PYTHON, "-m", "pytest", *plugins, *options, *(f"tests/execution/{name}" for name in names)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(PLUGIN), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    print(done.stdout, done.stderr)
    return done.stdout.strip().splitlines()[-1]


def test_all_132_cases_of_the_executor_pass(port, tmp_path):
    assert run_tests(port, tmp_path, "test_execution.py").startswith("132 passed")
