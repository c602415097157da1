"""The parity weights, made once for each version of what describes them."""

import hashlib
import importlib.util
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

HERE = Path(__file__).parent
SOURCES = ("make_weights.py", *sorted(file.name for file in HERE.glob("*_shapes.json")))


@pytest.fixture(scope="session")
def parity_models() -> Path:
    """A model folder with the parity checkpoint and ControlNet."""
    version = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()[:16]
    cache = user_cache_path("framebridge", appauthor=False) / "parity"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / version
    with FileLock(cache / "lock"):
        if not folder.exists():
            partial = cache / f"{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _make_weights(partial)
            partial.rename(folder)
            for old in cache.iterdir():
                if old.is_dir() and old != folder:
                    shutil.rmtree(old)
    return folder


def _make_weights(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_weights", HERE / "make_weights.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make_weights(folder)
