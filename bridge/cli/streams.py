"""The standard streams as the caller left them: perhaps closed, or on a disk that is full."""

import errno
import os
import sys

from bridge.errors import shown

_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE)


def replace_closed_streams() -> None:
    """Have the streams that are closed lead nowhere, those of child processes too."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - takes the number that is free
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def is_output_lost(error: OSError) -> bool:
    """Say whether an error is that what was printed cannot be written; such a one names no file."""
    return error.errno in _LOST and error.filename is None


def printed(path: object) -> str:
    """Return a path as standard output should have it: whole for a program, harmless for a terminal."""
    return shown(str(path)) if sys.stdout.isatty() else str(path)


def give_up_output() -> None:
    """Have what is still to be printed lead nowhere, or Python fails once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
