"""The one connection of a host: made when first wanted, and what it knows of the daemon, in words.

Rules:
1. Nothing runs, and no thread exists, until somebody looks at the panel or asks for a picture.
2. Looking finds a daemon that runs; only asking for a picture starts one.
3. What is known (presets, the worker's state) belongs to a connection; a new one asks for it again.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import protocol
from ..client import NOT_RUNNING, Locator
from ..errors import BridgeError, Problem
from .preset import Preset, read_presets
from .session import Session


class Link:
    """The connection to the daemon, if there is one.

    Args:
        locate: Returns how to find the daemon, given whether it may be started.
        offer: Takes the presets that the daemon has told; raises ``BridgeError`` for those it cannot.
        name: Of the host: ``blender``, ``unreal``.
        version: Of the host, for people.
    """

    session: Session | None = None
    problem: Problem | None = None
    """Why there is no connection, or no presets."""
    state: protocol.State | None = None
    """What the daemon last said of its worker."""
    has_connected = False
    """Whether a daemon has been talked to since this host began."""
    _may_start = False
    _presets_request = ""
    _has_presets = False

    def __init__(
        self,
        locate: Callable[[bool], Locator],
        offer: Callable[[tuple[Preset, ...]], None],
        *,
        name: str,
        version: str = "",
    ) -> None:
        self._locate, self._offer = locate, offer
        self._name, self._version = name, version

    @property
    def is_ready(self) -> bool:
        """Whether pictures can be asked for, and the presets are known."""
        return self.is_connected and self._has_presets

    @property
    def can_paint(self) -> bool:
        """Whether the daemon's worker is there, too, so that a picture is begun at once."""
        return self.is_ready and self.state is not None and self.state.worker in ("ready", "busy")

    @property
    def is_connected(self) -> bool:
        """Whether messages pass."""
        return self.session is not None and self.session.status.is_ready

    @property
    def is_hopeless(self) -> bool:
        """Whether waiting does not help, since the daemon cannot be started or refuses us."""
        if self.session is None:
            return self.problem is not None
        is_useless = self.is_connected and self.problem is not None and not self._has_presets
        return is_useless or self.session.status.state in ("refused", "offline")

    def connect(self, starts_daemon: bool = False) -> bool:
        """Connect unless that is done or under way; what goes wrong becomes the ``problem``.

        Args:
            starts_daemon: Whether to start a daemon that does not run.

        Returns:
            Whether it begins anew: nothing comes any more of what was asked for before.
        """
        is_enough = self._may_start or not starts_daemon or self.is_connected
        if self.session is not None and is_enough and not self.is_hopeless:
            return False
        self.disconnect()
        try:
            found = self._locate(starts_daemon)
            self.session = Session(found, name=self._name, version=self._version)
            self.session.start()
            self._may_start = found.starts_daemon and not found.address
        except BridgeError as error:
            self.session, self.problem = None, error.problem
        return True

    def disconnect(self) -> None:
        """Let the connection go; its thread has ended within a second."""
        if self.session is not None:
            self.session.close()
        self.session, self.problem, self._may_start = None, None, False
        self._forget()

    def tick(self) -> None:
        """Ask for what is not known yet; to be called often."""
        if self.session is None or not self.is_connected:
            self._forget()
            return
        self.has_connected = True
        self._may_start = False  # whoever stops the daemon from now on means it
        if not self._presets_request:
            self._presets_request = self.session.ask("presets")

    def ask_presets_again(self) -> None:
        """Have the presets told anew: there are other models to choose from now."""
        self._presets_request = ""

    def receive(self, message: protocol.Message) -> None:
        """Take note of a message that is about the connection."""
        if isinstance(message, protocol.State):
            self.state = message
        elif isinstance(message, protocol.Answer) and message.request == self._presets_request:
            self._learn(message)
        elif isinstance(message, protocol.Failure) and message.request == self._presets_request:
            self.problem = message.problems[0]

    @property
    def trouble(self) -> Problem | None:
        """What keeps pictures from being made, if anything does."""
        if self.problem is not None:
            return self.problem
        if self.state is not None and self.state.worker == "failed":
            hint = "See the daemon's log: framebridge doctor names it."
            return Problem("worker_failed", f"the daemon cannot run its worker: {self.state.detail}", hint)
        if self.session is not None and not self.is_connected and not self._is_starting:
            return self.session.status.problem
        return None

    @property
    def words(self) -> str:
        """How it stands, for a status line."""
        if self.session is None:
            return "Not connected"
        state = self.session.status.state
        if state != "ready":
            problem = self.session.status.problem
            if self._is_starting and state in ("connecting", "retrying"):
                return "Starting the daemon…"
            if state == "retrying" and problem is not None and problem.message == NOT_RUNNING:
                return NOT_RUNNING.capitalize()
            return _CONNECTION_WORDS[state]
        if self.state is None or not self._has_presets:
            return "Connected"
        words = _WORKER_WORDS[self.state.worker]
        return f"{words} on {self.state.device}" if self.state.device else words

    @property
    def _is_starting(self) -> bool:
        """Whether a daemon is being started, which takes some seconds."""
        if self.session is None or not self._may_start:
            return False
        problem = self.session.status.problem
        return problem is None or problem.code == "connection_lost"

    def _forget(self) -> None:
        self._presets_request, self._has_presets, self.state = "", False, None

    def _learn(self, answer: protocol.Answer) -> None:
        self.problem = None
        try:
            found = read_presets(answer.data)
            self._has_presets = True
            self._offer(found)
        except BridgeError as error:
            self.problem = error.problem


_CONNECTION_WORDS = {
    "offline": "Not connected",
    "connecting": "Connecting…",
    "lost": "Connection lost, trying again",
    "retrying": "Trying to connect again…",
    "refused": "The daemon refused the connection",
}

_WORKER_WORDS = {
    "starting": "Starting",
    "ready": "Ready",
    "busy": "Working",
    "restarting": "Restarting",
    "failed": "Failed",
}
