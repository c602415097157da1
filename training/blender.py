"""Find or make a Python that has Blender (bpy), and run scene scripts in it."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_dir

from training.errors import TrainingError

BPY = "bpy==5.0.1"
PYTHON = (3, 11)
FOLDER_VARIABLE = "FRAMEBRIDGE_BPY_DIR"
"""Environment variable naming a folder of ``bpy-<version>`` environments, as the add-on's tests use it."""

_INSTALL_HINT = (
    f"Set {FOLDER_VARIABLE} to a folder with an environment bpy-<version>, made with Python 3.11: "
    f'python3.11 -m venv bpy-5.0.1 && bpy-5.0.1/bin/pip install "{BPY}"'
)


def find_blender(work: Path) -> Path:
    """Return a Python executable that can import bpy; make an environment under ``work`` if there is none.

    Raises:
        TrainingError: None was found and none could be installed.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    for folder in (Path(named or user_cache_dir("framebridge")), work):
        for python in sorted(folder.glob("bpy-*/bin/python"), reverse=True):
            if _imports_bpy(python):
                return python
    if named:
        raise TrainingError(f"no working bpy environment in {named}", _INSTALL_HINT)
    return _install(work / BPY.replace("==", "-"))


def run_in_blender(python: Path, module: str, arguments: Sequence[str]) -> None:
    """Run a module of this package inside a bpy Python.

    Raises:
        TrainingError: It failed; the end of what it said is in the message.
    """
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [str(python), "-m", module, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise TrainingError(
            f"{module} failed in {python}: {said}", "Run the command by hand to see all it says."
        )
    print(done.stdout, end="", file=sys.stderr, flush=True)


def _imports_bpy(python: Path) -> bool:
    command = [str(python), "-c", "import bpy"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _install(folder: Path) -> Path:
    if sys.version_info[:2] != PYTHON:
        raise TrainingError("bpy is not installed, and this Python cannot install it", _INSTALL_HINT)
    print(f"installing {BPY} into {folder} (1 GB, once)", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", BPY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not _imports_bpy(python):
        raise TrainingError(f"bpy could not be installed: {done.stderr.strip()[-300:]}", _INSTALL_HINT)
    return python
