"""What waits for the daemon."""

import pytest

from bridge.errors import BridgeError, Problem
from bridge.host import errand as module
from bridge.host.words import NO_ANSWER

from .fakes import FakeLink


@pytest.fixture
def link():
    made = FakeLink()
    made.session.become("connecting")
    return made


@pytest.fixture
def errand(link):
    return module.Errand(link)


def test_it_is_done_once_when_the_daemon_is_there(errand, link):
    done = []
    errand.wait_with(lambda: done.append(1))
    assert errand.tick() is None
    assert errand.is_waiting
    link.session.become("ready")
    assert errand.tick() is None
    assert errand.tick() is None
    assert done == [1]
    assert not errand.is_waiting


def test_what_it_raises_is_told(errand, link):
    def fail():
        raise BridgeError("no level", code="no_level")

    link.session.become("ready")
    errand.wait_with(fail)
    assert errand.tick().code == "no_level"
    assert not errand.is_waiting


def test_waiting_ends_where_it_is_hopeless_or_too_long(errand, link, monkeypatch):
    for trouble in (Problem("not_allowed", "the token is wrong"), None):
        link.is_hopeless, link.trouble = True, trouble
        errand.wait_with(lambda: None)
        assert errand.tick() == (trouble or NO_ANSWER)
    link.is_hopeless = False
    monkeypatch.setattr(module, "START_S", -1.0)
    errand.wait_with(lambda: None)
    assert errand.tick() == NO_ANSWER


def test_what_is_forgotten_is_not_done(errand, link):
    errand.wait_with(lambda: pytest.fail("it was forgotten"))
    errand.forget()
    link.session.become("ready")
    assert errand.tick() is None
