import time

import pytest

from bridge.errors import BridgeError
from bridge.server import Clients


class Line:
    """A connection."""

    program = "blender"
    is_over = False

    def take_over(self) -> None:
        self.is_over = True


def test_new_sessions_are_secrets() -> None:
    clients = Clients()
    names = {clients.name("") for _ in range(100)}
    assert len(names) == 100
    assert min(map(len, names)) >= 20


def test_session_is_given_back_to_whoever_names_it() -> None:
    clients, line = Clients(), Line()
    session = clients.name("")
    clients.enter(session, line)
    assert clients.name(session) == session
    assert clients.leave(session, line)
    assert clients.name(session) == session


def test_session_that_nobody_was_given_is_not_given() -> None:
    assert Clients().name("wanted") != "wanted"


def test_session_with_jobs_of_an_earlier_daemon_is_given_back() -> None:
    session = Clients().name("")
    clients = Clients(lambda name: name in (session, "comfy:client"))
    assert clients.name(session) == session
    assert clients.name("comfy:client") != "comfy:client", "that is not a native client's"
    assert clients.name(session[::-1]) != session[::-1]


def test_newer_connection_ends_the_older_one() -> None:
    clients, older, newer = Clients(), Line(), Line()
    assert not clients.enter("a", older)
    assert clients.enter("a", newer)
    assert older.is_over
    assert not newer.is_over
    assert clients.connection("a") is newer
    assert not clients.leave("a", older), "it has nothing left to leave"
    assert clients.leave("a", newer)


def test_sessions_long_absent_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.clients.ABSENT_SESSIONS", 2)
    clients, line = Clients(), Line()
    for session in ("a", "b", "c"):
        clients.enter(session, line)
        clients.leave(session, line)
    assert clients.name("a") != "a"
    assert clients.name("b") == "b"


def test_one_client_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.clients.MAX_CLIENTS", 1)
    clients = Clients()
    clients.raise_if_full()
    clients.enter("a", Line())
    with pytest.raises(BridgeError) as refusal:
        clients.raise_if_full()
    assert refusal.value.code == "too_many_clients"


def test_idle_time_counts_from_the_last_client(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clients, line = Clients(), Line()
    now = 103.0
    assert clients.idle_s == 3.0
    clients.enter("a", line)
    assert clients.idle_s == 0.0
    now = 110.0
    clients.leave("a", line)
    now = 112.0
    assert clients.idle_s == 2.0


def test_program_is_known_while_it_is_here() -> None:
    clients, line = Clients(), Line()
    session = clients.name("")
    clients.enter(session, line)
    with clients.guest("comfy:x", "editor"), clients.guest("comfy:x", "editor"):
        assert clients.programs == {session: "blender", "comfy:x": "editor"}
    clients.leave(session, line)
    assert clients.programs == {}


def test_guests_keep_the_daemon_from_being_idle_and_count_as_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients()
    monkeypatch.setattr("bridge.server.clients.MAX_CLIENTS", 1)
    with clients.guest("comfy:x", "editor"):
        assert len(clients) == 1
        assert clients.idle_s == 0
        with pytest.raises(BridgeError) as caught, clients.guest("comfy:y", "editor"):
            pass
        assert caught.value.code == "too_many_clients"
    assert len(clients) == 0
    assert clients.idle_s >= 0
