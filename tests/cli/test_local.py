"""Jobs of the command line's own, on nodes that need no torch."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bridge.cli.local import SESSION, local_jobs
from bridge.daemon import Settings
from bridge.errors import Interrupted
from bridge.protocol import Message, Progress, Submit

ROOT = Path(__file__).parents[2]
LONG = {
    "1": {"class_type": "Steps", "inputs": {"count": 10_000, "seconds": 0.01, "label": ""}},
    "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
}
COMMAND = """
from functools import partial
from bridge import cli
from bridge.cli import asked, workflow

asked.Settings = partial(asked.Settings, bootstrap="fake_nodes:load")
workflow.StepBar.follow = lambda self, message: print(message.type, flush=True)
cli.main()
"""
"""``framebridge`` on those nodes, telling what happens."""


@pytest.fixture(autouse=True)
def fake_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "engine")]))
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))


async def test_a_job_that_somebody_cancels_is_interrupted() -> None:
    cancelling: list[asyncio.Future[bool]] = []
    async with local_jobs(Settings(bootstrap="fake_nodes:load")) as jobs:

        def cancel(message: Message) -> None:
            if isinstance(message, Progress):
                cancelling.append(asyncio.ensure_future(jobs.service.cancel(SESSION, message.job)))

        with pytest.raises(Interrupted, match="was cancelled"):
            await jobs.run(Submit("r", LONG), cancel)
        assert await cancelling[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for others")
def test_ctrl_c_ends_a_run_and_its_worker_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    file.write_text(json.dumps(LONG))
    command = [sys.executable, "-c", COMMAND, "run", str(file), "--out", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as running:
        while running.stdout.readline().strip() != "progress":
            assert running.poll() is None, running.stderr.read()
        workers = psutil.Process(running.pid).children()
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        _, told = running.communicate(timeout=60)
    assert (running.returncode, told.strip()) == (130, "interrupted")
    assert workers
    assert not any(worker.is_running() for worker in workers)
