"""A preset of the artist's own, made of a workflow file in three steps: open, choose what to show, save."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import protocol
from ..errors import BridgeError, Problem
from .link import Link
from .png import read_texts

PLANES = (
    ("", "As it is", "The picture that the workflow loads stays"),
    ("color", "What is captured", "The viewport, the camera or the render"),
    ("depth", "Depth", "A map of how near everything is"),
    ("canny", "Lines", "Lines of what is seen"),
    ("normal", "Normals", "A map of the way surfaces face"),
    ("edges", "Geometry edges", "Lines where the shapes break"),
    ("mask", "Mask", "What is to be painted anew"),
    ("reference", "A chosen picture", "The panel asks for it"),
)
"""What may take a loaded picture's place: value, label and help."""

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of a workflow or picture."""


@dataclass
class Choice:
    """An input that the panel could show.

    Args:
        place: ``node.input``.
        label: What people would call it.
        is_shown: Whether the panel is to show it.
    """

    place: str
    label: str
    is_shown: bool = False


@dataclass
class Feed:
    """A picture that the workflow loads.

    Args:
        node: Id of the node.
        title: What people would call it.
        plane: One of ``PLANES``: what takes its place.
    """

    node: str
    title: str
    plane: str = ""


class NewPreset:
    """A preset that is being made.

    Args:
        link: The connection.

    Attributes:
        title: What it will be called; the artist may change it, as everything in ``choices`` and ``feeds``.
        choices: What could be shown, what most would show first.
        feeds: The pictures that the workflow loads.
        problem: What went wrong last.
        saved: Name of the preset that was saved last.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._workflow: Mapping[str, Any] = {}
        self.title = ""
        self.choices: list[Choice] = []
        self.feeds: list[Feed] = []
        self.problem: Problem | None = None
        self.saved = ""

    @property
    def is_open(self) -> bool:
        """Whether a workflow's inputs can be chosen from."""
        return bool(self.choices)

    @property
    def is_waiting(self) -> bool:
        """Whether the daemon has yet to answer."""
        return bool(self._waiting)

    def open(self, file: Path) -> None:
        """Read a workflow, and ask what of it could be shown.

        Raises:
            BridgeError: ``file_not_found``, ``bad_file`` or ``no_workflow``; why there is no connection.
        """
        workflow = read_workflow(file)
        self.discard()
        self._ask(lambda request: protocol.InspectWorkflow(request, workflow), self._learn)
        self._workflow, self.title = workflow, file.stem.replace("_", " ").strip().capitalize()

    def save(self, replaces: bool = False) -> None:
        """Have the preset kept.

        Args:
            replaces: Whether an own preset of that title may go.

        Raises:
            BridgeError: ``nothing_open``; why there is no connection.
        """
        if not self.is_open:
            raise BridgeError("no workflow is open", code="nothing_open", hint="Open one first.")
        shown = {choice.place: choice.label for choice in self.choices if choice.is_shown}
        feeds = {feed.node: feed.plane for feed in self.feeds if feed.plane}
        title, workflow = self.title, self._workflow
        self._ask(
            lambda request: protocol.SavePreset(request, title, workflow, shown, feeds, replaces=replaces),
            self._note_saved,
        )

    def discard(self) -> None:
        """Let go of the workflow."""
        self._waiting.clear()
        self._workflow, self.title, self.choices, self.feeds = {}, "", [], []
        self.problem, self.saved = None, ""

    def receive(self, message: protocol.Message) -> None:
        """Take note of an answer."""
        if isinstance(message, protocol.Answer) and message.request in self._waiting:
            self._waiting.pop(message.request)(message.data)
        elif isinstance(message, protocol.Failure) and message.request in self._waiting:
            del self._waiting[message.request]
            self.problem = message.problems[0]

    def _learn(self, data: Mapping[str, Any]) -> None:
        try:
            suggested = [(str(entry["place"]), str(entry["label"])) for entry in data["suggested"]]
            others = {str(place): str(label) for place, label in data["inputs"].items()}
            self.feeds = [Feed(str(node), str(title)) for node, title in data["pictures"].items()]
        except (KeyError, TypeError, AttributeError) as error:
            self.problem = Problem(
                "bad_answer",
                f"the daemon's answer cannot be used ({error})",
                "The add-on and the daemon may be of different versions: update both.",
            )
            return
        self.choices = [Choice(place, label, is_shown=True) for place, label in suggested]
        known = {choice.place for choice in self.choices}
        self.choices += [Choice(place, label) for place, label in others.items() if place not in known]
        if len(self.feeds) == 1:
            self.feeds[0].plane = "color"

    def _note_saved(self, data: Mapping[str, Any]) -> None:
        name = str(data.get("name", ""))
        self.discard()
        self.saved = name
        self._link.ask_presets_again()

    def _ask(
        self, message: Callable[[str], protocol.Message], learn: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.problem = None
        if self._link.session is None or not self._link.is_connected:
            raise BridgeError(
                "there is no connection to the daemon",
                code="connection_lost",
                hint="Connect, then try again.",
            )
        self._waiting[self._link.session.request(message)] = learn


def read_workflow(file: Path) -> Mapping[str, Any]:
    """Read a workflow in ComfyUI's API format, or one that a picture holds.

    Raises:
        BridgeError: ``file_not_found``, ``bad_file`` or ``no_workflow``.
    """
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ValueError("it is too large")
        text = (
            read_texts(file).get("prompt", "") if file.suffix.lower() == ".png" else file.read_text("utf-8")
        )
        data = json.loads(text) if text else None
    except OSError as error:
        raise BridgeError(
            f"{file} cannot be read: {error.strerror or error}", code="file_not_found", hint="Choose another."
        ) from error
    except (ValueError, RecursionError) as error:
        raise BridgeError(
            f"{file.name} holds no workflow: {error}",
            code="bad_file",
            hint="Export it from ComfyUI with Export (API), or choose a picture that ComfyUI saved.",
        ) from error
    if not isinstance(data, dict):
        raise BridgeError(
            f"{file.name} holds no workflow",
            code="no_workflow",
            hint="Export it from ComfyUI with Export (API), or choose a picture that ComfyUI saved.",
        )
    return data
