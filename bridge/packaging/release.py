"""Build, check and write a release of the Blender add-on."""

import errno
import hashlib
import os
import re
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
        raise _cannot_write(out, error) from error
    data = archive.read_bytes()
    return Package(archive, index, len(data), hashlib.sha256(data).hexdigest(), checks)


def _place(built: Path, out: Path) -> Path:
    """Copy a file into a folder so that a reader finds the old one or the new one, never a part."""
    part = out / f".{built.name}.part"
    try:
        shutil.copyfile(built, part)
        os.replace(part, out / built.name)
    finally:
        part.unlink(missing_ok=True)
    return out / built.name


def _cannot_write(out: Path, error: OSError) -> BridgeError:
    place = error.filename or out
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        hint = "Make room there, or choose another folder with --out."
        return BridgeError(f"no room to write {place}: {error.strerror}", code="disk_full", hint=hint)
    hint = "Choose another folder with --out."
    return BridgeError(f"cannot write {place}: {error.strerror or error}", code="write_failed", hint=hint)


def _ask_blender(archive: Path) -> Check:
    """Have the Blender on the path check the archive too, if there is one that can."""
    blender = shutil.which("blender")
    if blender is None:
        return Check(BLENDERS_CHECK, "there is no blender on the PATH", was_run=False)
    version = _version(blender)
    if version is None or version < FIRST_WITH_EXTENSIONS:
        name = "of unknown version" if version is None else ".".join(map(str, version))
        return Check(BLENDERS_CHECK, f"the blender on the PATH is {name}, older than 4.2", was_run=False)
    code, answer = _run([blender, "--factory-startup", "--command", "extension", "validate", str(archive)])
    if code != 0:
        lines = [line for line in answer.splitlines() if line.strip()]
        raise InvalidPackage(archive.name, [f"Blender: {line.strip()}" for line in lines[-5:]])
    return Check(BLENDERS_CHECK, f"Blender {version[0]}.{version[1]} takes it")


def _version(blender: str) -> tuple[int, int] | None:
    match = re.search(r"^Blender (\d+)\.(\d+)", _run([blender, "--version"])[1], re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else None


def _run(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BLENDER_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return 1, f"Blender did not end within {BLENDER_S:.0f} s"
    return done.returncode, done.stdout + done.stderr
