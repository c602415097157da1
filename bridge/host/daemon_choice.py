"""Which daemon a host talks to and how it is started, as typed into its preferences."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ..client import Locator, default_command
from ..errors import BridgeError

ADDRESS = "Of a daemon elsewhere, as in 192.168.0.7:8189; empty for the one on this machine"
TOKEN = "That the daemon asks for; empty for the one of your own daemon"  # noqa: S105
STARTS_DAEMON = "Start the daemon on this machine when a picture is asked for and none runs"
PROGRAM = (
    "The framebridge command, or the Python that Framebridge is installed in; "
    "empty to look for framebridge on the path"
)
ARGUMENTS = "Added when the daemon is started, as in --models ~/ComfyUI --device cuda"


@dataclass(frozen=True)
class DaemonChoice:
    """The texts above say what the fields mean."""

    address: str = ""
    token: str = ""
    starts_daemon: bool = True
    program: str = ""
    arguments: str = ""

    def locator(self, starts_daemon: bool) -> Locator:
        """Return how to find the daemon.

        Args:
            starts_daemon: Whether it may be started, if the preferences allow it, too.

        Raises:
            BridgeError: ``bad_address``, ``bad_token``, ``bad_arguments``; ``daemon_not_found`` if the
                program is none.
        """
        address, may_start = self.address.strip(), starts_daemon and self.starts_daemon
        command = self._command() if may_start and not address else None
        return Locator(address, self._checked_token(), may_start, command)

    def _checked_token(self) -> str:
        if not self.token.isascii() or (self.token and not self.token.isprintable()):
            raise BridgeError(
                "the token holds what no token has, such as a line break",
                code="bad_token",
                hint="Copy it again from the other daemon, or empty it in the preferences.",
            )
        return self.token.strip()

    def _command(self) -> list[str] | None:
        """Return how to start the daemon; ``None`` to look for it."""
        try:
            extra = shlex.split(self.arguments)
        except ValueError as error:
            raise BridgeError(
                f"the daemon's arguments cannot be read: {error}",
                code="bad_arguments",
                hint="Close the quotes in the preferences.",
            ) from error
        program = self.program.strip()
        if not program:
            return [*default_command(), *extra] if extra else None
        try:
            path = Path(program).expanduser()
            is_program = path.is_file()
        except (OSError, RuntimeError):  # too long a name, an unknown user, a folder that may not be searched
            path, is_program = Path(program), False
        if not is_program:
            raise BridgeError(
                f"{path} is not a program",
                code="daemon_not_found",
                hint="Choose the framebridge command, or its Python, in the preferences.",
            )
        is_python = path.stem.lower().startswith("python")
        return [str(path), *(["-m", "bridge"] if is_python else []), "serve", *extra]
