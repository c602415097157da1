"""Write a release where it is wanted: whole or not at all, with a reason where it cannot be."""

import errno
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from bridge.errors import BridgeError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def place(built: Path, out: Path) -> Path:
    """Copy a file into a folder so that a reader finds the old one or the new one, never a part.

    Links that somebody put there are replaced, never written through.

    Raises:
        BridgeError: ``disk_full`` or ``write_failed``.
    """
    placed = out / built.name
    part = out / f".{built.name}.{secrets.token_hex(8)}.part"
    try:
        with built.open("rb") as source, part.open("xb") as target:
            shutil.copyfileobj(source, target)
        os.replace(part, placed)
    except OSError as error:
        raise _failed_write("write", placed, error, "choose another folder with --out") from error
    finally:
        part.unlink(missing_ok=True)
    return placed


def cannot_build(error: OSError) -> BridgeError:
    """Return the error for an add-on that cannot be put together: ``disk_full`` or ``write_failed``."""
    folder = tempfile.tempdir or "a temporary folder"  # none where Python found none that it can write to
    return _failed_write("build the add-on in", folder, error, "name another folder in TMPDIR")


def _failed_write(what: str, place: Path | str, error: OSError, way_out: str) -> BridgeError:
    # The text, too: copying a folder, Python keeps that of each file, but no number.
    if any(number == error.errno or os.strerror(number) in str(error) for number in _FULL):
        reason, hint = f"no room to {what} {place}", f"Make room there, or {way_out}."
        return BridgeError(f"{reason}: {_reason(error)}", code="disk_full", hint=hint)
    hint = f"{way_out[0].upper()}{way_out[1:]}."
    return BridgeError(f"cannot {what} {place}: {_reason(error)}", code="write_failed", hint=hint)


def _reason(error: OSError) -> str:
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])  # the first file's: source, target, why
    return error.strerror or str(error)
