"""Which daemon to talk to, asked anew at every attempt to connect: it may have moved or restarted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .address import parse_address
from .discovery import daemon_failed, find_daemon, launch_daemon, no_daemon


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon's WebSocket and the token it asks for."""

    url: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Locator:
    """How a client finds its daemon.

    Args:
        address: As typed by a user; the daemon of this user and machine if empty.
        token: For a daemon elsewhere; that of the runtime file if empty.
        starts_daemon: Whether to start the user's daemon if it does not run.
        command: How; see ``launch_daemon``.
    """

    address: str = ""
    token: str = field(default="", repr=False)
    starts_daemon: bool = False
    command: Sequence[str] | None = None

    def find(self, may_start: bool = True) -> Target:
        """Return the daemon to connect to.

        Args:
            may_start: ``False`` for a client that was connected before: whoever stopped the daemon
                since then meant it.

        Raises:
            BridgeError: ``bad_address``, ``unsafe_runtime_file``, ``bad_runtime_file``,
                ``daemon_not_found``, ``daemon_failed``; ``connection_lost`` if there is none yet.
        """
        url = parse_address(self.address) if self.address else ""
        if url and self.token:
            return Target(url, self.token)
        runtime = find_daemon()
        if runtime and url in ("", parse_address(runtime.url)):
            return Target(parse_address(runtime.url), self.token or runtime.token)
        if url:
            return Target(url)
        if self.starts_daemon and may_start and launch_daemon(self.command).poll():
            raise daemon_failed()
        raise no_daemon()
