"""The parity weights, made once for each version of what describes them."""

import hashlib
import importlib
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

HERE = Path(__file__).parent
SOURCES = ("make_weights.py", "make_loras.py", *sorted(file.name for file in HERE.glob("*_shapes.json")))
SMALL = (
    "make_steering",
    "make_transformers",
    "make_pixart",
    "make_control_lora",
    "make_style",
    "make_controls",
)
"""What writes small files beside the others, made anew by themselves."""

sys.path.append(str(HERE))


@pytest.fixture(scope="session")
def parity_models() -> Path:
    """A model folder with the parity checkpoints, ControlNet and LoRAs."""
    version = _version(SOURCES)
    cache = user_cache_path("framebridge", appauthor=False) / "parity"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / version
    with FileLock(cache / "lock"):
        if not folder.exists():
            partial = cache / f"{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _run("make_weights", partial)
            _run("make_loras", partial)
            partial.rename(folder)
            for old in cache.iterdir():
                if old.is_dir() and old != folder:
                    shutil.rmtree(old)
        for name in SMALL:
            stamp = folder / f"{name.removeprefix('make_')}-{_version((f'{name}.py', 'drawn.py'))}"
            if not stamp.exists():
                _run(name, folder)
                stamp.touch()
    return folder


def _version(sources: tuple[str, ...]) -> str:
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in sources)).hexdigest()[:16]


def _run(script: str, folder: Path) -> None:
    getattr(importlib.import_module(script), script)(folder)
