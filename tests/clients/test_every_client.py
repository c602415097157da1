"""Clients that are large, or need Node.js or a checkout of ComfyUI; collected with ``--every-client`` alone.

FRAMEBRIDGE_COMFYUI=~/ComfyUI pytest --every-client tests/clients/test_every_client.py
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

from .environments import clean_environment, ensure_environment

CHECKOUT = os.environ.get("FRAMEBRIDGE_COMFYUI", "")
EXAMPLES = ("basic_api_example", "websockets_api_example", "websockets_api_example_ws_images")
SDK = "@saintno/comfyui-sdk@0.3.1"
TIMEOUT_S = 300
WORKFLOW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 9}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cli"}},
}


def comfy(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run comfy-cli; returns the envelope that it prints last."""
    python = ensure_environment("requirements-cli.txt")
    quiet = {"COMFY_NO_WATCH": "1", "DO_NOT_TRACK": "1", "HOME": str(folder)}
    done = _run(str(python.with_name("comfy")), "--skip-prompt", *arguments, folder=folder, **quiet)
    envelope: dict[str, Any] = json.loads(done.strip().splitlines()[-1])
    return envelope


def test_comfy_cli(server: str, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(WORKFLOW))
    where = ("--host", "127.0.0.1", "--port", server.rpartition(":")[2])
    ran = comfy(tmp_path, "run", "--workflow", "w.json", *where, "--wait", "--json")
    assert ran["data"]["status"] == "completed"
    assert len(ran["data"]["outputs"]) == 1
    job = ran["data"]["prompt_id"]
    assert comfy(tmp_path, "--json", "jobs", "status", job, *where)["data"]["status"] == "completed"
    assert comfy(tmp_path, "--json", "jobs", "wait", job, *where)["data"]["completed"] == 1
    assert comfy(tmp_path, "--json", "jobs", "cancel", job, *where)["ok"]
    assert comfy(tmp_path, "--json", "nodes", "ls", *where)["ok"]


def test_saintno_comfyui_sdk(server: str, tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(WORKFLOW))
    kept = user_cache_path("framebridge", appauthor=False) / "npm"
    kept.mkdir(parents=True, exist_ok=True)
    if not (kept / "node_modules").exists():
        _run("npm", "install", "--ignore-scripts", "--no-save", SDK, folder=kept)
    program = str(kept / "node_modules" / ".bin" / "cfli")
    told = json.loads(_run(program, "-f", "w.json", "-H", server, "--json", folder=tmp_path))
    assert told["status"] == "completed"
    assert told["_media"]


@pytest.mark.skipif(not CHECKOUT, reason="FRAMEBRIDGE_COMFYUI names no checkout of ComfyUI")
@pytest.mark.parametrize("name", EXAMPLES)
def test_comfyuis_own_examples(server: str, tmp_path: Path, name: str) -> None:
    """Run as they are, but for the address, the checkpoint's name, the size and the steps."""
    text = Path(CHECKOUT, "script_examples", f"{name}.py").read_text()
    for pattern, replacement in (
        (r"127\.0\.0\.1:8188", server.removeprefix("http://")),
        (r"v1-5-pruned-emaonly\.safetensors", "framebridge-demo"),
        (r'"(width|height)": 512', r'"\1": 64'),
        (r'"steps": 20', '"steps": 1'),
    ):
        text = re.sub(pattern, replacement, text)
    report = 'print(sum(len(data) for each in globals().get("images", {}).values() for data in each))'
    (tmp_path / "example.py").write_text(f"{text}\n{report}\n")
    python = str(ensure_environment("requirements.txt"))
    told = int(_run(python, "example.py", folder=tmp_path).strip().splitlines()[-1])
    assert told > 1000 or name.startswith("basic")


def _run(*command: str, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=folder,
        env=clean_environment() | variables,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout
