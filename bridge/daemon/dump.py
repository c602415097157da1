"""What a daemon that seems stuck is doing: SIGUSR1 has it, and its worker, say so (POSIX only).

1. The stacks of all threads go to standard error even if the event loop is stuck.
2. If it is not, they and what every task waits for go into the log as well, and the worker is asked.
"""

import asyncio
import contextlib
import faulthandler
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def dumping_on_request(worker_pid: Callable[[], int]) -> Iterator[None]:
    """Heed SIGUSR1 while the block runs.

    Args:
        worker_pid: Returns the worker's process id; 0 while there is none.
    """
    if sys.platform == "win32":  # pragma: no cover
        yield
        return
    loop = asyncio.get_running_loop()

    def dump() -> None:
        logger.warning("asked what goes on\n%s%s", _threads(), _tasks(loop))
        if pid := worker_pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)

    def heed(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(dump)

    before = signal.signal(signal.SIGUSR1, heed)
    try:
        faulthandler.register(signal.SIGUSR1, file=sys.__stderr__ or sys.stderr, chain=True)
        yield
    finally:
        faulthandler.unregister(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, before)


def _threads() -> str:
    stacks = sys._current_frames().items()
    return "".join(f"thread {number}\n{''.join(traceback.format_stack(frame))}" for number, frame in stacks)


def _tasks(loop: asyncio.AbstractEventLoop) -> str:
    text = io.StringIO()
    for task in asyncio.all_tasks(loop):
        task.print_stack(file=text)
    return text.getvalue()
