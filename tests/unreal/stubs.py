"""The engine's own description of its Python API: stubs that Unreal generates, fetched by name.

They lie in the user's cache folder, or in ``FRAMEBRIDGE_UNREAL_DIR``: ``5.6.0/unreal/unreal.py``. They are
Epic's, so none of their text is kept here, and they are read, never imported: one does not even parse.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

PACKAGE = "unreal-stub"
ENGINES = {"5.5.4": "0.2.1", "5.6.0": "0.3"}
"""Version of the package that was made by each engine, by the engine's version."""

OLDEST, NEWEST = min(ENGINES), max(ENGINES)
FETCH_S = 300


class Unavailable(Exception):
    """Stubs that cannot be had here."""


def ensure_stub(engine: str) -> Path:
    """Return the stub of an engine, which is fetched if it is not there.

    Raises:
        Unavailable: With the reason.
    """
    root = Path(os.environ.get("FRAMEBRIDGE_UNREAL_DIR") or Path(user_cache_dir("framebridge")) / "unreal")
    home = root / engine
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{engine}.lock", timeout=FETCH_S):
        if not home.exists():
            building = root / f"{engine}.building"
            shutil.rmtree(building, ignore_errors=True)
            _fetch(ENGINES[engine], building)
            building.rename(home)
    return home / "unreal" / "unreal.py"


def _fetch(version: str, folder: Path) -> None:
    wanted = f"{PACKAGE}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, "--dest", str(folder), wanted], capture_output=True, text=True, timeout=FETCH_S
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{wanted} could not be fetched within {FETCH_S} s") from error
    if done.returncode:
        raise Unavailable(f"{wanted} could not be fetched: {(done.stderr or done.stdout).strip()[-600:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("unreal/unreal.py", folder)
    wheel.unlink()
