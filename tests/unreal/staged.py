"""The plugin's engine-free half, imported from a staged copy: no engine, and none pretended."""

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "unreal_plugin" / "Framebridge" / "Content" / "Python" / "framebridge_unreal"
VENDORED = ("__init__.py", "errors.py", "protocol", "client", "host")
NAME = "framebridge_core"
"""Not ``framebridge_unreal``: that one's ``__init__`` wants an engine."""


def import_core(folder: Path) -> Callable[[str], ModuleType]:
    """Return what imports a module of the plugin, as in ``core.studio``."""
    package = folder / NAME
    if not package.exists():
        shutil.copytree(SOURCES, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / "_bridge").mkdir(exist_ok=True)
        for name in VENDORED:
            source = ROOT / "bridge" / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, package / "_bridge" / name)
    module = sys.modules[NAME] = ModuleType(NAME)
    module.__path__ = [str(package)]
    return lambda name: importlib.import_module(f"{NAME}.{name}")
