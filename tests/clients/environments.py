"""Environments of clients, apart from ours: one a list of requirements, made once and kept.

They lie in the user's cache folder, or in ``FRAMEBRIDGE_CLIENTS_DIR``. What is pinned in the lists is
installed as it is published; nothing of it is shared with our own environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

HERE = Path(__file__).parent
INSTALL_S = 900


def ensure_environment(requirements: str) -> Path:
    """Return the Python of an environment with a list of requirements, made if there is none.

    Args:
        requirements: The list's name in this folder.

    Raises:
        RuntimeError: With what pip says.
    """
    file = HERE / requirements
    digest = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()[:12]
    root = Path(os.environ.get("FRAMEBRIDGE_CLIENTS_DIR") or user_cache_dir("framebridge"))
    root.mkdir(parents=True, exist_ok=True)
    home = root / f"clients-{digest}"
    with FileLock(f"{home}.lock", timeout=INSTALL_S):
        if not home.exists():
            building = root / f"clients-{digest}.building"
            shutil.rmtree(building, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(building))
            pip = (str(building / "bin" / "python"), "-m", "pip", "install", "--quiet")
            _run(*pip, "--disable-pip-version-check", "-r", str(file))
            building.rename(home)
    return home / "bin" / "python"


def clean_environment() -> dict[str, str]:
    """Return the variables of this process without those that would steer another Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_"))}


def _run(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_S, env=clean_environment(), check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-1000:]}")
