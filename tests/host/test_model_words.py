from collections.abc import Callable

from bridge import protocol
from bridge.errors import BridgeError, Problem
from bridge.host.model_words import ModelWords

LORA, OTHER = ("loras", "ink.safetensors"), ("checkpoints", "a.safetensors")


class FakeSession:
    def __init__(self, is_lost: bool = False) -> None:
        self.asked: list[protocol.ModelInfo] = []
        self.is_lost = is_lost

    def request(self, message: Callable[[str], protocol.ModelInfo]) -> str:
        if self.is_lost:
            raise BridgeError("gone")
        self.asked.append(message(f"r{len(self.asked)}"))
        return self.asked[-1].request


def test_words_are_asked_for_once_a_connection_and_offered_once_each() -> None:
    words, session = ModelWords(), FakeSession()
    for _ in range(3):
        words.want(session, [LORA, OTHER, ("loras", ""), ("", "x")])  # type: ignore[arg-type]
    assert [(ask.folder, ask.name) for ask in session.asked] == [LORA, OTHER]
    assert words.words([LORA]) == []
    words.receive(protocol.Answer("r0", {"model": {"triggers": ["inkwash", "brush", "inkwash"]}}))
    words.receive(protocol.Failure((Problem("model_not_found", "gone"),), "r1"))
    assert words.words([LORA, OTHER]) == ["inkwash", "brush"]
    words.want(session, [LORA, OTHER])  # type: ignore[arg-type]
    assert len(session.asked) == 2
    words.want(FakeSession(), [LORA])  # type: ignore[arg-type]
    assert words.words([LORA]) == []


def test_an_answer_without_sense_brings_no_words() -> None:
    words, session = ModelWords(), FakeSession()
    words.want(session, [LORA])  # type: ignore[arg-type]
    words.receive(protocol.Answer("r0", {"model": {"triggers": "inkwash"}}))
    assert words.words([LORA]) == []


def test_without_a_connection_it_is_asked_again() -> None:
    words, session = ModelWords(), FakeSession(is_lost=True)
    words.want(session, [LORA])  # type: ignore[arg-type]
    session.is_lost = False
    words.want(session, [LORA])  # type: ignore[arg-type]
    assert len(session.asked) == 1
