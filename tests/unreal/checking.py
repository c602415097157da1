"""Type-check the plugin, as it ships, against an engine's API."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bridge.packaging import stage_unreal

from .cutting import cut, used_names
from .facts import Stub
from .stubs import ensure_stub

NAME = "framebridge_unreal"
START = "init_unreal"
"""What the editor runs when it starts."""

CHECK_S = 240

_CONFIG = """\
[mypy]
strict = True
warn_unreachable = True
python_version = 3.11
mypy_path = {paths}
cache_dir = {cache}
show_error_codes = True
no_error_summary = True
[mypy-unreal]
disable_error_code = override
[mypy-framebridge_unreal._bridge.*]
follow_imports = silent
"""
_FINDING = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): (?:error|note): (?P<words>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """What mypy says: the file within the plugin, and its words."""

    file: str
    line: int
    words: str


def stage(folder: Path) -> Path:
    """Assemble the plugin as it ships; return its Python package."""
    return stage_unreal(folder) / "Content" / "Python" / NAME


def sources(package: Path) -> list[Path]:
    """Return the files of the plugin that are its own."""
    found = (file for file in package.rglob("*.py") if "_bridge" not in file.parts)
    return sorted([*found, *package.parent.glob(f"{START}.py")])


def cut_for(package: Path, engine: str, folder: Path) -> set[str]:
    """Write the stubs that a package needs; return the names that the engine does not have.

    Raises:
        Unavailable: If there is no stub of this engine.
    """
    text, missing = cut(Stub(ensure_stub(engine), engine), *used_names(sources(package)))
    (folder / "unreal").mkdir(parents=True, exist_ok=True)
    (folder / "unreal" / "__init__.pyi").write_text(text, encoding="utf-8")
    return missing


def check(package: Path, typings: Path, cache: Path) -> list[Finding]:
    """Run mypy, strict, and return what it finds in the plugin's own files."""
    config = typings / "mypy.ini"
    config.write_text(_CONFIG.format(paths=f"{typings}:{package.parent}", cache=cache))
    started = ["-m", START] if (package.parent / f"{START}.py").exists() else []
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(config), "-p", NAME, *started],
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        cwd=package.parent,
    )
    if done.returncode not in (0, 1) or done.stderr.strip():
        raise RuntimeError(f"mypy could not run: {(done.stderr + done.stdout)[-2000:]}")
    return [
        Finding(found["file"].split(f"{NAME}/", 1)[-1], int(found["line"]), found["words"])
        for found in _FINDING.finditer(done.stdout)
    ]
