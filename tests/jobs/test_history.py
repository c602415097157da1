import pytest
from job_stores import PICTURE, WORKFLOW, accept, end, listed

from bridge.engine import Run
from bridge.errors import BridgeError, Problem
from bridge.protocol import Finished


def test_results_that_are_missing_are_told(stores):
    store = stores.open()
    accept(store, "a")
    end(store, "a", results=[PICTURE, PICTURE])
    (stores.settings.folder / "1.results").write_bytes(b"")
    with pytest.raises(BridgeError) as failure:
        store.history.messages("a")
    assert failure.value.code == "results_lost"


def test_nothing_is_known_of_other_jobs(stores):
    history = stores.open().history
    assert (history.find("a"), history.messages("a"), history.page(9), history.size()) == (None, [], [], 0)


def test_history_is_listed_by_page_in_the_order_of_the_ends(stores):
    store = stores.open()
    accept(store, *"abc", session="comfy:x")
    accept(store, *"def")
    end(store, *"fbdac")
    assert listed(store) == [*"fbdac"]
    assert listed(store, newest_first=True) == [*"cadbf"]
    assert [record.id for record in store.history.page(2, 1, newest_first=True)] == [*"ad"]
    assert listed(store, session_prefix="comfy:") == [*"bac"]
    assert (store.history.size(), store.history.size("comfy:"), store.history.size("comfy;")) == (5, 3, 0)


def test_the_newest_are_found_without_a_look_at_the_others(stores):
    store = stores.open()
    names = [f"job {number}" for number in range(200)]
    accept(store, *names)
    end(store, *names)
    steps = []
    store.history._connection.set_progress_handler(lambda: steps.append(1), 1)
    assert listed(store)[:1] == names[:1]
    of_many = len(steps)
    assert [record.id for record in store.history.page(1, newest_first=True)] == names[-1:]
    assert len(steps) - of_many < of_many / 10


def test_pages_before_an_end_neither_repeat_nor_skip(stores):
    store = stores.open()
    accept(store, *"abcdef")
    end(store, *"abcde")
    newest = store.history.page(2, newest_first=True)
    end(store, "f")
    list(store.forget({"e"}))
    rest = store.history.page(2, newest_first=True, before=newest[-1].ending)
    assert [record.id for record in (*newest, *rest)] == [*"edcb"]
    assert listed(store, before=rest[-1].ending) == ["a"]
    assert listed(store, before=1) == []


def test_a_page_of_large_jobs_is_shorter_and_leads_on(stores, monkeypatch):
    store = stores.open()
    accept(store, *"abcde", extra={"workflow": "x" * 1000})
    end(store, *"abcde")
    for most, length in ((4000, 3), (1, 1)):
        monkeypatch.setattr("bridge.jobs.history.PAGE_CHARACTERS", most)
        page = store.history.page(5, newest_first=True)
        assert [record.id for record in page] == [*"edcba"[:length]]
        assert store.history.size(before=page[-1].ending) == 5 - length
        assert [record.id for record in store.history.newest(9)] == [*"edcba"]
        assert [record.id for record in store.history.newest(2)] == [*"ed"]


def test_a_page_cut_short_keeps_no_old_view_of_the_file(stores, monkeypatch):
    monkeypatch.setattr("bridge.jobs.history.PAGE_CHARACTERS", 1)
    store = stores.open()
    accept(store, *"abc")
    end(store, *"ab")
    assert len(store.history.page(2)) == 1
    end(store, "c")
    assert store.history.find("c").state == "done"


def test_whole_numbers_stay_whole(stores):
    store = stores.open()
    for seq, number in enumerate((395, -2, 1.5), start=1):
        store.accept(seq, "session", number, Run(f"{seq}", WORKFLOW, ("1",)), 100.0)
    assert [repr(store.history.find(name).number) for name in "123"] == ["395", "-2", "1.5"]


def test_sessions_that_have_jobs_are_known(stores):
    store = stores.open()
    accept(store, "a", session="one")
    assert (store.history.owns_any("one"), store.history.owns_any("on")) == (True, False)


def test_what_has_ended_is_in_the_history_with_its_results(stores):
    store = stores.open()
    accept(store, "a", prompt={"1": {"class_type": "Show", "inputs": {"text": "as sent"}}})
    store.begin(1, 200.0, 1)
    problem = Problem("odd", "how odd", "Look again.", is_warning=True)
    shown = {"1": {"images": [{"filename": "x.png", "type": "temp"}]}}
    end(store, "a", outputs=shown, timings={"run": 0.5}, problems=(problem,), results=[PICTURE], ended_at=300)
    history = stores.open(kept_days=10**6).history
    record = history.find("a")
    assert record.prompt["1"]["inputs"] == {"text": "as sent"}
    assert (record.state, record.queued_at, record.began_at, record.ended_at) == ("done", 101, 200, 300)
    assert (record.attempts, record.outputs, record.shown) == (1, ("1",), shown)
    assert (record.problems, record.timings) == ((problem,), {"run": 0.5})
    finished = Finished("done", job="a", outputs=shown, timings={"run": 0.5}, problems=(problem,))
    assert history.messages("a") == [PICTURE, finished]
    assert list(history.shown()) == [shown]
