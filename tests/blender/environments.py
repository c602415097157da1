"""Environments with a Blender as a Python module: one a version, made once and kept.

They lie in the user's cache folder, or in ``FRAMEBRIDGE_BPY_DIR``: ``bpy-5.0/bin/python``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

OLD_PYTHON, NEW_PYTHON = "3.11", "3.13"
"""What ``bpy`` is built for: until 5.0, and from 5.1 on."""

REQUIREMENTS = ("bpy=={version}.*", "websockets>=15")
INSTALL_S = 1500
GRAPHICS_LIBRARIES = "libegl1 libgl1 libgl1-mesa-dri"
WINDOW_LIBRARIES = "libgomp1 libice6 libsm6 libx11-6 libxfixes3 libxi6 libxkbcommon0 libxxf86vm1"


class Unavailable(Exception):
    """A Blender that cannot be had here."""


def ensure_environment(version: str) -> Path:
    """Return the Python of an environment with this Blender, which is made if there is none.

    Raises:
        Unavailable: With the reason.
    """
    root = Path(os.environ.get("FRAMEBRIDGE_BPY_DIR") or user_cache_dir("framebridge"))
    home = root / f"bpy-{version}"
    python = home / "bin" / "python"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"bpy-{version}.lock", timeout=INSTALL_S):
        if not python.exists():
            building = root / f"bpy-{version}.building"
            shutil.rmtree(building, ignore_errors=True)
            _build(building, version)
            building.rename(home)
    return python


def clean_environment() -> dict[str, str]:
    """Return the variables of this process without those that would steer another Python.

    Debian's Blender takes the standard library of the first ``python3`` on the path for its own.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}
    here = str(Path(sys.prefix, "bin"))
    path = [folder for folder in kept["PATH"].split(os.pathsep) if folder != here]
    return kept | {"PATH": os.pathsep.join(path)}


def _build(home: Path, version: str) -> None:
    wanted_python = NEW_PYTHON if tuple(map(int, version.split("."))) >= (5, 1) else OLD_PYTHON
    is_ours = f"{sys.version_info[0]}.{sys.version_info[1]}" == wanted_python
    base = sys.executable if is_ours else f"python{wanted_python}"
    if not shutil.which(base):
        raise Unavailable(f"{base} is not installed")
    python = home / "bin" / "python"
    _try([base, "-m", "venv", str(home)], "the environment cannot be made")
    wanted = [requirement.format(version=version) for requirement in REQUIREMENTS]
    _try(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], "pip failed"
    )
    _try(
        [str(python), "-c", "import bpy"],
        f"bpy does not start without {GRAPHICS_LIBRARIES} {WINDOW_LIBRARIES}",
    )


def _try(command: list[str], complaint: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, env=clean_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{complaint} within {INSTALL_S} s") from error
    if done.returncode:
        raise Unavailable(f"{complaint}: {(done.stderr or done.stdout).strip()[-1000:]}")
