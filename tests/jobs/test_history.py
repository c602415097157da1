from bridge.jobs.history import History, picture_bytes
from bridge.jobs.record import JobRecord
from bridge.protocol import Finished, Plane, Preview, Result


def record(name, session="session"):
    return JobRecord(name, session, 1, {}, {}, (), "done", 0.0)


def result(size):
    return Result("1", (Plane("image", (1, size, 3), "u8", bytes(3 * size)),), job="job")


def test_a_job_is_found_with_everything_its_client_must_see():
    history = History()
    history.add(record("job"), [result(1), Finished("done", job="job")])
    ended = history.find("job")
    assert ended.record == record("job")
    assert [type(message) for message in ended.messages] == [Result, Finished]
    assert history.find("other") is None


def test_the_oldest_jobs_are_forgotten_when_there_are_too_many():
    history = History(kept_jobs=2)
    for name in "abc":
        history.add(record(name), [])
    assert [name for name in "abc" if history.find(name)] == ["b", "c"]
    assert len(history) == 2


def test_the_oldest_jobs_are_forgotten_when_their_pictures_are_too_large():
    history = History(kept_bytes=100)
    for name in "abcd":
        history.add(record(name), [result(10), result(5)])
    assert [name for name in "abcd" if history.find(name)] == ["c", "d"]


def test_the_newest_job_stays_whatever_its_size():
    history = History(kept_bytes=100)
    history.add(record("small"), [result(1)])
    history.add(record("large"), [result(1000)])
    assert history.find("large")
    assert not history.find("small")
    history.add(record("next"), [])
    assert not history.find("large")


def test_only_pictures_count():
    assert picture_bytes(result(4)) == 12
    assert picture_bytes(Preview("1", result(4).planes)) == 12
    assert picture_bytes(Finished("done")) == 0


def test_records_are_listed_by_page_in_either_order():
    history = History()
    for name in "abcde":
        history.add(record(name, "comfy:x" if name in "bd" else "native"), [])
    assert [entry.id for entry in history.page(2, 1)] == ["b", "c"]
    assert [entry.id for entry in history.page(2, 1, newest_first=True)] == ["d", "c"]
    assert [entry.id for entry in history.page(9, session_prefix="comfy:")] == ["b", "d"]
    assert (history.size(), history.size("comfy:")) == (5, 2)


def test_records_are_forgotten_by_name_or_by_session():
    history = History()
    for name in "abcde":
        history.add(record(name, "comfy:x" if name in "bd" else "native"), [result(1)])
    history.forget({"a", "b"}, "comfy:")
    assert [entry.id for entry in history.page(9)] == ["a", "c", "d", "e"]
    history.forget(None, "comfy:")
    history.forget({"c"})
    assert [entry.id for entry in history.page(9)] == ["a", "e"]
    history.forget(None)
    assert history.size() == 0
