"""Put the host add-ons together: their own sources, and the part of Framebridge that they carry.

A host imports neither pip packages nor a global ``bridge``; so an add-on carries ``errors``, ``protocol``
and ``client`` as a private subpackage, ``_bridge``.
"""

import shutil
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
"""The installed ``bridge`` package."""

VENDORED = ("__init__.py", "errors.py", "protocol", "client")
"""What an add-on carries of it; these import each other relatively and need ``websockets`` only."""

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def stage_blender(target: Path) -> Path:
    """Assemble the Blender add-on as it ships, in ``target/framebridge``; what was there is replaced.

    Returns:
        The add-on's folder: a Python package, an extension's source, and a legacy add-on at once.

    Raises:
        FileNotFoundError: If the add-on's sources came neither with the package nor with a checkout.
    """
    addon = target / "framebridge"
    if addon.exists():
        shutil.rmtree(addon)
    shutil.copytree(_sources("blender_addon"), addon, ignore=_IGNORED)
    _vendor(addon / "_bridge")
    return addon


def _vendor(target: Path) -> None:
    target.mkdir()
    for name in VENDORED:
        source = PACKAGE / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_IGNORED)
        else:
            shutil.copy(source, target / name)
    shutil.copy(_sources("LICENSE"), target / "LICENSE")


def _sources(name: str) -> Path:
    """Find what lies beside ``bridge`` in a checkout, and in ``bridge/_addons`` in a wheel."""
    for folder in (PACKAGE / "_addons", PACKAGE.parent):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} came neither with the package nor with a checkout of Framebridge")
