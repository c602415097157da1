"""``framebridge package``: the add-ons as users and web servers take them."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from bridge.cli.console import Console
from bridge.packaging import Package, package_blender, package_unreal

BLENDER_USE = """\
To install it: Blender, Edit ▸ Preferences ▸ Get Extensions ▸ ▾ ▸ Install from Disk. In Blender before 4.2:
Edit ▸ Preferences ▸ Add-ons ▸ Install.
To have Blender update it: put both files into one folder of any web server; then Preferences ▸
Get Extensions ▸ Repositories ▸ + ▸ Add Remote Repository, with the address of index.json."""

UNREAL_USE = """\
To install it: unpack it into the Plugins folder of a project (PROJECT/Plugins/Framebridge), open the project,
and enable Framebridge under Edit ▸ Plugins. The panel is in the menu Framebridge."""


def blender(out: Path, as_json: bool) -> None:
    """Write the Blender add-on and its repository listing, and print what was written and checked.

    Raises:
        BridgeError: What stood in the way; an earlier release in the folder is still whole.
    """
    _tell(package_blender(out.absolute()), BLENDER_USE, as_json)


def unreal(out: Path, as_json: bool) -> None:
    """Write the Unreal plugin, and print what was written and checked.

    Raises:
        BridgeError: As ``blender``.
    """
    _tell(package_unreal(out.absolute()), UNREAL_USE, as_json)


def _tell(package: Package, use: str, as_json: bool) -> None:
    if as_json:
        files = {"archive": package.archive, "index": package.index}
        paths = {name: str(file) for name, file in files.items() if file is not None}
        print(json.dumps(asdict(package) | {"index": None} | paths, indent=2))
    else:
        _print(package, use)


def _print(package: Package, use: str) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"wrote {package.archive} (sha256 {package.sha256})", markup=False)
    if package.index is not None:
        console.print(f"wrote {package.index}", markup=False)
    table = Table("check", "", "found", box=None, padding=(0, 2, 0, 0))
    for check in package.checks:
        table.add_row(check.name, "ok" if check.was_run else "not run", check.finding)
    console.print(table)
    console.print(use, markup=False)
