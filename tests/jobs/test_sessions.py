from bridge.jobs import sessions
from bridge.jobs.sessions import Sessions
from bridge.protocol import Finished, Plane, Progress, Result, State

PROGRESS = Progress("1", 1, 2, job="job")
DONE = Finished("done", job="job")


def picture(size=1, **fields):
    return Result("1", (Plane("image", (1, size, 3), "u8", bytes(3 * size)),), **fields)


def connected(box, *names):
    kept = Sessions()
    for name in names:
        kept.connect(name, lambda message, name=name: box.append((name, message)))
    return kept


def test_a_message_goes_to_its_session_only():
    box = []
    clients = connected(box, "a", "b")
    clients.deliver("a", PROGRESS)
    assert box == [("a", PROGRESS)]


def test_everyone_who_is_here_hears_a_broadcast():
    box = []
    clients = connected(box, "a", "b", "c")
    clients.disconnect("c")
    clients.broadcast(State("ready"))
    assert [name for name, _ in box] == ["a", "b"]


def test_results_and_last_words_of_jobs_wait_for_a_client_that_is_away():
    box = []
    clients = connected(box, "a")
    clients.disconnect("a")
    for message in (
        PROGRESS,
        picture(job="job"),
        DONE,
        picture(stream="view"),
        Finished("done", stream="view"),
    ):
        clients.deliver("a", message)
    assert box == []
    clients.connect("a", box.append)
    assert box == [picture(job="job"), DONE]
    clients.connect("a", box.append)
    assert len(box) == 2


def test_a_session_that_was_never_here_gets_what_waits_too():
    clients, box = Sessions(), []
    clients.deliver("a", DONE)
    clients.connect("a", box.append)
    assert box == [DONE]
    clients.disconnect("nobody")


def test_a_full_box_loses_its_oldest_message(monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_MESSAGES", 3)
    clients, box = Sessions(), []
    for number in range(5):
        clients.deliver("a", Finished("done", job=str(number)))
    clients.connect("a", box.append)
    assert [message.job for message in box] == ["2", "3", "4"]


def test_a_box_with_too_many_pictures_loses_its_oldest_but_never_its_last(monkeypatch):
    monkeypatch.setattr(sessions, "KEPT_BYTES", 100)
    clients, box = Sessions(), []
    for number in (20, 10, 15, 1000):
        clients.deliver("a", picture(number, job=str(number)))
    clients.connect("a", box.append)
    assert [message.job for message in box] == ["1000"]


def test_clients_that_stay_away_longest_are_forgotten(monkeypatch):
    monkeypatch.setattr(sessions, "ABSENT_SESSIONS", 2)
    clients, box = Sessions(), []
    for name in ("a", "b", "a", "c"):
        clients.deliver(name, Finished("done", job=name))
    for name in "abc":
        clients.connect(name, box.append)
    assert [message.job for message in box] == ["a", "a", "c"]
