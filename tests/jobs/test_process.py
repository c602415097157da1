import asyncio
import os
import signal
import sys

import psutil
import pytest

from bridge.engine import Configure, Ready, Run, Stop
from bridge.errors import LocalProtocolError
from bridge.jobs import process as process_module
from bridge.jobs.process import MAX_LINE_BYTES, WorkerProcess, count_memory_kills, describe_exit
from bridge.protocol import Finished

WORKER = [sys.executable, "-m", "bridge.engine", "--bootstrap", "fake_nodes:load"]


class Listener:
    """Starts a process, and waits for what it says and for its end."""

    def __init__(self, *command):
        self.messages = asyncio.Queue()
        self.status = asyncio.get_running_loop().create_future()
        self.process = WorkerProcess(command, self.messages.put_nowait, self.status.set_result)

    async def message(self):
        async with asyncio.timeout(30):
            return await self.messages.get()

    async def end(self):
        async with asyncio.timeout(30):
            return await self.status


def script(code):
    return Listener(sys.executable, "-c", code)


async def test_messages_go_back_and_forth_until_the_process_ends():
    worker = Listener(*WORKER)
    worker.process.send(Configure({}))
    assert isinstance(await worker.message(), Ready)
    worker.process.send(Run("job", {"1": {"class_type": "Constant", "inputs": {}}}, ("1",)))
    await worker.message()
    assert (await worker.message()).state == "done"
    worker.process.send(Stop())
    assert await worker.end() == 0
    worker.process.send(Stop())


async def test_a_killed_process_says_nothing_more_and_ends_by_a_signal():
    worker = Listener(*WORKER)
    os.kill(worker.process.pid, 0)
    worker.process.kill()
    assert await worker.end() == -signal.SIGKILL
    assert worker.messages.empty()
    worker.process.kill()


async def test_a_process_that_makes_no_sense_is_killed(caplog):
    worker = script("import sys, time; sys.stdout.write('Traceback' * 9); sys.stdout.flush(); time.sleep(60)")
    assert await worker.end() == -signal.SIGKILL
    assert "cannot be understood" in caplog.text


async def test_a_process_that_closes_its_pipe_and_stays_is_killed(monkeypatch):
    monkeypatch.setattr(process_module, "EXIT_S", 0.1)
    worker = script("import os, time; os.close(1); time.sleep(60)")
    assert await worker.end() == -signal.SIGKILL


LEAVES_A_CHILD = """
import os, sys, time
from bridge.engine.pipe import framed
from bridge.protocol import Plane, Result, Started
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
picture = Result("1", (Plane("image", (500, 500, 3), "u8", bytes(750000)),), job="a")
for message in (Started(job=str(child)), Started(job="a"), picture, Started(job="b")):
    sys.stdout.buffer.write(b"".join(framed(message)))
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.fork")
async def test_the_end_of_a_process_is_noticed_though_a_child_of_its_holds_the_pipe():
    worker = script(LEAVES_A_CHILD)
    child = int((await worker.message()).job)
    try:
        assert await worker.end() == -signal.SIGKILL
        said = [worker.messages.get_nowait() for _ in range(3)]
        assert [message.job for message in said] == ["a", "a", "b"]
        assert psutil.pid_exists(child)
    finally:
        os.kill(child, signal.SIGKILL)


async def test_what_a_process_prints_is_logged(caplog):
    caplog.set_level("INFO", "bridge.worker")
    worker = script("import sys; sys.stderr.buffer.write(b'loading\\xff\\n2 of 2\\n')")
    assert await worker.end() == 0
    async with asyncio.timeout(10):
        while "2 of 2" not in caplog.text:
            await asyncio.sleep(0.005)
    assert "loading\ufffd" in caplog.text


async def test_a_line_without_an_end_is_logged_in_pieces(caplog):
    caplog.set_level("INFO", "bridge.worker")
    worker = script(f"import sys; sys.stderr.write('x' * {2 * MAX_LINE_BYTES})")
    assert await worker.end() == 0
    async with asyncio.timeout(10):
        while len(caplog.records) < 2:
            await asyncio.sleep(0.005)
    assert [len(record.getMessage()) for record in caplog.records] == [MAX_LINE_BYTES] * 2


async def test_a_message_that_cannot_be_written_is_refused():
    worker = script("import time; time.sleep(60)")
    with pytest.raises(LocalProtocolError):
        worker.process.send(Finished("done", outputs={"1": float("nan")}))
    worker.process.kill()
    await worker.end()


async def test_a_program_that_is_not_there_is_an_error():
    with pytest.raises(OSError, match="No such file"):
        WorkerProcess(["/no/such/program"], print, print)


def test_a_process_that_outlives_the_event_loop_bothers_nobody():
    async def start():
        return script("import time; time.sleep(0.1)")

    asyncio.run(start()).process._process.wait(10)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with status 0"),
        (7, "ended with status 7"),
        (-9, "was killed by SIGKILL"),
        (-64, "was killed by SIGRTMAX"),
        (-200, "was killed by signal 200"),
    ],
)
def test_an_end_is_put_in_words(status, words):
    assert describe_exit(status) == words


def test_the_end_of_a_process_is_explained_where_the_reason_is_known(tmp_path):
    cut_short = "was killed by SIGBUS (a model file was cut short while it was in use, or a disk failed)"
    assert describe_exit(-signal.SIGBUS) == cut_short
    no_memory = "was killed by SIGKILL (the system had no memory left)"
    assert describe_exit(-signal.SIGKILL, ran_out_of_memory=True) == no_memory
    assert describe_exit(-signal.SIGTERM, ran_out_of_memory=True) == "was killed by SIGTERM"


def test_kills_for_want_of_memory_are_counted_where_the_system_tells(tmp_path):
    counts = tmp_path / "vmstat"
    counts.write_text("nr_free_pages 5\noom_kill 3\n")
    assert count_memory_kills(counts) == 3
    counts.write_text("nr_free_pages 5\n")
    assert count_memory_kills(counts) == 0
    assert count_memory_kills(tmp_path / "none") == 0
