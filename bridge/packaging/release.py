"""Build, check and write a release of the Blender add-on."""

import hashlib
import re
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bridge.daemon import make_folders
from bridge.packaging.archive import write_archive
from bridge.packaging.contents import Check, InvalidPackage
from bridge.packaging.inspection import inspect_archive
from bridge.packaging.repository import write_index
from bridge.packaging.staging import stage_blender
from bridge.packaging.wheels import fetch_wheels
from bridge.packaging.writing import cannot_build, place

BLENDERS_CHECK = "Blender's own check"
FIRST_WITH_EXTENSIONS = (4, 2)
BLENDER_S = 120.0


@dataclass(frozen=True)
class Package:
    """A release of an add-on, as it was written; the Blender add-on has a repository listing beside it."""

    archive: Path
    size: int
    sha256: str
    checks: list[Check]
    index: Path | None = None


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
            archive, index = place(built, out), place(listing, out)
    except OSError as error:
        raise cannot_build(error) from error
    return written(archive, checks, index)


def written(archive: Path, checks: list[Check], index: Path | None = None) -> Package:
    """Return what there is to say of an archive that is in its place."""
    data = archive.read_bytes()
    return Package(archive, len(data), hashlib.sha256(data).hexdigest(), checks, index)


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
