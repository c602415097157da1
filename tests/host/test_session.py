"""What a host says to the daemon, as messages."""

import pytest

from bridge import protocol
from bridge.host import session as module
from bridge.host.recipe import Recipe

from .fakes import picture

FRAME = protocol.Frame({"color": picture()})
RECIPE = Recipe("p", {"prompt": "clay"})


class FakeClient:
    status = "ready"

    def __init__(self, locator, *, name, version):
        self.about = locator, name, version
        self.sent = []

    def new_request(self):
        return f"r{len(self.sent) + 1}"

    def send(self, message):
        self.sent.append(message)

    def start(self):
        self.sent.append("start")

    def close(self):
        self.sent.append("close")

    def pump(self, budget_s):
        return iter([budget_s])


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setattr(module.client, "Client", FakeClient)
    return module.Session(None, name="unreal", version="5.6")


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (lambda s: s.ask("models"), protocol.Query("r1", "models")),
        (
            lambda s: s.submit(FRAME, RECIPE),
            protocol.Submit("r1", preset="p", values={"prompt": "clay"}, frame=FRAME, wants_preview=True),
        ),
        (lambda s: s.submit_workflow(FRAME, {"1": {}}), protocol.Submit("r1", {"1": {}}, frame=FRAME)),
        (lambda s: s.cancel("job"), protocol.Cancel("r1", "job")),
        (lambda s: s.free(), protocol.Free("r1")),
        (
            lambda s: s.set_live(RECIPE),
            protocol.SetStream("r1", "live", preset="p", values={"prompt": "clay"}),
        ),
        (lambda s: s.push_live(FRAME), protocol.StreamFrame("live", FRAME)),
        (lambda s: s.end_live(), protocol.CloseStream("live")),
    ],
)
def test_what_is_said(session, say, message):
    assert say(session) in ("r1", None)
    assert session._client.sent == [message]


def test_it_is_a_client_of_its_name(session):
    assert session._client.about == (None, "unreal", "5.6")
    session.start()
    session.close()
    assert session._client.sent == ["start", "close"]
    assert list(session.pump(0.25)) == [0.25]
    assert session.status == "ready"


def test_frames_are_numbered_upwards(session):
    assert [session.next_number() for _ in range(3)] == [1, 2, 3]
