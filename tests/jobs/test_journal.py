import asyncio
from dataclasses import replace

import pytest
from job_stores import PICTURE, WORKFLOW, Full

from bridge.engine import Run
from bridge.errors import BridgeError
from bridge.jobs import journal as journal_module
from bridge.jobs.journal import Journal
from bridge.jobs.queued import QueuedJob
from bridge.protocol import Finished, Frame, Plane

FRAME = Frame({"color": Plane("color", (1, 1, 3), "u8", b"rgb")})


def job(seq=1, **run):
    return QueuedJob(seq, "session", Run(f"job {seq}", WORKFLOW, ("1",), **run), seq, 0.0)


def done(job):
    return Finished("done", job=job.run.job)


@pytest.fixture
async def opened(stores):
    """Open journals, one after the other."""
    journals = []

    async def open_one(**settings):
        if journals:
            await journals.pop().close()
        stores.store = None  # the journal closes it
        store = stores.open(**settings)
        journals.append(Journal(store))
        return journals[-1], store

    yield open_one
    await journals[0].close()
    stores.store = None


async def test_each_step_is_written_when_it_returns(opened):
    journal, store = await opened()
    one = job(frame=FRAME)
    await journal.accept(one)
    assert store.history.find("job 1").state == "waiting"
    one.begin(0.0)
    journal.begin(one)
    assert (store.history.find("job 1").state, store.history.find("job 1").attempts) == ("running", 1)
    journal.put_back(one)
    assert (store.history.find("job 1").state, store.history.find("job 1").attempts) == ("waiting", 0)
    await journal.cancel(one)
    assert [left.is_cancelled for left in store.unfinished()] == [True]
    one.results.append(replace(PICTURE, job="job 1"))
    assert await journal.end(one, done(one)) == done(one)
    assert store.history.messages("job 1") == [replace(PICTURE, job="job 1"), done(one)]
    await journal.forget(None, "")
    assert store.history.size() == 0


async def test_whoever_fears_power_cuts_waits_for_the_disk(opened, monkeypatch):
    journal, store = await opened(survives_power_cuts=True)
    synced = []
    monkeypatch.setattr(store, "sync", lambda: synced.append(store.history.find("job 1").state))
    await journal.accept(job())
    await journal.end(job(), done(job()))
    assert synced == ["waiting", "done"]
    await (await opened())[0].accept(job(2))
    assert len(synced) == 2, "others do not"


async def test_frames_of_jobs_that_are_refused_are_not_kept(opened, stores):
    journal, store = await opened()
    store._database = Full(store._database)
    with pytest.raises(BridgeError) as refusal:
        await journal.accept(job(frame=FRAME))
    assert refusal.value.code == "queue_unavailable"
    assert "disk is full" in journal.problem
    assert list(stores.settings.folder.glob("*.frame")) == []


async def test_a_job_that_is_not_sure_to_be_on_the_disk_is_refused_for_good(opened, stores, monkeypatch):
    journal, store = await opened(survives_power_cuts=True)

    def fail():
        raise BridgeError("the disk is failing", code="queue_unavailable", hint="Use another.")

    monkeypatch.setattr(store, "sync", fail)
    with pytest.raises(BridgeError) as refusal:
        await journal.accept(job(frame=FRAME))
    assert refusal.value.code == "queue_unavailable"
    assert store.unfinished() == []
    assert list(stores.settings.folder.glob("*.frame")) == []


async def test_a_job_runs_even_if_that_cannot_be_written(opened):
    journal, store = await opened()
    await journal.accept(job())
    store._database, database = Full(store._database), store._database
    journal.begin(job())
    journal.put_back(job())
    assert "disk is full" in journal.problem
    store._database = database
    journal.begin(job())
    assert journal.problem == ""


async def test_a_disk_that_has_room_again_is_no_problem_though_nothing_is_to_be_written(opened, monkeypatch):
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    journal, store = await opened()
    store._database, database = Full(store._database), store._database
    with pytest.raises(BridgeError):
        await journal.accept(job())
    await asyncio.sleep(0.05)
    assert "disk is full" in journal.problem
    store._database = database
    async with asyncio.timeout(5):
        while journal.problem:
            await asyncio.sleep(0.01)
    assert journal._retry is None


async def test_many_ends_that_the_disk_does_not_take_are_written_in_order(opened, monkeypatch):
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    journal, store = await opened()
    jobs = [job(seq) for seq in (1, 2, 3)]
    for one in jobs:
        await journal.accept(one)
    store._database, database = Full(store._database), store._database
    for one in jobs:
        finished = await journal.end(one, done(one))
        assert [problem.code for problem in finished.problems] == ["output_failed"]
    await asyncio.sleep(0.05)
    assert journal.unsaved("job 2").state == "done"
    store._database = database
    async with asyncio.timeout(5):
        while journal.unsaved("job 3"):
            await asyncio.sleep(0.01)
    assert [record.id for record in store.history.page(9)] == ["job 1", "job 2", "job 3"]


async def test_results_that_are_on_the_disk_are_kept_though_the_last_word_comes_later(
    opened, stores, monkeypatch
):
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    journal, store = await opened()
    one = job(frame=FRAME)
    one.results.append(replace(PICTURE, job="job 1"))
    await journal.accept(one)
    store._database, database = Full(store._database), store._database
    await journal.end(one, done(one))
    store._database = database
    async with asyncio.timeout(5):
        while journal.unsaved("job 1"):
            await asyncio.sleep(0.01)
    assert store.history.messages("job 1")[0] == replace(PICTURE, job="job 1")
    assert list(stores.settings.folder.glob("*.frame")) == []
    await journal.forget(None, "")
    assert list(stores.settings.folder.glob("*.results")) == []


async def test_a_job_that_shows_more_than_can_be_kept_ends_without_that(opened, monkeypatch):
    monkeypatch.setattr(journal_module, "RETRY_S", 0.01)
    journal, store = await opened()
    await journal.accept(job())
    shown = {"1": {"text": ["x" * (5 * 2**20)]}}
    finished = await journal.end(job(), replace(done(job()), outputs=shown))
    assert [problem.code for problem in finished.problems] == ["output_failed"]
    async with asyncio.timeout(5):
        while journal.unsaved("job 1"):
            await asyncio.sleep(0.01)
    assert (store.history.find("job 1").state, store.history.find("job 1").shown) == ("done", {})


@pytest.mark.parametrize("pages", [1, 10**6], ids=["short log", "long log"])
async def test_the_log_is_settled_now_and_then_and_on_the_loop_if_it_is_long(opened, monkeypatch, pages):
    monkeypatch.setattr(journal_module, "SETTLED_EVERY", 3)
    journal, store = await opened()
    settled = []
    monkeypatch.setattr(store, "settle", lambda: settled.append(1) or pages)
    for seq in range(1, 4):
        await journal.accept(job(seq))
    await journal._in_thread(lambda: None)
    await asyncio.sleep(0)
    assert len(settled) == (1 if pages == 1 else 2)


async def test_a_log_that_cannot_be_settled_is_complained_of(opened, monkeypatch, caplog):
    monkeypatch.setattr(journal_module, "SETTLED_EVERY", 1)
    journal, store = await opened()

    def fail():
        raise BridgeError("the disk is gone", code="queue_unavailable")

    monkeypatch.setattr(store, "settle", fail)
    await journal.accept(job())
    await journal._in_thread(lambda: None)
    await asyncio.sleep(0)
    assert "the disk is gone" in caplog.text
