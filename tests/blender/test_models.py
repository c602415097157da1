"""The panel of models in real Blenders, with a daemon whose sources are a server of this machine."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ..downloads.conftest import Site, _server, always, lora, port, site, whole  # noqa: F401 - fixtures
from .conftest import Blender

VERSIONS = ("5.0",)
"""What differs between versions is tested elsewhere."""

PICTURE = cv2.imencode(".png", np.full((32, 32, 3), 90, np.uint8))[1].tobytes()
DATA = lora(
    metadata={
        "modelspec.title": "Chalk",
        "modelspec.license": "MIT",
        "modelspec.trigger_phrase": "chalk on slate, board",
        "modelspec.thumbnail": f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}",
    }
)
URL = "https://files.example/chalk.safetensors"
REFUSED = {
    "page": "https://files.example/page",
    "pickle": "https://files.example/pickle.ckpt",
    "private": "https://router.example/x.safetensors",
    "plain": "http://files.example/x.safetensors",
}
PROGRAM = Path(__file__).parent.parent / "daemon" / "pulling_daemon.py"


@pytest.fixture
def pulling_home(port: int, tmp_path: Path) -> Iterator[Path]:  # noqa: F811
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"FRAMEBRIDGE_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with open(home / "serve.log", "wb") as log:
        command = [sys.executable, str(PROGRAM), str(port)]
        daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not (home / "daemon.json").exists():
            assert daemon.poll() is None, (home / "serve.log").read_text()
            assert time.monotonic() < deadline, "the daemon did not start"
            time.sleep(0.05)
        yield home
    finally:
        daemon.terminate()
        daemon.wait(30)


def test_a_second_model_comes_by_pasting_its_address(
    blender: Blender,
    pulling_home: Path,
    site: Site,  # noqa: F811
) -> None:
    site.put(URL, whole(DATA))
    site.put(REFUSED["page"], always(body=b"<html>" * 200))
    site.put(REFUSED["pickle"], always(body=b"\x80\x02" + bytes(600)))
    found: dict[str, Any] = blender.run(
        "models",
        environment={"FRAMEBRIDGE_HOME": str(pulling_home)},
        url=URL,
        name="chalk.safetensors",
        refused=REFUSED,
    )
    assert found["listed"] == ["framebridge-demo"]
    pulled = found["pulled"]
    assert pulled["before"] == ["framebridge-demo-chalkboard"]
    assert pulled["after"] == ["chalk.safetensors", "framebridge-demo-chalkboard"]
    assert pulled["plan"]["Made for"] == "Stable Diffusion 1.x"
    assert pulled["plan"]["Licence"] == "MIT"
    assert pulled["problem"] == "None"
    assert pulled["source"] == "", "the field is free for the next"
    assert (pulling_home / "models" / "loras" / "chalk.safetensors").read_bytes() == DATA
    looked_at = found["looked_at"]
    assert looked_at["triggers"] == ["chalk on slate", "board"]
    assert looked_at["prompt"] == "neon chalk on slate"
    assert looked_at["picture"] == [32, 32]
    assert looked_at["lines"]["Licence"] == "MIT"
    assert found["refused"] == {
        "page": ["not_a_model", True],
        "pickle": ["unsafe_model", True],
        "private": ["private_address", True],
        "plain": ["not_https", True],
    }
    assert "v1-5-pruned-emaonly-fp16.safetensors" in found["lacking"]
    assert found["reloaded"]["names"] == found["reloaded"]["cards"]
