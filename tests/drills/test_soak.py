"""Thousands of jobs leave nothing behind: no memory, no descriptors, no files but what the history keeps."""

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from .artist import Artist
from .mortal_daemon import MortalDaemon

FEW, MANY = 150, 10_000
KEPT_JOBS = 50


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    home = tmp_path / "home"
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))
    daemon = MortalDaemon(home, history_jobs=KEPT_JOBS)
    yield daemon
    daemon.end()


async def test_memory_and_descriptors_stay_as_they_are(daemon: MortalDaemon, is_full: bool) -> None:
    count = MANY if is_full else FEW
    daemon.start()
    process = psutil.Process(daemon.process.pid)
    artist = Artist(1, seconds=0.0, most=count)
    began = time.monotonic()
    work = asyncio.create_task(artist.work())
    samples: list[tuple[int, int, int]] = []
    while not work.done():
        await asyncio.wait([work], timeout=0.1)
        samples.append((len(artist.finished), process.memory_info().rss, process.num_fds()))
    await work
    assert all(words[0].state == "done" for words in artist.finished.values())
    assert all(map(artist.is_right, artist.accepted))

    finished, rss, descriptors = np.array([sample for sample in samples if sample[0] >= count // 3]).T
    slope = np.polyfit(finished, rss, 1)[0]
    rate = count / (time.monotonic() - began)
    print(
        f"{count} jobs, {rate:.0f} a second; {slope:.0f} B a job; {min(descriptors)} to {max(descriptors)} descriptors"
    )
    assert max(descriptors) - min(descriptors) <= 2, "a picture may be on its way to the disk"
    assert slope < (1024 if is_full else 20 * 1024), "few jobs say little about a slope"
    await asyncio.to_thread(daemon.stop)
    with contextlib.closing(sqlite3.connect(daemon.jobs_folder / "queue.sqlite3")) as database:
        [[rows]] = database.execute("SELECT count(*) FROM jobs")
    assert rows == KEPT_JOBS
    assert len(list(daemon.jobs_folder.iterdir())) == KEPT_JOBS + 1
