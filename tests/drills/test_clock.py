"""A clock that is set while a daemon works: order, history, durations and access do not depend on it."""

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bridge.client import Runtime

from .artist import Artist
from .mortal_daemon import MortalDaemon
from .test_kill import check_ends, something_ends

SHARED_MEMORY = Path("/dev/shm")
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")

HOUR_S = 3600
DAY_S = 24 * HOUR_S
DEADLINE_S = 30.0
DRILL_S = 60.0
"""Nothing in the drill takes so long, but the clock is moved by more."""

IDLE_S = 8.0
"""After which the daemon leaves; it looks ten times as often."""

LONG, SHORT = ({"steps": 8, "seconds": 0.05, "text": ""}, {"steps": 1, "seconds": 0.0, "text": ""})


class WallClock:
    """The wall clock of the processes that are started under it; time goes on as ever for all else.

    Args:
        file: Says by how much it is wrong.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.move(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What those processes must find in their environment."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # with it, threads that wait for a moment burn the processor
            "NO_FAKE_STAT": "1",
        }

    def move(self, offset_s: int) -> None:
        """Set it, so much before or behind the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+d}")
        os.replace(new, self._file)


class Studio:
    """A client of ComfyUI's API that queues prompts, and listens to what becomes of them.

    Args:
        runtime: Of its daemon.
        stack: Closes its connections.
    """

    def __init__(self, runtime: Runtime, stack: contextlib.AsyncExitStack) -> None:
        self._headers = {"Authorization": f"Bearer {runtime.token}"}
        self._address = f"127.0.0.1:{runtime.port}"
        self._stack = stack
        self.http = self.browser(self._headers)

    def browser(self, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
        """Return a client that has nothing to show but what is given, and keeps cookies."""
        url = f"http://{self._address}"
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=DEADLINE_S, trust_env=False)
        self._stack.push_async_callback(client.aclose)
        return client

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[list[str]]:
        """Give the jobs whose success is told meanwhile, on one connection."""
        url = f"ws://{self._address}/ws?clientId=studio"
        done: list[str] = []
        async with connect(url, additional_headers=self._headers, compression=None, proxy=None) as line:
            hearing = asyncio.create_task(_hear(line, done))
            yield done
            assert not hearing.done(), "the connection was lost"
            hearing.cancel()

    async def prompt(self, inputs: Mapping[str, Any]) -> str:
        workflow = {"1": {"class_type": "Echo", "inputs": inputs}}
        answer = await self.http.post("/prompt", json={"prompt": workflow, "client_id": "studio"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    async def history(self, job: str = "") -> dict[str, Any]:
        return dict((await self.http.get(f"/history/{job}" if job else "/history")).json())

    async def until_begun(self, job: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while (await self.http.get(f"/api/jobs/{job}")).json()["status"] == "pending":
                await asyncio.sleep(0.01)

    async def until_ended(self, job: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not await self.history(job):
                await asyncio.sleep(0.01)

    async def new_address(self) -> str:
        return str((await self.http.post("/framebridge/key")).json()["path"])


async def _hear(line: ClientConnection, done: list[str]) -> None:
    async for message in line:
        told = json.loads(message) if isinstance(message, str) else {}
        if told.get("type") == "execution_success":
            done.append(told["data"]["prompt_id"])


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WallClock]:
    clock = WallClock(tmp_path / "offset")
    before = set(SHARED_MEMORY.glob("*faketime_*"))
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    yield clock
    for left in set(SHARED_MEMORY.glob("*faketime_*")) - before:  # by those that were killed
        left.unlink(missing_ok=True)


@pytest.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: WallClock) -> Any:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    daemon = MortalDaemon(
        tmp_path / "home",
        bootstrap="patient_nodes:load",
        history_days=2.0,
        hang_timeout_s=DRILL_S,
        idle_timeout_s=IDLE_S,
    )
    yield daemon
    daemon.end()


@contextlib.asynccontextmanager
async def at_work(artist: Artist) -> AsyncIterator[None]:
    """Have an artist work meanwhile, and let it finish."""
    async with asyncio.TaskGroup() as group:
        group.create_task(artist.work())
        await something_ends([artist])
        yield
        artist.has_enough = True
        async with asyncio.timeout(DEADLINE_S):
            while artist.outstanding:
                await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_changes_nothing_but_what_is_displayed(
    daemon: MortalDaemon, clock: WallClock, stack: contextlib.AsyncExitStack
) -> None:
    artist = Artist(1, seconds=0.01)
    studio = Studio(await asyncio.to_thread(daemon.start), stack)
    jobs: list[str] = []
    async with at_work(artist), studio.listening() as done:
        visitor = await let_in(studio, await studio.new_address())
        for offset_s in (DAY_S, -HOUR_S, 0):
            address = await studio.new_address()
            jobs += [await studio.prompt(LONG), await studio.prompt(SHORT)]
            await studio.until_begun(jobs[-2])
            clock.move(offset_s)
            jobs.append(await studio.prompt(SHORT))
            await studio.until_ended(jobs[-1])
            await let_in(studio, address)
            assert (await visitor.get("/queue")).status_code == 200, "a visitor stays for a day"
        async with asyncio.timeout(DEADLINE_S):
            while len(done) < len(jobs):
                await asyncio.sleep(0.01)
        assert done == jobs
    check_told(history := await studio.history())
    assert [job for job in history if job in jobs] == jobs
    for offset_s in (DAY_S, -HOUR_S):  # and once more, around a crash
        jobs += [await studio.prompt(LONG), await studio.prompt(SHORT), await studio.prompt(SHORT)]
        await studio.until_begun(jobs[-3])
        await asyncio.to_thread(daemon.kill)
        clock.move(offset_s)
        studio = Studio(await asyncio.to_thread(daemon.start), stack)
        await studio.until_ended(jobs[-1])
    check_told(history := await studio.history())
    assert [job for job in history if job in jobs] == jobs
    clock.move(DAY_S)
    await asyncio.sleep(0.3 * IDLE_S)
    await studio.until_ended(await studio.prompt(SHORT))  # a day without work has not passed
    await asyncio.to_thread(daemon.stop)
    assert len(artist.sessions) == 1, "it had to connect again"
    check_ends(daemon, [artist])
    check_times(daemon)


async def let_in(studio: Studio, address: str) -> httpx.AsyncClient:
    """Use an address that works once; return the browser that has the cookie."""
    visitor = studio.browser()
    assert (await visitor.get(address)).status_code == 200
    assert (await studio.browser().get(address)).status_code == 401
    return visitor


def check_told(history: Mapping[str, Any]) -> None:
    """See that what ComfyUI's clients subtract from each other grows."""
    for entry in history.values():
        times = [data["timestamp"] for _, data in entry["status"]["messages"]]
        assert times == sorted(times)
        assert entry["status"]["completed"]


def check_times(daemon: MortalDaemon) -> None:
    """Hold the times on the disk against each other: no duration is negative, or that of a jump."""
    with contextlib.closing(sqlite3.connect(daemon.jobs_folder / "queue.sqlite3")) as database:
        rows = database.execute("SELECT queued_at, began_at, ended_at, finished FROM jobs").fetchall()
    for queued_at, began_at, ended_at, finished in rows:
        timings = json.loads(finished)["timings"]
        assert timings
        assert all(0 <= seconds < DRILL_S for seconds in timings.values()), timings
        assert queued_at <= began_at <= ended_at
