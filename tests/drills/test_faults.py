"""A worker that crashes, hangs or finds no room: the job is told why, and the next one runs."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import Client, Locator, Outcome
from bridge.errors import BridgeError
from bridge.protocol import Progress

from .mortal_daemon import MortalDaemon

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")

DONE_S = 60.0
PHASES = ("load", "encode", "sample", "decode", "save")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "home"


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEBRIDGE_HOME", str(home))
        daemon = MortalDaemon(home, bootstrap="fragile_nodes:load", hang_timeout_s=1.0)
        daemon.start()
        with Client(Locator(), name="drill") as client:
            yield client
        daemon.end()


def run(client: Client, kind: str, **inputs: Any) -> Outcome:
    return client.run(workflow={"1": {"class_type": kind, "inputs": inputs}}, timeout_s=DONE_S)


def test_a_poison_job_and_a_hung_one_are_told_why_and_take_nobody_down(client: Client, home: Path) -> None:
    for kind, inputs, code, words in (
        ("Die", {"how": "SIGSEGV"}, "worker_crashed", "was killed by SIGSEGV while this ran, 3 times"),
        ("Hang", {}, "job_hung", "a run did nothing for 1 s and was ended"),
    ):
        with pytest.raises(BridgeError) as failure:
            run(client, kind, **inputs)
        assert (failure.value.code, failure.value.hint != "") == (code, True)
        assert words in failure.value.message
    assert run(client, "Save", prefix="after", side=8).finished.state == "done"
    log = (home / "daemon.log").read_text()
    assert "fragile_nodes.py" in log, "the stack of the node that hung is in the log"


def test_a_model_cut_short_while_it_is_mapped_restarts_the_worker_and_is_named(
    client: Client, home: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(bytes(2**20))
    busy = Path(f"{model}.busy")

    def cut_short() -> None:
        while not busy.exists():
            time.sleep(0.005)
        os.truncate(model, 4096)
        busy.unlink()

    cutting = threading.Thread(target=cut_short)
    cutting.start()
    with pytest.raises(BridgeError) as failure:
        run(client, "MappedModel", path=str(model), size=2**20)
    cutting.join()
    assert failure.value.code == "model_corrupt", "the second try finds the file incomplete"
    log = (home / "daemon.log").read_text()
    assert "was killed by SIGBUS (a model file was cut short while it was in use" in log


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAGILE_FILE_BYTES", "20000")
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    daemon = MortalDaemon(tmp_path / "home", bootstrap="fragile_nodes:load")
    daemon.start()
    with Client(Locator(), name="drill") as client:
        with pytest.raises(BridgeError) as failure:
            run(client, "Save", prefix="large", side=256)
        assert failure.value.code == "output_failed"
        assert "Is there room on the disk" in failure.value.hint
        small = run(client, "Save", prefix="small", side=8)
        assert small.finished.outputs["1"]["images"] == ["small_00001_.png"]
    daemon.end()
    assert [path.name for path in (tmp_path / "home" / "output").iterdir()] == ["small_00001_.png"]


@pytest.mark.mount
def test_the_same_on_a_disk_that_is_full_indeed(tmp_path: Path, is_full: bool) -> None:
    """Needs the right to mount; without it the limit on files above stands for it."""
    script = (
        f"mount -t tmpfs -o size=200k tmpfs {tmp_path} && cd {tmp_path} && "
        f"{sys.executable} {Path(__file__).with_name('fill_disk.py')}"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    if "unshare" in ended.stderr or "mount:" in ended.stderr:
        assert not is_full, f"not allowed here: {ended.stderr}"
        pytest.skip(f"not allowed here: {ended.stderr.strip()}")
    assert json.loads(ended.stdout) == {"errno": "No space left on device", "left": []}, ended.stderr


class Enough(Exception):
    """The artist does not want to wait any longer."""


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancelled_job_takes_one_more_step_at_most_in_every_phase(
    client: Client, tmp_path: Path, phase: str
) -> None:
    traces = {name: tmp_path / name for name in PHASES}
    steps = {"count": 2, "seconds": 0.01}
    workflow = {
        name: {"class_type": "Steps", "inputs": {"trace": str(trace), **steps, "after": [before, 0]}}
        for before, (name, trace) in zip(("", *PHASES), traces.items(), strict=False)
    }
    del workflow["load"]["inputs"]["after"]
    workflow[phase]["inputs"] |= {"count": 10, "seconds": 0.3}

    def stop(message: Any) -> None:
        if isinstance(message, Progress) and message.node == phase:
            raise Enough

    with pytest.raises(Enough):
        client.run(workflow=workflow, on_progress=stop, timeout_s=DONE_S)
    after = run(client, "Save", prefix="after", side=8)  # its turn comes when the other is over
    assert after.finished.state == "done"
    assert traces[phase].stat().st_size <= 3, "told after the first step, cancelled during the next"
    begun = tuple(name for name, trace in traces.items() if trace.exists())
    assert begun == PHASES[: len(begun)]
    assert begun[-1] == phase


def test_neither_prompts_nor_keys_reach_the_log_whoever_writes_them(client: Client, home: Path) -> None:
    with pytest.raises(BridgeError):
        run(client, "Quote", text="a violet heron at dawn", api_key="fake-key-4711")
    file = home / "daemon.log"
    deadline = time.monotonic() + DONE_S
    while "cannot do with" not in (log := file.read_text()):  # lines of the worker come after its answer
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "working on ‹hidden› with ‹hidden›" in log
    assert "heron" not in log
    assert "4711" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"ts", "level", "logger", "event"} <= set(line) for line in lines)
    failed = next(line for line in lines if "cannot do with" in line.get("trace", ""))
    assert (failed["node"], failed["attempt"], len(failed["session"])) == ("1", "1", 6)
