"""Fetch the openly licensed models of the held-out frames, by name; nothing of them is committed.

assimp-testmodels (Debian, BSD-3-Clause): an engine, a bull, a spider. bunny (npm, public domain): the
Stanford bunny. A model that cannot be fetched is left out, and said so.
"""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

DEBIAN_PACKAGE = "assimp-testmodels"
DEBIAN_FILES = (
    "glTF2/2CylinderEngine-glTF-Binary/2CylinderEngine.glb",
    "OBJ/WusonOBJ.obj",
    "OBJ/spider.obj",
)
NPM_PACKAGE = "bunny@1.0.1"
BUNNY = "bunny.js"
SHOWN_CHARACTERS = 300
"""Of what a failed command said last."""


def fetch_models(folder: Path) -> list[str]:
    """Put the models that are not there yet into ``folder``; return a sentence for each that is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    if not all((folder / Path(name).name).exists() for name in DEBIAN_FILES):
        missing += _attempt(_fetch_debian, folder, f"Debian package {DEBIAN_PACKAGE}", "apt-get")
    if not (folder / BUNNY).exists():
        missing += _attempt(_fetch_bunny, folder, f"npm package {NPM_PACKAGE}", "npm")
    return missing


def _attempt(fetch: Callable[[Path], None], folder: Path, what: str, tool: str) -> list[str]:
    if shutil.which(tool) is None:
        return [f"{what} was not fetched: {tool} is not installed"]
    try:
        fetch(folder)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip()[-SHOWN_CHARACTERS:]
        return [f"{what} was not fetched: {error.cmd[0]} ended with status {error.returncode}: {said}"]
    except (OSError, tarfile.TarError) as error:
        return [f"{what} was not fetched: {error}"]
    return []


def _fetch_debian(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        _run(["apt-get", "download", DEBIAN_PACKAGE], scratch)
        archive = _downloaded(scratch, "*.deb")
        _run(["dpkg-deb", "-x", archive.name, "x"], scratch)
        for name in DEBIAN_FILES:
            shutil.copy(Path(scratch, "x/usr/share/assimp/models", name), folder)


def _fetch_bunny(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        _run(["npm", "pack", NPM_PACKAGE], scratch)
        with tarfile.open(_downloaded(scratch, "*.tgz")) as archive:
            archive.extractall(scratch, filter="data")
        shutil.copy(Path(scratch, "package/index.js"), folder / BUNNY)


def _downloaded(folder: str, pattern: str) -> Path:
    for path in Path(folder).glob(pattern):
        return path
    raise FileNotFoundError(f"the download left no {pattern}")


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, errors="replace")  # noqa: S603
