"""The picture process: whatever needs a decoded picture is done there, one request after the other.

1. The daemon never decodes: not its memory, and none of its threads, is at a picture's mercy.
2. The process is started with the first request, and leaves after a while without one.
3. One that dies or takes too long is replaced; the request that it died of is refused, not tried again.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bridge.client import NO_WINDOW
from bridge.errors import BridgeError, InputError, Problem

PROGRAM = (sys.executable, "-m", "bridge.imaging.viewing")

DEADLINE_S = 60.0
"""For one picture of the largest size allowed, on a slow machine."""

IDLE_S = 120.0

Viewed = tuple[str, bytes]
"""Media type and bytes of an encoded picture."""


class PictureClerk:
    """Has pictures made by a process of its own.

    Args:
        program: What to run.
        deadline_s: How long one request may take.
        idle_s: How long the process waits for the next.
    """

    def __init__(
        self,
        program: tuple[str, ...] = PROGRAM,
        *,
        deadline_s: float = DEADLINE_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._program = program
        self._deadline_s = deadline_s
        self._idle_s = idle_s
        self._thread = ThreadPoolExecutor(1, "pictures")
        self._process: subprocess.Popen[bytes] | None = None  # the thread's alone, as is the rest
        self._leaving: threading.Timer | None = None

    async def view(self, path: Path, preview: str, channel: str) -> Viewed:
        """Return a picture as ``bridge.imaging.viewing.view`` does.

        Raises:
            InputError: As there.
            BridgeError: ``picture_process_died`` or ``picture_too_slow``.
        """
        return await self._have("view", path=str(path), preview=preview, channel=channel)

    async def with_alpha(self, original: Path, mask: Path) -> Viewed:
        """Return a picture as ``bridge.imaging.viewing.with_alpha`` does.

        Raises:
            InputError: As there; otherwise as ``view``.
        """
        return await self._have("with_alpha", original=str(original), mask=str(mask))

    async def close(self) -> None:
        """End the process; requests that wait are dropped."""
        process = self._process
        if process is not None:
            process.kill()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._end()

    async def _have(self, what: str, **arguments: str) -> Viewed:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._ask, {"do": what, "with": arguments})

    def _ask(self, request: Mapping[str, Any]) -> Viewed:
        if self._leaving is not None:
            self._leaving.cancel()
        process = self._running()
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            process.kill()

        deadline = threading.Timer(self._deadline_s, give_up)
        deadline.start()
        try:
            head, data = _exchange(process, request)
        except (OSError, ValueError) as error:
            self._end()
            raise _too_slow(self._deadline_s) if is_late.is_set() else _died() from error
        finally:
            deadline.cancel()
        self._leave_later()
        if "problem" in head:
            raise _told(Problem.from_json(head["problem"]))
        return head["type"], data

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()  # somebody ended it between two requests
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=NO_WINDOW,
            )
        return self._process

    def _leave_later(self) -> None:
        def leave() -> None:
            with contextlib.suppress(RuntimeError):  # the daemon leaves too
                self._thread.submit(self._end)

        self._leaving = threading.Timer(self._idle_s, leave)
        self._leaving.daemon = True
        self._leaving.start()

    def _end(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError), process:  # closes its pipes, and waits until it is gone
                pass


def _exchange(process: subprocess.Popen[bytes], request: Any) -> tuple[dict[str, Any], bytes]:
    """Send a request and read the answer.

    Raises:
        OSError: If the process is gone.
        ValueError: If it says what makes no sense, or stops in the middle.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    head: dict[str, Any] = json.loads(process.stdout.readline())
    data = process.stdout.read(head["bytes"])
    if len(data) < head["bytes"]:
        raise ValueError("the picture ends early")
    return head, data


def _told(problem: Problem) -> BridgeError:
    kind: Callable[..., BridgeError] = BridgeError if problem.code == BridgeError.code else InputError
    return kind(problem.message, code=problem.code, hint=problem.hint)


def _died() -> BridgeError:
    return BridgeError(
        "the process that opens pictures died of this one",
        code="picture_process_died",
        hint="The file may be damaged; save it again in an image editor.",
    )


def _too_slow(deadline_s: float) -> BridgeError:
    return BridgeError(
        f"the picture was not ready after {deadline_s:g} s",
        code="picture_too_slow",
        hint="Scale it down in an image editor, or try again when the machine has less to do.",
    )
