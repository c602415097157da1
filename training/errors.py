"""What can go wrong outside this code, said so that a person can act on it."""

import errno
import sys
from collections.abc import Callable


class TrainingError(Exception):
    """A failure with a hint; the command line prints both and no traceback."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def exit_status(command: Callable[[], None]) -> int:
    """Run a command; turn what a person can act on into a message, a hint, and status 1."""
    try:
        command()
    except TrainingError as error:
        return _fail(str(error), error.hint)
    except KeyboardInterrupt:
        return _fail("stopped", "Start the same command again: it goes on where it was.")
    except Exception as error:
        # Libraries hide a full disk behind errors of their own.
        if getattr(error, "errno", None) != errno.ENOSPC and "No space left" not in str(error):
            raise
        return _fail("the disk is full", "Free some space and start again: it goes on where it was.")
    return 0


def _fail(message: str, hint: str) -> int:
    print(f"error: {message}\n{hint}", file=sys.stderr)
    return 1
