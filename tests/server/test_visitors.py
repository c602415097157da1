import pytest

from bridge.server import visitors
from bridge.server.visitors import MOST, Visitors, cookie_name


def cookie(value: str, port: int = 8189) -> list[bytes]:
    return [f"{cookie_name(port)}={value}".encode()]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(visitors.time, "monotonic", lambda: now[0])
    return now


def test_key_lets_one_browser_in_once() -> None:
    known = Visitors()
    key = known.new_key()
    value = known.admit(key)
    assert value
    assert value != key
    assert known.knows(cookie(value), 8189)
    assert known.admit(key) is None


@pytest.mark.parametrize("key", ["", "x", "\ud800", "ü" * 1000])
def test_no_other_key_lets_anybody_in(key: str) -> None:
    known = Visitors()
    known.new_key()
    assert known.admit(key) is None


def test_key_is_good_for_a_minute(clock: list[float]) -> None:
    known = Visitors()
    early, late = known.new_key(), known.new_key()
    clock[0] += 59
    assert known.admit(early)
    clock[0] += 2
    assert known.admit(late) is None


def test_visit_ends_after_a_day(clock: list[float]) -> None:
    known = Visitors()
    value = known.admit(known.new_key()) or ""
    clock[0] += 23 * 3600
    assert known.knows(cookie(value), 8189)
    clock[0] += 3600
    assert not known.knows(cookie(value), 8189)


def test_key_is_no_cookie_and_a_cookie_no_key() -> None:
    known = Visitors()
    key = known.new_key()
    assert not known.knows(cookie(key), 8189)
    value = known.admit(key) or ""
    assert known.admit(value) is None


def test_cookie_of_another_port_or_given_twice_is_not_ours() -> None:
    known = Visitors()
    value = known.admit(known.new_key()) or ""
    assert known.knows([b"a=b; c", *cookie(value), b"\xff"], 8189)
    assert not known.knows(cookie(value, 8190), 8189)
    assert not known.knows(cookie(value) * 2, 8189)
    assert not known.knows([], 8189)


def test_browsers_that_came_first_are_forgotten_first() -> None:
    known = Visitors()
    first = known.admit(known.new_key()) or ""
    others = [known.admit(known.new_key()) or "" for _ in range(MOST)]
    assert not known.knows(cookie(first), 8189)
    assert all(known.knows(cookie(value), 8189) for value in others)
