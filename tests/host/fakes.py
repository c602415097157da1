"""A session and a link that do what they are told."""

from types import SimpleNamespace
from typing import Any

from bridge import protocol
from bridge.errors import BridgeError, Problem


class FakeSession:
    """Notes what is sent; its connection is as the test says."""

    def __init__(self, locator: Any = None, **about: str) -> None:
        self.locator, self.about = locator, about
        self.status = SimpleNamespace(state="ready", is_ready=True, problem=None)
        self.sent: list[tuple[Any, ...]] = []
        self.fault: BridgeError | None = None

    def become(self, state: str, problem: Problem | None = None) -> None:
        self.status = SimpleNamespace(state=state, is_ready=state == "ready", problem=problem)

    def start(self) -> None:
        self.sent.append(("start",))

    def close(self) -> None:
        self.sent.append(("close",))

    def next_number(self) -> int:
        return 1 + sum(1 for entry in self.sent if entry[0] == "push_live")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def send(*arguments: Any) -> str:
            if self.fault is not None:
                raise self.fault
            self.sent.append((name, *arguments))
            return f"r{len(self.sent)}"

        return send


class FakeLink:
    """A link that is ready while its session is."""

    problem: Problem | None = None
    trouble: Problem | None = None
    is_hopeless = False

    def __init__(self) -> None:
        self.session = FakeSession()

    @property
    def is_ready(self) -> bool:
        return self.session.status.is_ready

    is_connected = is_ready


def picture(value: int = 0) -> protocol.Plane:
    return protocol.Plane("image", (1, 1, 3), "u8", bytes([value] * 3))
