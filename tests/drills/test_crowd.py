"""Many clients at once, and a clock that jumps: everybody gets their own, and nobody is thrown out."""

import asyncio
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.client import Client, Locator
from bridge.daemon import Daemon, Settings

from .artist import Artist
from .mortal_daemon import MortalDaemon

FEW, MANY = 20, 200
DAY_S = 24 * 3600.0


async def test_a_crowd_is_served_and_each_gets_its_own_picture(
    is_full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))
    daemon = MortalDaemon(home)
    daemon.start()
    artists = [Artist(number, seconds=0.0, most=1) for number in range(MANY if is_full else FEW)]
    process = psutil.Process(daemon.process.pid)
    before, began = process.memory_info().rss, time.monotonic()
    async with asyncio.timeout(120):
        await asyncio.gather(*(artist.work() for artist in artists))
    took, grown = time.monotonic() - began, process.memory_info().rss - before
    await asyncio.to_thread(daemon.stop)
    print(f"{len(artists)} clients: {took:.1f} s, daemon grown by {grown / 2**20:.0f} MiB")
    assert len({artist.sessions[0] for artist in artists}) == len(artists)
    for artist in artists:
        assert not artist.refusals
        assert all(artist.is_right(job) for job in artist.accepted)
    assert grown < 64 * 2**20


async def test_a_clock_that_jumps_by_days_ends_no_job_and_no_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parent}")
    real, shift = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])
    settings = Settings(
        port=0, bootstrap="fragile_nodes:load", hang_timeout_s=20.0, idle_timeout_s=60.0, history_days=0.5
    )
    states = []

    def draw(jump_s: float) -> None:
        def jump(message: Any) -> None:
            shift[0] += jump_s if message.type == "progress" and message.value == 2 else 0.0

        inputs = {"trace": str(tmp_path / "trace"), "count": 4, "seconds": 0.02}
        workflow = {"1": {"class_type": "Steps", "inputs": inputs}}
        outcome = client.run(workflow=workflow, on_progress=jump, timeout_s=60)
        states.append(outcome.finished.state)
        assert all(0 <= seconds < 60 for seconds in outcome.finished.timings.values())

    async with Daemon(settings) as daemon:
        with Client(Locator(), name="drill") as client:
            for days in (1, -2, 1):
                await asyncio.to_thread(draw, days * DAY_S)
            stays = asyncio.create_task(daemon.until_stopped())
            done, _ = await asyncio.wait([stays], timeout=0.2)
        stays.cancel()
    assert states == ["done"] * 3
    assert not done
