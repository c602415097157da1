import itertools
import time

import pytest
from job_stores import PICTURE, WORKFLOW, Full, accept, end, listed

from bridge.engine import Run
from bridge.errors import BridgeError, LocalProtocolError
from bridge.jobs.store import DAY_S, JobStore, StoreSettings
from bridge.protocol import Finished, Frame, Plane


def test_jobs_that_wait_or_run_are_found_again_as_they_were(stores):
    store = stores.open()
    accept(store, "a", "b", wants_preview=True, extra={"workflow": {"nodes": []}})
    store.begin(1, 200.0, 1)
    a, b = stores.open().unfinished()
    assert (a.seq, a.session, a.number, a.queued_at, a.began_at, a.attempts) == (1, "session", 1, 101, 200, 1)
    assert (a.is_begun, b.is_begun, a.is_damaged) == (True, False, False)
    assert a.run == Run("a", WORKFLOW, ("1",), wants_preview=True, extra={"workflow": {"nodes": []}})
    assert [b.run.job, b.attempts] == ["b", 0]


def test_whether_the_disk_takes_anything_can_be_asked(stores):
    store = stores.open()
    written = stores.settings.folder / "queue.sqlite3-wal"
    before = written.stat().st_size
    store.touch()
    assert written.stat().st_size > before
    store._database = Full(store._database)
    with pytest.raises(BridgeError, match="disk is full"):
        store.touch()


def test_a_job_that_is_put_back_has_not_begun(stores):
    store = stores.open()
    accept(store, "a")
    store.begin(1, 200.0, 1)
    store.put_back(1)
    [left] = stores.open().unfinished()
    assert (left.is_begun, left.attempts) == (False, 0)


def test_numbers_go_on_even_if_all_jobs_are_forgotten(stores):
    store = stores.open()
    accept(store, "a", "b")
    end(store, "a", "b")
    list(store.forget(None))
    assert stores.open().last_seq == 2


def test_an_id_is_taken_once(stores):
    store = stores.open()
    accept(store, "a")
    with pytest.raises(BridgeError, match="UNIQUE"):
        accept(store, "a")
    assert len(store.unfinished()) == 1


def test_a_job_that_is_too_large_is_refused(stores):
    store = stores.open()
    workflow = {"1": {"class_type": "Show", "inputs": {"text": "x" * (5 * 2**20)}}}
    with pytest.raises(LocalProtocolError) as refusal:
        store.accept(1, "session", 1, Run("a", workflow, ("1",)), 0.0)
    assert refusal.value.code == "message_too_large"
    assert store.unfinished() == []


def test_a_frame_is_kept_until_its_job_ends(stores):
    frame = Frame({"color": Plane("color", (1, 1, 3), "u8", b"rgb")}, number=3)
    store = stores.open()
    accept(store, "a", "b", frame=frame)
    store = stores.open()
    assert [left.run.frame for left in store.unfinished()] == [frame, frame]
    end(store, "a")
    store.drop_frame(1)
    folder = stores.settings.folder
    assert [path.name for path in folder.glob("*.frame")] == ["2.frame"]
    (folder / "2.frame").write_bytes(b"damaged")
    [left] = stores.open().unfinished()
    assert (left.is_damaged, left.run.frame, left.run.workflow) == (True, None, WORKFLOW)


def test_a_row_that_makes_no_sense_is_a_damaged_job(stores):
    store = stores.open()
    accept(store, "a")
    store._database.execute('UPDATE jobs SET run = \'{"type": "run"}\'')
    [left] = stores.open().unfinished()
    assert (left.run.job, left.is_damaged) == ("a", True)


def test_a_job_ends_once(stores):
    store = stores.open()
    accept(store, "a")
    end(store, "a")
    store.end(1, Finished("failed", job="a"), 5.0)
    assert [record.state for record in store.history.page(9)] == ["done"]


def test_jobs_are_forgotten_with_their_results(stores):
    store = stores.open()
    accept(store, *"ab", session="comfy:x")
    accept(store, *"cde")
    end(store, *"abcd", results=[PICTURE])
    list(store.forget({"a", "c", "e"}, "comfy:"))
    assert listed(store) == [*"bcd"]
    list(store.forget(None, "comfy:"))
    list(store.forget({"d", "e"}))
    assert listed(store) == ["c"]
    assert [path.name for path in stores.settings.folder.glob("*.results")] == ["3.results"]
    assert [left.run.job for left in store.unfinished()] == ["e"], "a job that waits is no history"


class Names(list):
    """Must not be searched for each row: that takes minutes where both are long."""

    def __contains__(self, name):
        raise AssertionError("searched")


def test_however_many_are_named_each_is_looked_at_once(stores):
    store = stores.open()
    accept(store, *"abc")
    end(store, *"abc")
    list(store.forget(Names("ac")))
    assert listed(store) == ["b"]


def test_the_oldest_go_when_there_are_too_many(stores):
    store = stores.open(kept_jobs=2)
    accept(store, *"abcd")
    end(store, *"abc", results=[PICTURE])
    assert listed(store) == [*"bc"]
    end(store, "d")
    assert listed(store) == [*"cd"]
    assert [path.name for path in stores.settings.folder.glob("*.results")] == ["3.results"]
    assert listed(stores.open(kept_jobs=1)) == ["d"]


def test_the_oldest_go_when_they_are_too_large_but_the_newest_stays(stores):
    store = stores.open(kept_bytes=2000)
    accept(store, *"abcd")
    end(store, *"abc")
    assert listed(store) == [*"abc"]
    end(store, "d", results=[PICTURE] * 20)
    assert listed(store) == ["d"]


def test_the_oldest_go_when_they_are_too_old_but_the_newest_stays(stores, monkeypatch):
    monkeypatch.setattr("bridge.jobs.store.AGED_EVERY_S", -1)
    store = stores.open(kept_days=3)
    accept(store, *"abcd")
    now = time.time()
    end(store, "a", ended_at=now - 5 * DAY_S)
    assert listed(store) == ["a"]
    end(store, "b", ended_at=now - 2 * DAY_S)
    assert listed(store) == ["b"]
    end(store, "c", ended_at=now + 9 * DAY_S)  # the clock was wrong for a while
    end(store, "d", ended_at=now)
    assert listed(store) == [*"bcd"]
    assert listed(stores.open(kept_days=1)) == [*"cd"]


def test_a_clock_that_jumps_ahead_makes_nothing_old(stores, monkeypatch):
    monkeypatch.setattr("bridge.jobs.store.AGED_EVERY_S", -1)
    store = stores.open(kept_days=3)
    accept(store, *"abc")
    end(store, "a", ended_at=time.time() - 2 * DAY_S)
    ahead = time.time() + 40 * DAY_S
    monkeypatch.setattr("bridge.jobs.store.time.time", lambda: ahead)
    end(store, *"bc")
    assert listed(store) == [*"abc"]


def test_one_from_the_future_does_not_keep_the_old_ones_behind_it(stores):
    store = stores.open()
    accept(store, *"abcd")
    for name, days in zip("abcd", (9, -90, -90, 0), strict=True):
        end(store, name, ended_at=time.time() + days * DAY_S)
    assert listed(stores.open(kept_days=3)) == [*"ad"]


def test_what_is_forgotten_twice_at_once_is_counted_once(stores, monkeypatch):
    monkeypatch.setattr("bridge.jobs.store.FORGOTTEN_AT_ONCE", 1)
    store = stores.open(kept_jobs=3)
    accept(store, *"abcdefghij")
    end(store, *"abc")
    for _ in itertools.zip_longest(store.forget(None), store.forget(None)):
        pass
    assert listed(store) == []
    end(store, *"defghij")
    assert listed(store) == [*"hij"]


def test_results_go_before_their_rows_so_that_a_full_disk_gets_room(stores):
    store = stores.open()
    accept(store, "a")
    end(store, "a", results=[PICTURE])
    store._database, database = Full(store._database), store._database
    with pytest.raises(BridgeError):
        list(store.forget(None))
    assert not list(stores.settings.folder.glob("*.results"))
    store._database = database


def test_pictures_that_no_row_speaks_of_are_swept_away(stores):
    store = stores.open()
    accept(store, "a", frame=Frame({"color": Plane("color", (1, 1, 3), "u8", b"rgb")}))
    store.keep_results(1, [PICTURE])  # and the daemon is killed before the row says so
    store = stores.open()
    assert [path.name for path in stores.settings.folder.glob("1.*")] == ["1.frame"]


def test_the_folder_is_private_and_one_that_cannot_be_made_is_named(stores, tmp_path):
    stores.open()
    assert stores.settings.folder.stat().st_mode & 0o077 == 0
    (tmp_path / "file").touch()
    with pytest.raises(BridgeError, match="file") as failure:
        JobStore(StoreSettings(tmp_path / "file" / "jobs")).open()
    assert failure.value.code == "bad_folder"


def test_a_damaged_database_is_told_of(stores):
    stores.open()
    stores.close()
    (stores.settings.folder / "queue.sqlite3").write_bytes(b"junk" * 5000)
    store = stores.open()
    assert "damaged" in store.warning
    accept(store, "a")


@pytest.mark.parametrize("folder", [None, "jobs"])
def test_what_was_written_can_be_settled_and_synced(tmp_path, folder):
    store = JobStore(StoreSettings(folder and tmp_path / folder, survives_power_cuts=True))
    store.open()
    accept(store, "a")
    store.sync()
    store.settle()
    store.close()
    assert store.survives_power_cuts


def test_jobs_are_forgotten_whole_or_not_at_all(stores):
    store = stores.open()
    accept(store, *"ab")
    end(store, *"ab")
    store._database.execute(
        "CREATE TRIGGER stop BEFORE DELETE ON jobs WHEN old.id = 'b' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(BridgeError) as failure:
        list(store.forget(None))
    assert failure.value.code == "queue_unavailable"
    assert listed(store) == [*"ab"]
    accept(store, "c")


def test_no_step_of_a_job_looks_at_all_others(stores):
    store = stores.open(kept_jobs=3)
    statements = []
    store._database.set_trace_callback(statements.append)
    accept(store, *"abcde")
    store.begin(5, 1.0, 1)
    for seq, name in enumerate("abcde", 1):
        store.end(seq, Finished("done", job=name), time.time())
    store._database.set_trace_callback(None)
    plans = [
        (step["detail"], statement)
        for statement in statements
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
        for step in store._database.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    ]
    assert any("jobs_by_ending" in detail for detail, _ in plans)
    reads = [entry for entry in plans if entry[0].startswith(("SCAN jobs", "SEARCH jobs"))]
    assert [entry for entry in reads if " USING " not in entry[0]] == []
