"""What clients of ``/ws`` are told, before it is written for one of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.protocol import Buffer


@dataclass(frozen=True, slots=True)
class Event:
    """A message in JSON.

    Args:
        type: As ComfyUI calls it.
        data: Its content.
        is_passing: Whether it is worthless to a client that was away.
        text: The message as it goes over the wire, where many are told the same.
    """

    type: str
    data: Mapping[str, Any]
    is_passing: bool = False
    text: str = field(default="", repr=False)

    def encoded(self) -> str:
        """Return the message as it goes over the wire."""
        return self.text or json.dumps({"type": self.type, "data": self.data})


@dataclass(frozen=True, slots=True)
class Picture:
    """A binary message.

    Args:
        media_type: ``image/jpeg`` or ``image/png``.
        data: The file.
        about: Which node of which job it comes from.
        is_passing: Whether it is worthless to a client that was away.
        is_described: Whether the description is sent even to a client that has not asked for such.
    """

    media_type: str
    data: Buffer = field(repr=False)
    about: Mapping[str, Any]
    is_passing: bool
    is_described: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A binary message with what a node says of its progress, for clients that take descriptions.

    Args:
        node: The node.
        text: One sentence.
    """

    node: str
    text: str
    is_passing: bool = True


Told = Event | Picture | Words
"""What a client is told."""
