from bridge import protocol
from bridge.errors import BridgeError
from bridge.host.negatives import Negative, Negatives


class FakeSession:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, subject: str) -> str:
        self.asked.append(subject)
        if len(self.asked) == 1:
            raise BridgeError("not yet")
        return f"r{len(self.asked)}"


def test_the_daemon_is_asked_once_a_connection_and_what_makes_no_sense_is_left_out() -> None:
    negatives, session = Negatives(), FakeSession()
    negatives.tick(None)
    for _ in range(4):
        negatives.tick(session)  # type: ignore[arg-type]
    assert session.asked == ["negatives", "negatives"]
    entries = [
        {"title": "Photo", "text": "blurry", "family": "SDXL", "help": "For photos."},
        {"title": "", "text": "x"},
        {"title": "y"},
        {"title": 3, "text": "x"},
        {"title": "zero", "text": "\0"},
        "nonsense",
        None,
    ]
    negatives.receive(protocol.Answer("r9", {"negatives": entries}))
    assert negatives.found == ()
    negatives.receive(protocol.Answer("r2", {"negatives": entries}))
    assert negatives.found == (Negative("Photo", "blurry", "SDXL", "For photos."),)
    negatives.receive(protocol.Answer("r2", {"negatives": {"no": "list"}}))
    assert negatives.found == ()
