"""Build, check and write a release of the Blender add-on."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bridge.daemon import make_folders
from bridge.errors import BridgeError
from bridge.packaging.archive import write_archive
from bridge.packaging.inspection import Check, InvalidPackage, inspect_archive
from bridge.packaging.repository import write_index
from bridge.packaging.staging import stage_blender
from bridge.packaging.wheels import fetch_wheels

BLENDERS_CHECK = "Blender's own check"
FIRST_WITH_EXTENSIONS = (4, 2)
BLENDER_S = 120.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Package:
    """A release of an add-on, as it was written."""

    archive: Path
    index: Path
    size: int
    sha256: str
    checks: list[Check]


def package_blender(out: Path) -> Package:
    """Write the Blender add-on's zip, once it has passed every check, and the repository listing beside it.

    Raises:
        InvalidPackage: The add-on's sources break a rule; nothing was written.
        BridgeError: ``download_failed``, ``cache_unwritable``, ``sources_missing``, ``bad_folder``,
            ``disk_full`` or ``write_failed``.
    """
    make_folders({"output": out})
    wheels = fetch_wheels()
    try:
        with tempfile.TemporaryDirectory(prefix="framebridge-") as folder:
            addon = stage_blender(Path(folder), wheels)
            version = tomllib.loads((addon / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
            built = write_archive(addon, Path(folder) / f"framebridge-{version}.zip")
            checks = [*inspect_archive(built), _ask_blender(built)]
            listing = write_index(built)
            archive, index = _place(built, out), _place(listing, out)
    except OSError as error:
        raise _cannot_build(error) from error
    data = archive.read_bytes()
    return Package(archive, index, len(data), hashlib.sha256(data).hexdigest(), checks)


def _place(built: Path, out: Path) -> Path:
    """Copy a file into a folder so that a reader finds the old one or the new one, never a part.

    Links that somebody put there are replaced, never written through.
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


def _cannot_build(error: OSError) -> BridgeError:
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


def _ask_blender(archive: Path) -> Check:
    """Have the Blender on the path check the archive too, if there is one that can."""
    blender = shutil.which("blender")
    if blender is None:
        return Check(BLENDERS_CHECK, "there is no blender on the PATH", was_run=False)
    try:
        return _validate(blender, archive)
    except OSError as error:
        finding = f"the blender on the PATH cannot be started: {error.strerror or error}"
        return Check(BLENDERS_CHECK, finding, was_run=False)


def _validate(blender: str, archive: Path) -> Check:
    version = _version(blender)
    if version is None:
        return Check(BLENDERS_CHECK, "the blender on the PATH does not tell its version", was_run=False)
    name = ".".join(map(str, version))
    if version < FIRST_WITH_EXTENSIONS:
        finding = f"the blender on the PATH is {name}, older than 4.2"
        return Check(BLENDERS_CHECK, finding, was_run=False)
    code, answer = _run([blender, "--factory-startup", "--command", "extension", "validate", str(archive)])
    if code != 0:
        lines = [line for line in answer.splitlines() if line.strip()]
        raise InvalidPackage(archive.name, [f"Blender: {line.strip()}" for line in lines[-5:]])
    return Check(BLENDERS_CHECK, f"Blender {name} takes it")


def _version(blender: str) -> tuple[int, int] | None:
    match = re.search(r"^Blender (\d+)\.(\d+)", _run([blender, "--version"])[1], re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else None


def _run(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=BLENDER_S
        )
    except subprocess.TimeoutExpired:
        return 1, f"Blender did not end within {BLENDER_S:.0f} s"
    return done.returncode, done.stdout + done.stderr
