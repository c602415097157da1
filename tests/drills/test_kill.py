"""Whoever is killed, and whenever: every job that was accepted ends exactly once, in order, and whole."""

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .artist import Artist
from .mortal_daemon import MortalDaemon, check_integrity

FEW, MANY = 4, 50


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    home = tmp_path / "home"
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(home))
    daemon = MortalDaemon(home)
    yield daemon
    daemon.end()


async def test_every_accepted_job_ends_once_in_order_and_whole(
    daemon: MortalDaemon, is_full: bool, tmp_path: Path
) -> None:
    chance = random.Random(4711)
    kills = MANY if is_full else FEW
    artists = [Artist(1), Artist(2)]
    daemon.start()
    work = [asyncio.create_task(artist.work()) for artist in artists]
    victims: Counter[str] = Counter()
    while victims.total() < kills:
        await something_ends(artists)
        await asyncio.sleep(chance.uniform(0, 0.1))
        if chance.random() < 0.5:
            victims["worker"] += daemon.kill_worker()
        else:
            await asyncio.to_thread(daemon.kill)
            victims["daemon"] += 1
            check_integrity(daemon.jobs_folder, tmp_path / "copy")
            await asyncio.to_thread(daemon.start)
    for artist in artists:
        artist.has_enough = True
    async with asyncio.timeout(120):
        await asyncio.gather(*work)
    await asyncio.to_thread(daemon.stop)

    ends = check_ends(daemon, artists)
    check_integrity(daemon.jobs_folder, tmp_path / "copy")
    accepted = sum(len(artist.accepted) for artist in artists)
    print(f"{dict(victims)} killed under {accepted} jobs: {dict(ends)}")


async def something_ends(artists: list[Artist]) -> None:
    """Wait until the daemon is at work."""
    before = sum(len(artist.finished) for artist in artists)
    async with asyncio.timeout(60):
        while sum(len(artist.finished) for artist in artists) == before:
            await asyncio.sleep(0.002)


def check_ends(daemon: MortalDaemon, artists: list[Artist]) -> Counter[str]:
    """Hold what the clients saw and what is on the disk against the rules."""
    with contextlib.closing(sqlite3.connect(daemon.jobs_folder / "queue.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        rows = {row["id"]: row for row in database.execute("SELECT * FROM jobs ORDER BY ending")}
    assert all(row["ending"] for row in rows.values()), "a job has not ended"
    assert [row["seq"] for row in rows.values()] == sorted(row["seq"] for row in rows.values())
    for artist in artists:
        assert len(set(artist.sessions)) == 1, "a daemon did not know the session of an earlier one"
        assert not artist.refusals
        for job in artist.accepted:
            row, words = rows[job], artist.finished[job]
            assert {word.state for word in words} == {row["state"]}
            assert len({str(word.problems) for word in words}) == 1, "it ended twice, and differently"
            if row["state"] == "done":
                assert artist.is_right(job)
                assert row["results"] == 1
            else:
                assert (row["state"], row["attempts"]) == ("failed", 3)
                assert words[0].problems[0].code == "worker_crashed"
    kept = {f"{row['seq']}.results" for row in rows.values() if row["results"]}
    assert {path.name for path in daemon.jobs_folder.iterdir()} == {"queue.sqlite3", *kept}
    return Counter(row["state"] for row in rows.values())
