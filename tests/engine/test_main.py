"""The worker as a real process, without a daemon around it."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.engine import TO_DAEMON, Configure, Ready, Run, read_message
from bridge.engine.__main__ import SPINS
from bridge.engine.pipe import framed, write_pieces
from bridge.protocol import Finished, Progress

ROOT = Path(__file__).parents[2]


@contextmanager
def worker_of(bootstrap):
    command = [sys.executable, "-m", "bridge.engine", "--bootstrap", f"fake_nodes:{bootstrap}"]
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, bufsize=0, **pipes) as process:
        write_pieces(process.stdin, framed(Configure({})))
        ready = read_message(process.stdout, TO_DAEMON)
        assert isinstance(ready, Ready)
        yield process, ready
        process.kill()


@pytest.fixture
def worker():
    with worker_of("load") as (process, _):
        yield process


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "")],
    ids=["unasked", "count", "policy"],
)
def test_threads_of_openmp_do_not_spin_for_long_unless_the_user_says_so(given, spins, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with worker_of("load_telling") as (_, ready):
        assert ready.environment == {"spins": spins}


def run(process, kind, inputs):
    nodes = {"1": {"class_type": kind, "inputs": inputs}}
    write_pieces(process.stdin, framed(Run("job", nodes, ("1",))))


def read_until(process, kind):
    while not isinstance(message := read_message(process.stdout, TO_DAEMON), kind):
        assert message is not None
    return message


def test_a_worker_whose_daemon_died_ends_even_in_the_middle_of_a_run(worker):
    run(worker, "Steps", {"count": 1000, "seconds": 0.05})
    read_until(worker, Progress)
    worker.stdin.close()
    assert worker.wait(10) == 0


def test_a_worker_whose_daemon_died_ends_even_if_a_node_hangs(worker):
    run(worker, "Hang", {})
    read_until(worker, Progress)
    worker.stdin.close()
    assert worker.wait(10) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for others")
def test_the_keyboard_does_not_interrupt_a_worker(worker):
    worker.send_signal(signal.SIGINT)
    run(worker, "Constant", {})
    assert read_until(worker, Finished).state == "done"


def test_what_nodes_print_goes_to_the_log_and_a_crash_leaves_a_trace(worker):
    run(worker, "Abort", {})
    while read_message(worker.stdout, TO_DAEMON):
        pass
    log = worker.stderr.read()
    assert b"about to abort" in log
    assert b"Fatal Python error" in log
