"""Where a running daemon says how to reach it: one small file that only its user can read.

1. The file names the address and the token of the one daemon of this user. It exists only while that
   daemon listens, unless the daemon was killed; so a reader also asks whether the process lives.
2. It is written whole and then renamed into place, so that nobody reads half of it.
3. On POSIX a file that others may read or write, or that somebody else owns, is not believed: it
   could send a client, with its pictures, to a stranger. On Windows the user's profile is private.
"""

import contextlib
import json
import os
import secrets
import stat
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import BridgeError

APPLICATION = "framebridge"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A daemon, as it describes itself.

    Args:
        url: Of its WebSocket: ``ws://127.0.0.1:8189/bridge``.
        port: The same port, for HTTP.
        token: Goes into the header ``Authorization: Bearer TOKEN``.
        pid: Of its process.
        version: Of the program.
        started: Seconds since 1970.
    """

    url: str
    port: int
    token: str = field(repr=False)
    pid: int
    version: str
    started: float

    @property
    def host(self) -> str:
        """The address without the port: ``127.0.0.1``."""
        return self.url.removeprefix("ws://").rpartition(":")[0]


def state_folder() -> Path:
    """Return the folder for what the daemon keeps between runs; it may not exist yet.

    ``FRAMEBRIDGE_HOME`` overrides the place the platform has for it.
    """
    override = os.environ.get("FRAMEBRIDGE_HOME", "").strip()
    if override:
        return Path(override).expanduser().absolute()
    return _platform_folder() / APPLICATION


def runtime_file() -> Path:
    """Return where the file is, if a daemon runs."""
    return state_folder() / "daemon.json"


def read_runtime() -> Runtime | None:
    """Read what the daemon last wrote; it may have been killed since.

    Returns:
        ``None`` if there is no file.

    Raises:
        BridgeError: ``unsafe_runtime_file`` if it is not the user's own secret, ``bad_runtime_file`` if
            it makes no sense.
    """
    path = runtime_file()
    try:
        with open(path, encoding="utf-8", opener=_open_own) as file:
            _check_private(file.fileno(), path)
            text = file.read(65_536)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_file(path, str(error)) from error
    return _parse(text, path)


def write_runtime(runtime: Runtime) -> None:
    """Tell this user's clients about a daemon.

    Raises:
        OSError: If the folder cannot be written.
    """
    path = runtime_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".daemon-{os.getpid()}-{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(runtime), file)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def remove_runtime(pid: int) -> None:
    """Withdraw a daemon's file, unless another daemon has taken its place."""
    with contextlib.suppress(BridgeError, OSError):
        runtime = read_runtime()
        if runtime and runtime.pid == pid:
            runtime_file().unlink()


def _platform_folder(platform: str = sys.platform) -> Path:
    """Return what ``platformdirs.user_state_dir`` returns, without its last part."""
    if platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    xdg = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(xdg):
        return Path(xdg)
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "state"


def _open_own(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _check_private(descriptor: int, path: Path) -> None:
    if sys.platform != "win32":  # pragma: no branch
        status = os.fstat(descriptor)
        is_private = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077
        if not is_private or status.st_uid != os.geteuid():
            raise BridgeError(
                f"{path} is not private to you, so it is not believed",
                code="unsafe_runtime_file",
                hint="Delete it and start the daemon again.",
            )


def _parse(text: str, path: Path) -> Runtime:
    try:
        data = json.loads(text)
        return Runtime(
            url=str(data["url"]),
            port=int(data["port"]),
            token=str(data["token"]),
            pid=int(data["pid"]),
            version=str(data["version"]),
            started=float(data["started"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _bad_file(path, f"{type(error).__name__}: {error}") from error


def _bad_file(path: Path, reason: str) -> BridgeError:
    return BridgeError(
        f"{path} cannot be read: {reason}",
        code="bad_runtime_file",
        hint="Delete it and start the daemon again.",
    )
