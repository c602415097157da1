"""A client that wants all its pictures, whatever happens to the daemon."""

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from bridge.client import read_runtime
from bridge.errors import BridgeError
from bridge.protocol import (
    VERSIONS,
    Accepted,
    Attach,
    Failure,
    Finished,
    Frame,
    Hello,
    Message,
    Plane,
    Result,
    Started,
    Submit,
    Welcome,
    decode,
    encode,
)

OUTSTANDING = 6
"""Jobs that it has under way."""


class Artist:
    """Submits jobs until it is told that it is enough, and asks for each until it has its last word.

    Args:
        number: Tells its pictures from those of others.
        seconds: What one step of its jobs takes.
        most: How many jobs it wants at most.
    """

    def __init__(self, number: int, seconds: float = 0.004, most: int = 10**9) -> None:
        self._number = number
        self._seconds = seconds
        self._most = most
        self._session = ""
        self._submitted = 0
        self._asked: dict[str, int] = {}  # by request
        self._pixels: dict[str, bytes] = {}  # by job
        self.has_enough = False
        self.accepted: list[str] = []
        self.finished: defaultdict[str, list[Finished]] = defaultdict(list)
        self.results: defaultdict[str, list[bytes]] = defaultdict(list)
        self.refusals: list[str] = []
        self.sessions: list[str] = []

    @property
    def outstanding(self) -> list[str]:
        """Jobs that were accepted and have not ended."""
        return [job for job in self.accepted if job not in self.finished]

    async def work(self) -> None:
        """Work until it has enough and all its jobs have ended."""
        while not self.has_enough or self.outstanding:
            runtime = read_runtime()
            if runtime:
                with contextlib.suppress(OSError, WebSocketException, BridgeError):
                    headers = {"Authorization": f"Bearer {runtime.token}"}
                    async with connect(
                        runtime.url, additional_headers=headers, max_size=None, compression=None, proxy=None
                    ) as line:
                        await self._converse(line)
            await asyncio.sleep(0.02)

    def is_right(self, job: str) -> bool:
        """Whether the pictures of a job that is done are those that belong to it."""
        return self.results[job] == [self._pixels[job]]

    async def _converse(self, line: Any) -> None:
        self._asked.clear()
        await line.send(encode(Hello(VERSIONS, f"artist {self._number}", session=self._session)))
        welcome = decode(await line.recv())
        assert isinstance(welcome, Welcome)
        self._session = welcome.session
        self.sessions.append(welcome.session)
        for job in self.outstanding:
            self.results[job].clear()
            await line.send(encode(Attach(f"attach {job}", job)))
        while not self.has_enough or self.outstanding:
            if not self.has_enough and len(self.outstanding) + len(self._asked) < OUTSTANDING:
                if self._submitted < self._most:
                    await line.send(encode(self._submit()))
                else:
                    self.has_enough = True
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    self._hear(decode(await line.recv()))

    def _submit(self) -> Submit:
        self._submitted += 1
        request = f"r{self._submitted}"
        self._asked[request] = self._submitted
        inputs = {"steps": 3, "seconds": self._seconds, "text": ""}
        pixel = self._pixel(self._submitted)
        frame = Frame({"color": Plane("color", (8, 8, 3), "u8", pixel * 64)}, number=self._submitted)
        return Submit(request, {"1": {"class_type": "Echo", "inputs": inputs}}, frame=frame)

    def _pixel(self, count: int) -> bytes:
        return bytes([self._number, count % 256, count // 256])

    def _hear(self, message: Message) -> None:
        match message:
            case Accepted(request=request, job=job) if request in self._asked:
                self.accepted.append(job)
                self._pixels[job] = self._pixel(self._asked.pop(request)) * 64
            case Started(job=job):
                self.results[job].clear()  # a worker died, and the job begins anew
            case Result(job=job):
                self.results[job].append(bytes(message.planes[0].data))
            case Finished(job=job):
                self.finished[job].append(message)
            case Failure():
                self.refusals.append(message.problems[0].code)
                self._asked.pop(message.request, None)
