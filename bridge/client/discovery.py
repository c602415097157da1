"""Finding the user's daemon, and starting one if there is none.

1. The runtime file is the only way to find a daemon; nobody scans ports.
2. A daemon is started detached, so that it outlives the host. No other is started while it lives, nor
   by the same command for ``RETRY_S``: a daemon that dies at once must not be started over and over.
3. Two hosts may start one at the same moment: the daemon that comes second sees the first and leaves,
   and both hosts find the first.
"""

import os
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

from ..errors import BridgeError, ConnectionLost
from .processes import is_running, start_detached
from .runtime import Runtime, read_runtime, state_folder

RETRY_S = 5.0
"""Least time between two starts by the same command."""

POLL_S = 0.05

HINT = "hint: "
"""How the command line begins the line below an error."""

LOOK_S = 0.2
"""How long to wait for a daemon that takes no connection; one that is gone refuses at once."""

NOT_RUNNING = "the daemon is not running"
"""What is said where there is none to connect to."""

_starting = threading.Lock()
_last_start: tuple[float, tuple[str, ...], Popen[bytes]] | None = None
"""When, by which command (nothing for the default), and what it started."""


def find_daemon() -> Runtime | None:
    """Return the running daemon of this user, if there is one.

    Raises:
        BridgeError: ``unsafe_runtime_file`` or ``bad_runtime_file``.
    """
    runtime = read_runtime()
    return runtime if runtime and is_running(runtime.pid) and _is_open(runtime) else None


def launch_daemon(command: Sequence[str] | None = None) -> Popen[bytes]:
    """Start a daemon without waiting for it, unless one that was started lives, or this was tried just now.

    Args:
        command: Program and arguments; ``framebridge serve`` where it is installed if ``None``.

    Raises:
        BridgeError: ``daemon_not_found`` if there is no such program.
    """
    global _last_start  # one for the whole process: add-ons and scripts in it share the daemon
    wanted = tuple(command or ())
    with _starting:
        if _last_start:
            began, tried, process = _last_start
            was_just_now = tried == wanted and time.monotonic() - began < RETRY_S
            if process.poll() is None or was_just_now:
                return process
        try:
            process = start_detached(command or default_command(), start_log())
        except OSError as error:
            raise _not_found(f"the daemon could not be started: {error}") from error
        _last_start = time.monotonic(), wanted, process
        return process


def start_daemon(command: Sequence[str] | None = None, timeout_s: float = 30.0) -> Runtime:
    """Start a daemon and wait until it listens.

    Args:
        command: See ``launch_daemon``.
        timeout_s: How long to wait.

    Raises:
        BridgeError: ``daemon_not_found``; ``daemon_failed`` if it ended at once, with its last words;
            ``daemon_timeout`` if it is not ready in time.
    """
    process = launch_daemon(command)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        runtime = find_daemon()
        if runtime:
            return runtime
        if has_ended:
            raise daemon_failed()
        time.sleep(POLL_S)
    raise BridgeError(
        f"the daemon was not ready within {timeout_s:g} s",
        code="daemon_timeout",
        hint=f"See {start_log()}.",
    )


def ensure_daemon(command: Sequence[str] | None = None, timeout_s: float = 30.0) -> Runtime:
    """Return the running daemon; start one if there is none.

    Raises:
        BridgeError: See ``find_daemon`` and ``start_daemon``.
    """
    return find_daemon() or start_daemon(command, timeout_s)


def default_command() -> list[str]:
    """Return how to start the installed daemon.

    In a host ``sys.executable`` is Blender or Unreal, so the command is looked up: on ``PATH``, beside
    the running Python, and where ``pipx`` and ``uv`` put commands (desktop programs on macOS do not
    have that on their ``PATH``).

    Raises:
        BridgeError: ``daemon_not_found``.
    """
    folders = [Path(sys.executable).parent, Path.home() / ".local" / "bin"]
    for path in (None, os.pathsep.join(map(str, folders))):
        program = shutil.which("framebridge", path=path)
        if program:
            return [program, "serve"]
    raise _not_found("the command framebridge is not installed, or not where this program looks")


def start_log() -> Path:
    """Return the file that takes what a starting daemon prints."""
    return state_folder() / "start.log"


def no_daemon() -> ConnectionLost:
    """Return the error for a daemon that does not run."""
    return ConnectionLost(NOT_RUNNING, hint="Start it: framebridge serve")


def daemon_failed() -> BridgeError:
    """Return the error for a daemon that ended while it was starting, with its last words."""
    words, hint = _last_words()
    return BridgeError(
        f"the daemon ended at once: {words}",
        code="daemon_failed",
        hint=hint or f"See {start_log()}, or run `framebridge serve` in a terminal.",
    )


def _is_open(runtime: Runtime) -> bool:
    """Tell whether something listens: after a power cut another process may have the daemon's number."""
    try:
        socket.create_connection((urlsplit(runtime.url).hostname, runtime.port), LOOK_S).close()
    except ConnectionRefusedError:
        return False
    except OSError:  # it may be busy
        return True
    return True


def _not_found(message: str) -> BridgeError:
    hint = "Install it (see the README), or set the command in the preferences of the add-on."
    return BridgeError(message, code="daemon_not_found", hint=hint)


def _last_words() -> tuple[str, str]:
    """Return the last error that was printed, without its frame, and its hint if it has one."""
    try:
        text = start_log().read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    unframed = re.sub(r" *[│|]\n[│|] *", " ", text)
    lines = [line.strip("│| ") for line in unframed.splitlines() if any(map(str.isalpha, line))]
    hint = lines.pop().removeprefix(HINT) if lines and lines[-1].startswith(HINT) else ""
    words = re.sub(r"^error \[\w+\]: ", "", lines[-1]) if lines else "it said nothing"
    return words[:200], hint[:200]
