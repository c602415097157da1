from bridge.jobs.history import History, picture_bytes
from bridge.protocol import Finished, Plane, Preview, Result


def result(size):
    return Result("1", (Plane("image", (1, size, 3), "u8", bytes(3 * size)),), job="job")


def test_a_job_is_found_with_everything_its_client_must_see():
    history = History()
    history.add("job", "session", [result(1), Finished("done", job="job")])
    record = history.find("job")
    assert (record.job, record.session) == ("job", "session")
    assert [type(message) for message in record.messages] == [Result, Finished]
    assert history.find("other") is None


def test_the_oldest_jobs_are_forgotten_when_there_are_too_many():
    history = History(kept_jobs=2)
    for name in "abc":
        history.add(name, "session", [])
    assert [name for name in "abc" if history.find(name)] == ["b", "c"]
    assert len(history) == 2


def test_the_oldest_jobs_are_forgotten_when_their_pictures_are_too_large():
    history = History(kept_bytes=100)
    for name in "abcd":
        history.add(name, "session", [result(10), result(5)])
    assert [name for name in "abcd" if history.find(name)] == ["c", "d"]


def test_the_newest_job_stays_whatever_its_size():
    history = History(kept_bytes=100)
    history.add("small", "session", [result(1)])
    history.add("large", "session", [result(1000)])
    assert history.find("large")
    assert not history.find("small")
    history.add("next", "session", [])
    assert not history.find("large")


def test_only_pictures_count():
    assert picture_bytes(result(4)) == 12
    assert picture_bytes(Preview("1", result(4).planes)) == 12
    assert picture_bytes(Finished("done")) == 0
