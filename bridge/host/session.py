"""A host's conversation with the daemon: captures go out, messages come back.

Nothing here waits. The client's thread moves bytes and touches nothing of the host's; what arrived is taken
by ``pump``, on the host's main thread: from a timer, or from a loop where no timers run.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import client, protocol
from .recipe import Recipe

LIVE = "live"
"""Names the stream of the live view."""


class Session:
    """One host's connection to the daemon.

    Args:
        locator: How to find the daemon; by default the one of this user that runs.
        name: Of the host: ``blender``, ``unreal``.
        version: Of the host, for people.
    """

    def __init__(self, locator: client.Locator | None = None, *, name: str, version: str = "") -> None:
        self._client = client.Client(locator, name=name, version=version)
        self._numbers = itertools.count(1)

    @property
    def status(self) -> client.Status:
        """How the connection is, for a status line."""
        return self._client.status

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._client.start()

    def close(self) -> None:
        """Disconnect; the thread has ended within a second."""
        self._client.close()

    def pump(self, budget_s: float = 0.005) -> Iterator[protocol.Message]:
        """Take what has arrived, oldest first, until there is no more or the time is up.

        Args:
            budget_s: Seconds, those that the caller spends on each message included.
        """
        return self._client.pump(budget_s)

    def ask(self, subject: str) -> str:
        """Ask for ``presets``, ``models`` or ``negatives``; returns the request.

        ``Answer`` or ``Failure`` will name it.

        Raises:
            BridgeError: Why there is no connection; so do all that send.
        """
        return self.request(lambda request: protocol.Query(request, subject))

    def request(self, message: Callable[[str], protocol.Message]) -> str:
        """Send a request of any kind; returns its name.

        Args:
            message: Makes the message, given the name.
        """
        request = self._client.new_request()
        self._client.send(message(request))
        return request

    def submit(self, frame: protocol.Frame, recipe: Recipe, wants_preview: bool = True) -> str:
        """Queue a job that looks at a frame; returns its request, which the daemon's answer names."""
        return self.request(
            lambda request: protocol.Submit(
                request,
                preset=recipe.preset,
                values=recipe.values,
                frame=frame,
                wants_preview=wants_preview,
                dynamic=recipe.dynamic,
            )
        )

    def submit_workflow(self, frame: protocol.Frame, workflow: Mapping[str, Any]) -> str:
        """Queue a job that runs a workflow of ComfyUI's API form; returns the request."""
        return self.request(lambda request: protocol.Submit(request, workflow, frame=frame))

    def cancel(self, job: str) -> str:
        """Cancel a job; returns the request."""
        return self.request(lambda request: protocol.Cancel(request, job))

    def give_up(self, request: str, job: str = "") -> None:
        """Wait no more for a job: it is cancelled as soon as there is a connection.

        Args:
            request: What submitted it.
            job: Its name, once accepted.
        """
        self._client.give_up(request, job)

    def free(self) -> str:
        """Have the device's memory given back; returns the request."""
        return self.request(protocol.Free)

    def set_live(self, recipe: Recipe) -> str:
        """Say how frames of the live view are to be seen from now on; returns the request."""
        return self.request(
            lambda request: protocol.SetStream(
                request, LIVE, preset=recipe.preset, values=recipe.values, dynamic=recipe.dynamic
            )
        )

    def push_live(self, frame: protocol.Frame) -> None:
        """Send the live view's newest frame, which replaces one that waits."""
        self._client.send(protocol.StreamFrame(LIVE, frame))

    def next_number(self) -> int:
        """Return the number of the next frame of the live view."""
        return next(self._numbers)

    def end_live(self) -> None:
        """End the live view."""
        self._client.send(protocol.CloseStream(LIVE))
