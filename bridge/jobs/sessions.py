"""Where messages for a client go: to its connection, or, while it is away, into a bounded box.

1. Kept for an absent client: results and last words of jobs. What tells about progress, and all
   that belongs to a live stream, is worthless later and is dropped.
2. A box that grows too full loses its oldest message; the job's record may still have it.
3. Boxes of clients that never came back make room for newer ones.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.protocol import Finished, Message, Result, picture_bytes

KEPT_MESSAGES = 256
KEPT_BYTES = 64 * 1024 * 1024
ABSENT_SESSIONS = 16


@dataclass(slots=True)
class Box:
    """Messages for a client that is away, oldest first."""

    messages: deque[Message] = field(default_factory=deque)
    bytes: int = 0

    def keep(self, message: Message) -> None:
        """Add a message at the expense of the oldest."""
        self.messages.append(message)
        self.bytes += picture_bytes(message)
        while len(self.messages) > 1 and (len(self.messages) > KEPT_MESSAGES or self.bytes > KEPT_BYTES):
            self.bytes -= picture_bytes(self.messages.popleft())


class Sessions:
    """The clients that are here, and the boxes of those that will be back."""

    def __init__(self) -> None:
        self._sinks: dict[str, Callable[[Message], None]] = {}
        self._boxes: OrderedDict[str, Box] = OrderedDict()

    def connect(self, session: str, deliver: Callable[[Message], None]) -> None:
        """Deliver a session's messages from now on, after those kept while it was away."""
        self._sinks[session] = deliver
        for message in self._boxes.pop(session, Box()).messages:
            deliver(message)

    def disconnect(self, session: str) -> None:
        """Keep what comes for a session until it is back."""
        self._sinks.pop(session, None)

    def deliver(self, session: str, message: Message) -> None:
        """Hand a message to a session's client, or keep it if it is worth keeping."""
        sink = self._sinks.get(session)
        if sink:
            sink(message)
        elif isinstance(message, (Result, Finished)) and message.job:
            self._boxes.setdefault(session, Box()).keep(message)
            self._boxes.move_to_end(session)
            if len(self._boxes) > ABSENT_SESSIONS:
                self._boxes.popitem(last=False)

    def broadcast(self, message: Message) -> None:
        """Hand a message to every client that is here."""
        for sink in list(self._sinks.values()):
            sink(message)
