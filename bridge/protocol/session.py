"""The rules of a session, sans I/O: who may say what, and when.

1. The client speaks first, and says ``hello``: within ``HELLO_TIMEOUT_S`` of connecting, in at most
   ``MAX_HELLO_BYTES``. Anything else is answered with ``error`` and ends the session.
2. The daemon answers ``hello`` with ``welcome``, which names the newest version that both speak. If
   there is none it answers ``error`` (``unsupported_protocol``) and ends the session.
3. Between ``hello`` and ``welcome`` the client says nothing, and the daemon nothing but these two.
4. From then on each side may say anything of its own vocabulary at any time.
5. What cannot be understood does no harm: the daemon answers it with ``error``, the client reports it to
   its host as an ``error``, and the session goes on. The tenth in a row ends it.
6. A session that has ended has a ``close_code``. It understands nothing more and says nothing more.

The I/O layer feeds every message that arrives to ``receive``, then sends all of ``data_to_send`` in
order, then closes the connection if there is a ``close_code``. What it has to say itself goes through
``send``. While ``timeout_s`` is a number, it waits no longer than that, from connecting on, for the first
message, and calls ``expire`` when the time is up.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum
from typing import Any, ClassVar

from ..errors import LocalProtocolError, Problem, RemoteProtocolError
from .envelope import encode, open_envelope
from .frame import Buffer
from .message import Message
from .messages import (
    CLIENT_MESSAGES,
    DAEMON_MESSAGES,
    HELLO_TIMEOUT_S,
    MAX_HELLO_BYTES,
    VERSIONS,
    Failure,
    Hello,
    Welcome,
)

MAX_FAULTS_IN_A_ROW = 10
"""So many messages in a row that make no sense end a session."""


class CloseCode(IntEnum):
    """Why a WebSocket is closed: the standard's codes that we use, and our own."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    TOO_LARGE = 1009
    RESTARTING = 1012
    UNSUPPORTED_PROTOCOL = 4001
    HELLO_TIMEOUT = 4002
    HELLO_EXPECTED = 4003
    TOO_MANY_FAULTS = 4004
    TOO_SLOW = 4005
    TAKEN_OVER = 4006


class Phase(Enum):
    """How far a session is."""

    HELLO = "nobody has spoken"
    WELCOME = "hello was said"
    OPEN = "both may speak"
    ENDED = "nobody may speak"


class Session(ABC):
    """What both sides have in common.

    Attributes:
        phase: How far the session is.
        version: The protocol version both speak; 0 until that is known.
        close_code: What to close the connection with; 0 while the session lives.
        close_reason: The same in words.
    """

    _heard: ClassVar[Mapping[str, type[Message]]]
    _spoken: ClassVar[Mapping[str, type[Message]]]
    _early_close: ClassVar[CloseCode]
    _first_limit: ClassVar[int] = MAX_HELLO_BYTES

    def __init__(self) -> None:
        self.phase = Phase.HELLO
        self.version = 0
        self.close_code = 0
        self.close_reason = ""
        self._faults = 0
        self._outgoing: list[str | bytes] = []

    @property
    def timeout_s(self) -> float | None:
        """How long to wait for the peer's first message; ``None`` once it is there."""
        return HELLO_TIMEOUT_S if self.phase in (Phase.HELLO, Phase.WELCOME) else None

    def data_to_send(self) -> list[str | bytes]:
        """Return, once, what the session itself owes the peer."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def receive(self, data: str | Buffer) -> list[Message]:
        """Take a message that arrived.

        Returns:
            What there is to do about it; nothing if the session has dealt with it.
        """
        if self.phase is Phase.ENDED:
            return []
        header: Mapping[str, Any] = {}
        try:
            self._check_size(data)
            envelope = open_envelope(data)
            header = envelope.header
            self._check_direction(header.get("type"))
            message = envelope.read(self._heard)
            self._check_order(message)
        except RemoteProtocolError as error:
            return self._misunderstand(error, header)
        self._faults = 0
        return self._accept(message)

    def send(self, message: Message) -> str | bytes:
        """Write a message for the peer.

        Raises:
            LocalProtocolError: If it is not ours to say, or not now, or the peer would refuse it.
        """
        if self._spoken.get(message.type) is not type(message):
            raise LocalProtocolError(f'"{message.type}" is not for us to say', code="wrong_direction")
        if not self._may_say(message):
            text = f'"{message.type}" is out of order: {self.phase.value}'
            raise LocalProtocolError(text, code="out_of_order")
        return encode(message)

    def end(self, close_code: int, reason: str = "") -> None:
        """End the session, for a reason of the caller's."""
        self.phase = Phase.ENDED
        self.close_code = close_code
        self.close_reason = reason

    def _misunderstand(self, error: RemoteProtocolError, header: Mapping[str, Any]) -> list[Message]:
        self._faults += 1
        close_code = error.close_code
        if not close_code and self.phase is not Phase.OPEN:
            close_code = self._early_close
        if not close_code and self._faults == MAX_FAULTS_IN_A_ROW:
            close_code = CloseCode.TOO_MANY_FAULTS
        report = self._report(Failure((error.problem,), _id(header, "request"), _id(header, "stream")))
        if close_code:
            self.end(close_code, error.code)
        return report

    def _check_size(self, data: str | Buffer) -> None:
        size = len(data) if isinstance(data, str) else memoryview(data).nbytes
        if self.phase is not Phase.OPEN and size > self._first_limit:
            message = f"the first message has {size} B; the limit is {self._first_limit // 1024} KiB"
            raise RemoteProtocolError(message, code="message_too_large", close_code=CloseCode.TOO_LARGE)

    def _check_direction(self, name: Any) -> None:
        if isinstance(name, str) and name in self._spoken:
            raise RemoteProtocolError(f'"{name}" comes from the wrong side', code="wrong_direction")

    @abstractmethod
    def _check_order(self, message: Message) -> None:
        """Refuse what makes no sense at this point."""

    @abstractmethod
    def _accept(self, message: Message) -> list[Message]:
        """Return what there is to do about a message that makes sense."""

    @abstractmethod
    def _report(self, failure: Failure) -> list[Message]:
        """Tell whoever should know that the peer made no sense."""

    @abstractmethod
    def _may_say(self, message: Message) -> bool:
        """Tell whether a message of our own vocabulary is in order now."""


class ServerSession(Session):
    """The daemon's side. ``receive`` returns ``Hello`` first; answer it with ``send(Welcome(...))``."""

    _heard = CLIENT_MESSAGES
    _spoken = DAEMON_MESSAGES
    _early_close = CloseCode.HELLO_EXPECTED

    def send(self, message: Message) -> str | bytes:
        """Write a message for the client; ``welcome`` opens the session.

        Raises:
            LocalProtocolError: If it is not ours to say, or not now, or the client would refuse it.
        """
        data = super().send(message)
        if isinstance(message, Welcome):
            self.phase = Phase.OPEN
        return data

    def expire(self) -> None:
        """Note that the client has said nothing for ``timeout_s``."""
        if self.phase is Phase.HELLO:
            message = f"no hello within {HELLO_TIMEOUT_S:g} s"
            self._refuse(Failure((Problem("hello_timeout", message),)), CloseCode.HELLO_TIMEOUT)

    def _check_order(self, message: Message) -> None:
        is_hello = isinstance(message, Hello)
        if self.phase is Phase.HELLO and not is_hello:
            raise RemoteProtocolError(
                f'the first message is hello, not "{message.type}"', code="hello_expected"
            )
        if self.phase is Phase.WELCOME or (self.phase is Phase.OPEN and is_hello):
            raise RemoteProtocolError(
                f'"{message.type}" is out of order: {self.phase.value}', code="out_of_order"
            )

    def _accept(self, message: Message) -> list[Message]:
        if not isinstance(message, Hello):
            return [message]
        common = set(VERSIONS).intersection(message.protocols)
        if not common:
            problem = _mismatch(VERSIONS, message.protocols)
            self._refuse(Failure((problem,), protocols=VERSIONS), CloseCode.UNSUPPORTED_PROTOCOL)
            return []
        self.version = max(common)
        self.phase = Phase.WELCOME
        return [message]

    def _refuse(self, failure: Failure, close_code: CloseCode) -> None:
        self._report(failure)
        self.end(close_code, failure.problems[0].code)

    def _report(self, failure: Failure) -> list[Message]:
        self._outgoing.append(encode(failure))
        return []

    def _may_say(self, message: Message) -> bool:
        if isinstance(message, Welcome):
            return self.phase is Phase.WELCOME
        return self.phase is Phase.OPEN or (self.phase is Phase.WELCOME and isinstance(message, Failure))


class ClientSession(Session):
    """A client's side. It begins by saying ``hello``; ``welcome`` is the first that ``receive`` returns.

    Attributes:
        refusal: Why the daemon does not want this client, or this client the daemon.
    """

    _heard = DAEMON_MESSAGES
    _spoken = CLIENT_MESSAGES
    _early_close = CloseCode.PROTOCOL_ERROR

    def __init__(self, hello: Hello) -> None:
        super().__init__()
        self.refusal: Problem | None = None
        self._hello = hello
        self._outgoing.append(encode(hello))
        self.phase = Phase.WELCOME

    def expire(self) -> None:
        """Note that the daemon has said nothing for ``timeout_s``."""
        if self.phase is Phase.WELCOME:
            message = f"the daemon did not answer hello within {HELLO_TIMEOUT_S:g} s"
            self._give_up(Problem("hello_timeout", message), CloseCode.HELLO_TIMEOUT)

    def _check_order(self, message: Message) -> None:
        is_first = self.phase is Phase.WELCOME
        if isinstance(message, Welcome) != is_first and not isinstance(message, Failure):
            raise RemoteProtocolError(
                f'"{message.type}" is out of order: {self.phase.value}', code="out_of_order"
            )

    def _accept(self, message: Message) -> list[Message]:
        if isinstance(message, Welcome):
            if message.protocol not in self._hello.protocols:
                self._give_up(
                    _mismatch((message.protocol,), self._hello.protocols), CloseCode.UNSUPPORTED_PROTOCOL
                )
                return []
            self.version = message.protocol
            self.phase = Phase.OPEN
        elif isinstance(message, Failure) and self.phase is Phase.WELCOME:
            theirs = message.protocols
            self._give_up(_mismatch(theirs, self._hello.protocols) if theirs else message.problems[0])
            return []
        return [message]

    def _give_up(self, problem: Problem, close_code: CloseCode = CloseCode.NORMAL) -> None:
        self.refusal = problem
        self.end(close_code, problem.code)

    def _report(self, failure: Failure) -> list[Message]:
        if self.phase is Phase.WELCOME:
            self.refusal = failure.problems[0]
            return []
        return [failure]

    def _may_say(self, message: Message) -> bool:
        return self.phase is Phase.OPEN and not isinstance(message, Hello)


def _id(header: Mapping[str, Any], name: str) -> str:
    """Return an id from the header of a message that could not be understood, if it is one."""
    value = header.get(name)
    return value if isinstance(value, str) and len(value) <= 128 and value.isprintable() else ""


def _mismatch(daemon: Sequence[int], client: Sequence[int]) -> Problem:
    is_client_older = max(daemon) > max(client)
    return Problem(
        "unsupported_protocol",
        f"the daemon speaks protocol {_listed(daemon)}, this client speaks {_listed(client)}",
        "Update the add-on."
        if is_client_older
        else "Update Framebridge: its daemon is older than this client.",
    )


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(str(version) for version in sorted(versions))
