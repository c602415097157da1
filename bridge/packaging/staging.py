"""Put the host add-ons together: their own sources, and the part of Framebridge that they carry.

A host imports neither pip packages nor a global ``bridge``; so an add-on carries ``errors``, ``protocol``
and ``client`` as a private subpackage, ``_bridge``, and the wheels of ``websockets``, which these need.
"""

import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from bridge.errors import BridgeError

PACKAGE = Path(__file__).resolve().parents[1]
"""The installed ``bridge`` package."""

VENDORED = ("__init__.py", "errors.py", "protocol", "client", "host")
"""What an add-on carries of it; these import each other relatively and need ``websockets`` only."""

PURE = "py3-none-any.whl"
"""How the name of a wheel ends that runs on every platform, slower."""

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
_TABLE = re.compile(r"^\[", re.MULTILINE)


def stage_blender(target: Path, wheels: Iterable[Path] = ()) -> Path:
    """Assemble the Blender add-on as it ships, in ``target/framebridge``; what was there is replaced.

    Blender installs those wheels of the manifest that name its platform and its Python. Of several that fit
    it takes the one whose file name sorts last, and ``py3`` sorts after ``cp311``. So a pure wheel in the
    list would always win over a binary one: it ships unlisted, and the add-on's ``legacy`` module imports it
    where Blender has installed none. The Pythons that the list names are also the only ones that Blender
    takes the extension on; hence the wheels for those that only Linux distributions build Blender with.

    Args:
        target: A folder.
        wheels: What to bundle; without any, the add-on runs where ``websockets`` can be imported.

    Returns:
        The add-on's folder: a Python package, an extension's source, and a legacy add-on at once.

    Raises:
        BridgeError: ``sources_missing`` if they came neither with the package nor with a checkout.
    """
    addon = target / "framebridge"
    if addon.exists():
        shutil.rmtree(addon)
    shutil.copytree(addon_sources("blender_addon"), addon, ignore=_IGNORED)
    _vendor(addon / "_bridge")
    for wheel in (bundled := list(wheels)):
        shutil.copy(wheel, addon / "wheels" / wheel.name)
    _list_wheels(addon / "blender_manifest.toml", [wheel.name for wheel in bundled])
    return addon


def stage_unreal(target: Path, wheels: Iterable[Path] = ()) -> Path:
    """Assemble the Unreal plugin as it ships, in ``target/Framebridge``; what was there is replaced.

    The engine adds ``Content/Python/Lib/site-packages`` to its Python's path, so ``websockets`` lies there,
    unpacked from its pure wheel: the editor needs no pip, and one plugin serves every platform.

    Args:
        target: A folder.
        wheels: What to unpack; without any, the plugin runs where ``websockets`` can be imported.

    Returns:
        The plugin's folder.

    Raises:
        BridgeError: ``sources_missing`` if they came neither with the package nor with a checkout.
    """
    plugin = target / "Framebridge"
    if plugin.exists():
        shutil.rmtree(plugin)
    shutil.copytree(addon_sources("unreal_plugin") / "Framebridge", plugin, ignore=_IGNORED)
    python = plugin / "Content" / "Python"
    _vendor(python / "framebridge_unreal" / "_bridge")
    shutil.copy(addon_sources("LICENSE"), plugin / "LICENSE")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(python / "Lib" / "site-packages")
    return plugin


def addon_sources(name: str) -> Path:
    """Find what lies beside ``bridge`` in a checkout, and in ``bridge/_addons`` in a wheel.

    Raises:
        BridgeError: ``sources_missing``.
    """
    for folder in (PACKAGE / "_addons", PACKAGE.parent):
        if (folder / name).exists():
            return folder / name
    raise BridgeError(
        f"{name} came neither with the package nor with a checkout of Framebridge",
        code="sources_missing",
        hint="Install Framebridge again.",
    )


def _vendor(target: Path) -> None:
    target.mkdir()
    for name in VENDORED:
        source = PACKAGE / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_IGNORED)
        else:
            shutil.copy(source, target / name)
    shutil.copy(addon_sources("LICENSE"), target / "LICENSE")


def _list_wheels(manifest: Path, names: Iterable[str]) -> None:
    listed = [f'    "./wheels/{name}",\n' for name in sorted(names) if not name.endswith(PURE)]
    if not listed:
        return
    text = manifest.read_text(encoding="utf-8")
    first_table = match.start() if (match := _TABLE.search(text)) else len(text)
    entry = f"wheels = [\n{''.join(listed)}]\n\n"
    manifest.write_text(text[:first_table] + entry + text[first_table:], encoding="utf-8", newline="\n")
