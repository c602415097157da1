"""The worker as a real process, without a daemon around it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.engine import TO_DAEMON, Configure, Ready, Run, read_message
from bridge.engine.pipe import framed, write_pieces
from bridge.protocol import Finished, Progress

ROOT = Path(__file__).parents[2]


@pytest.fixture
def worker():
    command = [sys.executable, "-m", "bridge.engine", "--bootstrap", "fake_nodes:load"]
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, bufsize=0, **pipes) as process:
        write_pieces(process.stdin, framed(Configure({})))
        assert isinstance(read_message(process.stdout, TO_DAEMON), Ready)
        yield process
        process.kill()


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
