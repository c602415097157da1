"""What a panel is made of, as data: any toolkit can draw it, and a test can read it.

An item that holds a value names it; whoever draws the item calls ``Panel.set(name, value)`` when the artist
has changed it, and ``Panel.do(action)`` when a button was pressed. Items are compared: what has not changed
need not be drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Text:
    """A line, or several. ``tone`` is ``plain``, ``quiet``, ``good`` or ``alert``."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Button:
    """Does something. ``is_large`` for the one that matters most."""

    label: str
    action: str
    help: str = ""
    is_enabled: bool = True
    is_large: bool = False


@dataclass(frozen=True)
class Entry:
    """A text that can be typed."""

    name: str
    label: str
    value: str
    help: str = ""
    is_multiline: bool = False


@dataclass(frozen=True)
class Number:
    """A number; ``is_slider`` where both bounds are known and near."""

    name: str
    label: str
    value: float
    minimum: float | None = None
    maximum: float | None = None
    step: float = 0.1
    is_whole: bool = False
    help: str = ""

    @property
    def is_slider(self) -> bool:
        """Whether it is better dragged than typed."""
        if self.minimum is None or self.maximum is None:
            return False
        return (self.maximum - self.minimum) / (self.step or 1) <= 1000


@dataclass(frozen=True)
class Toggle:
    """On or off."""

    name: str
    label: str
    value: bool
    help: str = ""


@dataclass(frozen=True)
class Choice:
    """One of several: values, and what they are called."""

    name: str
    label: str
    value: str
    choices: tuple[tuple[str, str], ...]
    help: str = ""


@dataclass(frozen=True)
class Progress:
    """How far something is, 0..1, and in words."""

    fraction: float
    words: str


@dataclass(frozen=True)
class Picture:
    """A picture: the path of a PNG file, whose ``serial`` changes when its content does, or of a texture."""

    path: str
    serial: int = 0
    width: int = 256


@dataclass(frozen=True)
class Row:
    """Items side by side."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Group:
    """Items that come and go without moving what is below them; ``name`` tells it from others."""

    name: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Section:
    """Items under a title, which can be folded away; ``name`` is where that is kept."""

    name: str
    title: str
    items: tuple[Item, ...]
    is_open: bool = True


Item = Text | Button | Entry | Number | Toggle | Choice | Progress | Picture | Row | Group | Section


class Panel(Protocol):
    """What is drawn, and what it leads to; nothing raises."""

    def items(self) -> tuple[Item, ...]:
        """Return the panel as it is now."""

    def set(self, name: str, value: object) -> None:
        """Take note of a value that the artist has changed."""

    def do(self, action: str) -> None:
        """Do what a button is for."""


@dataclass(frozen=True)
class Action:
    """What a menu or toolbar offers."""

    name: str
    label: str
    help: str
