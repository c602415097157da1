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
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.errors import BridgeError, InputError, Problem

PROGRAM = (sys.executable, "-m", "bridge.imaging.viewing")

NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""On Windows a program would otherwise open a console."""

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
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._leaving: asyncio.TimerHandle | None = None

    async def view(self, path: Path, preview: str, channel: str) -> Viewed:
        """Return a picture as ``bridge.imaging.viewing.view`` does.

        Raises:
            InputError: As there.
            BridgeError: ``picture_process_died`` or ``picture_too_slow``.
        """
        return await self._ask("view", path=str(path), preview=preview, channel=channel)

    async def with_alpha(self, original: Path, mask: Path) -> Viewed:
        """Return a picture as ``bridge.imaging.viewing.with_alpha`` does.

        Raises:
            InputError: As there; otherwise as ``view``.
        """
        return await self._ask("with_alpha", original=str(original), mask=str(mask))

    async def close(self) -> None:
        """End the process, and wait until it is gone."""
        process = self._process
        self._end()
        if process is not None:
            await process.wait()

    def _end(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _ask(self, what: str, **arguments: str) -> Viewed:
        async with self._turn:
            if self._leaving is not None:
                self._leaving.cancel()
            process = await self._running()
            is_answered = False
            try:
                async with asyncio.timeout(self._deadline_s):
                    head, data = await _exchange(process, {"do": what, "with": arguments})
                is_answered = True
            except TimeoutError as error:
                raise _too_slow(self._deadline_s) from error
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                raise _died() from error
            finally:
                if not is_answered:  # also when whoever asked is gone: its answer would be taken for the next
                    self._end()
            self._leaving = asyncio.get_running_loop().call_later(self._idle_s, self._end)
        if "problem" in head:
            raise _told(Problem.from_json(head["problem"]))
        return head["type"], data

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._program, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, creationflags=NO_WINDOW
            )
        return self._process


async def _exchange(process: Process, request: Any) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request).encode() + b"\n")
    await process.stdin.drain()
    head: dict[str, Any] = json.loads(await process.stdout.readline())
    return head, await process.stdout.readexactly(head["bytes"])


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
