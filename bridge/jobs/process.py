"""A worker process and the threads that talk with it.

1. Nothing here waits: logging, and writing what is long, each have a thread. The event loop reads the pipe
   when it has something; on Windows, where loops cannot watch pipes, a thread does and hands on what came.
2. Messages arrive in order; after the last one comes the exit status, once, and nothing more.
3. A worker that closes its pipe or says what makes no sense is done for; it is killed if it does not go.
4. Its end is that of the process: a child that it leaves behind may hold the pipes open as long as it likes.
"""

import asyncio
import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from bridge.client import NO_WINDOW
from bridge.engine import (
    TO_DAEMON,
    ByteSink,
    ByteSource,
    MessageReader,
    Outbox,
    enlarge_pipe,
    read_message,
    record_of,
)
from bridge.errors import ProtocolError
from bridge.protocol import Message

log = logging.getLogger(__name__)
worker_log = logging.getLogger("bridge.worker")

MAX_LINE_BYTES = 64 * 1024
"""What a longer line of the worker's is cut into."""

EXIT_S = 5.0
"""How long a worker that has closed its pipe may take to be gone."""


class WorkerProcess:
    """A running worker.

    Args:
        command: What to run; it must speak the worker's protocol on standard input and output.
        on_message: Called on the running event loop for everything the worker says.
        on_exit: Called there with the exit status (negative: a signal) when the process is gone.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], on_message: Callable[[Message], None], on_exit: Callable[[int], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_exit = on_exit
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            creationflags=NO_WINDOW,
        )
        self._stdin, stdout, stderr = (
            cast("IO[bytes]", pipe)
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        for pipe in (self._stdin, stdout):
            enlarge_pipe(pipe.fileno())
        self._outbox = Outbox(cast("ByteSink", self._stdin), "to-worker")
        self._in_thread("worker-log", self._log, stderr)
        if sys.platform == "win32":  # pragma: no cover
            self._reading = self._in_thread("from-worker", self._read, stdout)
        else:
            self._pipe = _Descriptor(os.dup(stdout.fileno()))
            stdout.close()
            os.set_blocking(self._pipe.number, False)
            self._reader = MessageReader(self._pipe, TO_DAEMON)
            self._loop.add_reader(self._pipe.number, self._readable)
        self._in_thread("worker-end", self._await_end)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Send a message; it is lost if the process is gone.

        Raises:
            LocalProtocolError: If it cannot be written.
        """
        self._outbox.put(message)

    def ask_for_stacks(self) -> None:
        """Have the process write into the log what its threads are doing, even in a call that hangs."""
        if sys.platform != "win32":
            self._process.send_signal(signal.SIGUSR1)

    def kill(self) -> None:
        """End the process at once; ``on_exit`` follows."""
        self._process.kill()

    if sys.platform == "win32":  # pragma: no cover

        def _read(self, stdout: IO[bytes]) -> None:
            with stdout:
                try:
                    while message := read_message(cast("ByteSource", stdout), TO_DAEMON):
                        self._post(self._on_message, message)
                except ProtocolError:
                    self._misunderstood()
            self._post(self._kill_unless_gone)

    else:

        def _readable(self) -> None:
            self._take()
            if self._reader.is_at_end:
                self._close_pipe()
                self._kill_unless_gone()

        def _take(self) -> None:
            """Hand on what the pipe has now, or a part of that."""
            try:
                for message in self._reader.read():
                    self._loop.call_soon(self._on_message, message)
            except ProtocolError:
                self._misunderstood()
                self._reader.is_at_end = True

        def _close_pipe(self) -> None:
            self._loop.remove_reader(self._pipe.number)
            os.close(self._pipe.number)

    def _misunderstood(self) -> None:
        log.exception("the worker cannot be understood")
        self._process.kill()

    def _kill_unless_gone(self) -> None:
        self._loop.call_later(EXIT_S, self._process.kill)

    def _await_end(self) -> None:
        status = self._process.wait()
        if sys.platform == "win32":  # pragma: no cover
            self._reading.join(EXIT_S)
        self._post(self._end, status)
        self._outbox.close(EXIT_S)
        self._stdin.close()

    def _end(self, status: int) -> None:
        if sys.platform != "win32" and not self._reader.is_at_end:
            self._pipe.is_empty = False
            while not (self._reader.is_at_end or self._pipe.is_empty):
                self._take()
            self._close_pipe()
        self._loop.call_soon(self._on_exit, status)

    def _log(self, stderr: IO[bytes]) -> None:
        with io.BufferedReader(
            cast("io.RawIOBase", stderr)
        ) as lines:  # a raw pipe gives a byte for each call
            while line := lines.readline(MAX_LINE_BYTES):
                record = record_of(line.decode(errors="replace").rstrip(), worker_log.name)
                logging.getLogger(record.name).handle(record)

    def _in_thread(self, name: str, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        return thread

    def _post(self, callback: Callable[..., None], *values: Any) -> None:
        with suppress(RuntimeError):  # the event loop is closed; nobody wants to know any more
            self._loop.call_soon_threadsafe(callback, *values)


if sys.platform != "win32":

    @dataclass(slots=True)
    class _Descriptor:
        """A descriptor that reads what there is; unlike a file it may outlive the event loop unclosed."""

        number: int
        is_empty: bool = False  # when it was read last

        def readinto(self, buffer: memoryview, /) -> int | None:
            try:
                got = os.readv(self.number, [buffer])
            except BlockingIOError:
                got = None
            self.is_empty = got is None
            return got


EXPLANATIONS = {"SIGBUS": "a model file was cut short while it was in use, or a disk failed"}


def describe_exit(status: int, *, ran_out_of_memory: bool = False) -> str:
    """Say how a process ended, and why where that is known: ``was killed by SIGKILL``.

    Args:
        status: Of the process; negative for a signal.
        ran_out_of_memory: Whether the system has ended some process since for want of memory.
    """
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    why = EXPLANATIONS.get(name, "")
    if ran_out_of_memory and name == "SIGKILL":
        why = "the system had no memory left"
    return f"was killed by {name}" + (f" ({why})" if why else "")


def count_memory_kills(file: Path = Path("/proc/vmstat")) -> int:
    """Return how often Linux has ended a process for want of memory; 0 where that is not told."""
    try:
        counts = dict(line.split() for line in file.read_text().splitlines())
        return int(counts["oom_kill"])
    except (OSError, ValueError, KeyError):
        return 0
