"""Who is connected, and which sessions there are.

1. A session's name is a secret of its client: it is random, and only names made here are taken up again,
   by this daemon or, where the session has jobs, by an earlier one. Whoever asks for another name gets a
   new session.
2. A session has one connection. A second one that names it is the same client back again, which may know
   before we do that the first connection is dead; so the first is ended.
3. Sessions that have no connection make room for newer ones; their clients then get a new session.
4. Guests have connections of another kind (ComfyUI's), and name their sessions as they like.
"""

import contextlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from bridge.errors import BridgeError

MAX_CLIENTS = 256
"""Connections at a time."""

ABSENT_SESSIONS = 1000

_MADE_HERE = re.compile(r"[A-Za-z0-9_-]{22}")
"""What ``token_urlsafe(16)`` gives; sessions of other kinds of clients have other names."""


class Connection(Protocol):
    """What a session must be able to do to its connection.

    Attributes:
        program: What the client calls itself.
    """

    program: str

    def take_over(self) -> None:
        """End, because the client has a newer connection."""


class Clients:
    """The sessions of one daemon.

    Args:
        owns_jobs: Whether a session has jobs, of this daemon or an earlier one.
    """

    def __init__(self, owns_jobs: Callable[[str], bool] = lambda session: False) -> None:
        self._owns_jobs = owns_jobs
        self._connections: dict[str, Connection] = {}
        self._guests: dict[object, tuple[str, str]] = {}
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._free_since = time.monotonic()

    def __len__(self) -> int:
        return len(self._connections) + len(self._guests)

    @property
    def idle_s(self) -> float:
        """Seconds since the last client left; 0 while there is one."""
        return 0.0 if len(self) else time.monotonic() - self._free_since

    def raise_if_full(self) -> None:
        """Refuse one more connection.

        Raises:
            BridgeError: With code ``too_many_clients``.
        """
        if len(self) >= MAX_CLIENTS:
            raise BridgeError(
                f"{MAX_CLIENTS} clients are connected already",
                code="too_many_clients",
                hint="Close some of them, or try again later.",
            )

    def name(self, wanted: str) -> str:
        """Return the session that a client gets: the one it wants if that is known, else a new one."""
        is_known = wanted in self._connections or wanted in self._absent
        if is_known or (_MADE_HERE.fullmatch(wanted) and self._owns_jobs(wanted)):
            return wanted
        return secrets.token_urlsafe(16)

    def connection(self, session: str) -> Connection | None:
        """Return the connection that a session has now."""
        return self._connections.get(session)

    @property
    def programs(self) -> Mapping[str, str]:
        """Session → what the program calls itself that has it, of all that are here."""
        own = {session: connection.program for session, connection in self._connections.items()}
        return own | dict(self._guests.values())

    @contextlib.contextmanager
    def guest(self, session: str, program: str) -> Iterator[None]:
        """Count a guest while the block runs.

        Raises:
            BridgeError: With code ``too_many_clients``.
        """
        self.raise_if_full()
        seat = object()
        self._guests[seat] = session, program
        try:
            yield
        finally:
            del self._guests[seat]
            self._free_since = time.monotonic()

    def enter(self, session: str, connection: Connection) -> bool:
        """Give a session to a connection; returns whether an older one had it, which now ends."""
        self._absent.pop(session, None)
        older = self._connections.get(session)
        self._connections[session] = connection
        if older is not None:
            older.take_over()
        return older is not None

    def leave(self, session: str, connection: Connection) -> bool:
        """Take a session from a connection; returns whether it still had it."""
        if self._connections.get(session) is not connection:
            return False
        del self._connections[session]
        self._absent[session] = None
        if len(self._absent) > ABSENT_SESSIONS:
            self._absent.popitem(last=False)
        self._free_since = time.monotonic()
        return True
