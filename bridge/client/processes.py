"""Processes, as POSIX and Windows know them: is one alive, and how to start one that outlives us."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

if sys.platform == "win32":  # pragma: no cover
    import ctypes

    _QUERY = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
    _STILL_ACTIVE = 259
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
    # An invisible console of its own: with DETACHED_PROCESS the launcher's child would open a window.
    _DETACHED = NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP

    def is_running(pid: int) -> bool:
        """Tell whether a process lives (``os.kill(pid, 0)`` would end it on Windows)."""
        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(_QUERY, False, pid)
        if not process:
            return False
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(process, ctypes.byref(code))
        kernel.CloseHandle(process)
        return code.value == _STILL_ACTIVE
else:
    NO_WINDOW = 0
    _DETACHED = 0

    def is_running(pid: int) -> bool:
        """Tell whether a process lives; a stranger's counts, a dead child of ours does not."""
        if pid <= 0:
            return False
        try:
            with contextlib.suppress(ChildProcessError):  # most daemons were started by somebody else
                if os.waitpid(pid, os.WNOHANG)[0] == pid:
                    return False
            os.kill(pid, 0)
        except PermissionError:
            return True
        except (ProcessLookupError, OverflowError):
            return False
        return True


def start_detached(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that has no terminal and lives on when this one ends.

    Args:
        command: Program and arguments.
        log: Takes what it prints; overwritten.

    Raises:
        OSError: If the program cannot be started.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _HOST_VARIABLES}
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(log, "wb") as output:
        return subprocess.Popen(  # noqa: S603 - the command is the user's own
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=environment,
            start_new_session=True,
            creationflags=_DETACHED,
        )


_HOST_VARIABLES = frozenset({"PYTHONHOME", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"})
"""What a host with a Python of its own may have set, and what would break another Python."""
