"""Finding packs and bringing their nodes: folders that the user named, and packages that pip installed.

1. A folder is a pack if it has an ``__init__.py``; otherwise each folder and each ``.py`` file in it is one.
   What begins with a dot or an underscore, or ends with ``.disabled``, is none; a folder of Python without
   ``__init__.py`` is reported, and one of data passed over.
2. A package is a pack if it has an entry point of the group ``framebridge.nodes``: its name is the pack's,
   its value a module. Whoever ran pip has agreed to its code; ``without_packs`` leaves it out all the same,
   and no folder of that name.
3. Packs are imported one by one. What one raises, ``KeyboardInterrupt`` included, is its own failure, and
   no other's. One that takes the whole process along, or so long that it is killed, is left out by the worker
   that comes after (``_Marker``); one that takes long is named in the log.
4. A name of ours is never taken over, nor that of a pack that came earlier.
"""

import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from bridge.diffusion import import_libraries
from bridge.engine import PACK_GROUP
from bridge.errors import sound
from bridge.graph import Failure, NodeFunction, Registry
from bridge.packs.contents import folders_of, functions_of
from bridge.packs.installing import install
from bridge.packs.offline import without_package_index
from bridge.packs.reasons import reason_missing

log = logging.getLogger(__name__)

SLOW_S = 30.0
"""After how long the log says which pack is still being imported."""


@dataclass(slots=True)
class Packs:
    """What the packs brought.

    Args:
        functions: Their nodes.
        failures: What is missing, and why.
        folders: Name of a pack → where its scripts, texts and examples lie; see ``NodeLibrary``.
    """

    functions: list[NodeFunction] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    folders: dict[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A pack that is there: a path, or an entry point."""

    name: str
    source: Path | importlib.metadata.EntryPoint

    @property
    def is_installed(self) -> bool:
        """Whether pip brought it."""
        return isinstance(self.source, importlib.metadata.EntryPoint)


def load_packs(settings: Mapping[str, Any], ours: Registry) -> Packs:
    """Load the packs that the user wants.

    Args:
        settings: ``custom_nodes`` (folders), ``without_packs`` (names, of those from pip), and what
            ``folder_paths`` tells.
        ours: The nodes that are there already.
    """
    packs = Packs()
    found = list(_found(settings, packs))
    if not found:
        return packs
    import_libraries()  # before a pack can put another in the place of ours
    install(settings, ours)
    marker = _Marker(Path(settings.get("temp") or "."))
    taken = dict.fromkeys(ours, "Framebridge")
    for pack in found:
        if blame := marker.blame(pack.name):
            packs.failures.append(Failure(pack.name, blame))
            continue
        try:
            with marker.importing(pack.name), without_package_index():
                module = _imported(pack)
                functions, broken = functions_of(module, pack.name, is_installed=pack.is_installed)
                folders = folders_of(module)
        except BaseException as error:  # a pack's code; the worker gets no Ctrl-C
            log.exception("the pack %s cannot be loaded", pack.name)
            packs.failures.append(Failure(pack.name, reason_missing(error)))
            continue
        packs.failures.extend(broken)
        packs.folders[pack.name] = folders
        for function in functions:
            _add(packs, function, pack.name, taken)
    return packs


def _add(packs: Packs, function: NodeFunction, pack: str, taken: dict[str, str]) -> None:
    name = function.definition.name
    if name in taken:
        packs.failures.append(Failure(f"{pack}: {name}", f"{taken[name]} has a node of this name"))
    else:
        taken[name] = f"the pack {pack}"
        packs.functions.append(function)


def _found(settings: Mapping[str, Any], packs: Packs) -> Iterator[_Found]:
    for folder in settings.get("custom_nodes") or ():
        paths = list(_packs_in(Path(folder)))
        strays = list(_strays_in(Path(folder))) if Path(folder) not in paths else []
        packs.failures.extend(strays)
        if not paths and not strays:
            packs.failures.append(Failure(sound(str(folder)), "there is no pack of nodes in this folder"))
        for path in paths:
            yield _Found(sound(path.stem), path)
    without = set(settings.get("without_packs") or ())
    for entry in sorted(importlib.metadata.entry_points(group=PACK_GROUP), key=lambda entry: entry.name):
        if entry.name not in without:
            yield _Found(entry.name, entry)


def _packs_in(folder: Path) -> Iterator[Path]:
    """Yield the packs of a folder (rule 1), in the order of their names."""
    if (folder / "__init__.py").is_file() or folder.suffix == ".py":
        yield folder
        return
    for path in _visible_in(folder):
        if path.suffix == ".py" or (path / "__init__.py").is_file():
            yield path


def _strays_in(folder: Path) -> Iterator[Failure]:
    """Yield what looks like a pack and is none: it lies one folder deeper, or is unfinished."""
    for path in _visible_in(folder):
        if not path.is_dir() or path.suffix == ".py" or (path / "__init__.py").exists():
            continue
        inner = next((each.parent.name for each in sorted(path.glob("[!._]*/__init__.py"))), None)
        if inner is not None or any(path.glob("*.py")):
            hint = f"; is {inner}, in it, the pack?" if inner else ""
            yield Failure(sound(path.name), sound(f"it has no __init__.py{hint}"))


def _visible_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith((".", "_")) and path.suffix != ".disabled":
            yield path


def _imported(pack: _Found) -> ModuleType:
    if isinstance(pack.source, importlib.metadata.EntryPoint):
        module = pack.source.load()
        if not isinstance(module, ModuleType):
            raise TypeError(f"the entry point {pack.name} leads to {type(module).__name__}, not to a module")
        return module
    path = pack.source.resolve()
    name = "custom_nodes." + "".join(c if c.isalnum() or c in "_-" else "_" for c in pack.name)
    is_folder = path.is_dir()
    spec = importlib.util.spec_from_file_location(
        name,
        path / "__init__.py" if is_folder else path,
        submodule_search_locations=[str(path)] if is_folder else None,
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _Marker:
    """A file that names the pack being imported, so that one which ends the process is known (rule 3).

    It belongs to the worker's parent, the daemon: another daemon tries again.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"importing-pack.{os.getppid()}"
        self._lock = threading.Lock()
        self._importing = ""
        self._has_imported = False
        try:
            self._blamed: dict[str, str] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._blamed = {}

    def blame(self, pack: str) -> str:
        """Say how a worker ended while it imported this pack; empty if none did."""
        return self._blamed.get(pack, "")

    @contextmanager
    def importing(self, pack: str) -> Iterator[None]:
        """Note that a pack is being imported, if that takes long, and that it was survived."""
        slow = threading.Timer(SLOW_S, self._tell_slow, [pack])
        slow.daemon = True
        with self._lock:
            self._importing = pack
            others = ", perhaps of one before it" if self._has_imported else ""
            self._write({**self._blamed, pack: f"the worker died while this pack was imported{others}"})
        slow.start()
        try:
            yield
        finally:
            slow.cancel()
            with self._lock:
                self._importing = ""
                self._has_imported = True
                self._write(self._blamed)

    def _tell_slow(self, pack: str) -> None:
        """Tell which pack it is that takes so long; nothing can end it but the end of the worker."""
        late = f"it did not finish importing: it was still at it after {SLOW_S:g} s, until the worker ended"
        with self._lock:
            if self._importing == pack:
                self._write({**self._blamed, pack: late})
        log.warning("still importing the pack %s after %g s", pack, SLOW_S)

    def _write(self, blamed: Mapping[str, str]) -> None:
        try:
            if not blamed:
                self._file.unlink(missing_ok=True)
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(blamed), encoding="utf-8")
        except OSError as error:  # then a pack that ends the process does so again
            log.warning("%s cannot be written: %s", self._file, error)
