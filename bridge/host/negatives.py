"""Negative presets as the daemon tells them: asked for once a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import protocol
from ..errors import BridgeError
from .session import Session

MOST = 256


@dataclass(frozen=True)
class Negative:
    """A text for what a picture should not look like; see the daemon's protocol for the fields."""

    title: str
    text: str
    family: str = ""
    help: str = ""


class Negatives:
    """Those of the daemon; none while it has not told them, or is too old to know any."""

    def __init__(self) -> None:
        self.found: tuple[Negative, ...] = ()
        self._asked: tuple[Session, str] | None = None

    def tick(self, session: Session | None) -> None:
        """Ask, if that has not been done on this connection; to be called while messages pass."""
        if session is not None and (self._asked is None or self._asked[0] is not session):
            try:
                self._asked = session, session.ask("negatives")
            except BridgeError:  # it is asked again at the next tick
                self._asked = None

    def receive(self, message: protocol.Message) -> None:
        """Take note of the answer."""
        if self._asked and isinstance(message, protocol.Answer) and message.request == self._asked[1]:
            self.found = tuple(_read(message.data))


def _read(data: Mapping[str, Any]) -> list[Negative]:
    """Return the entries that make sense."""
    entries = data.get("negatives")
    found = []
    for entry in entries[:MOST] if isinstance(entries, list) else ():
        fields = (
            [entry.get(name, "") for name in ("title", "text", "family", "help")]
            if isinstance(entry, dict)
            else []
        )
        if (
            all(isinstance(field, str) and "\0" not in field for field in fields)
            and fields
            and all(fields[:2])
        ):
            found.append(Negative(*fields))
    return found
