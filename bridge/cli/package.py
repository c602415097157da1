"""``framebridge package``: the add-ons as users and web servers take them."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bridge.packaging import Package, package_blender

USE = """\
To install it: Blender, Edit ▸ Preferences ▸ Get Extensions ▸ ▾ ▸ Install from Disk. In Blender before 4.2:
Edit ▸ Preferences ▸ Add-ons ▸ Install.
To have Blender update it: put both files into one folder of any web server; then Preferences ▸
Get Extensions ▸ Repositories ▸ + ▸ Add Remote Repository, with the address of index.json."""


def blender(out: Path, as_json: bool) -> None:
    """Write the Blender add-on and its repository listing, and print what was written and checked.

    Raises:
        BridgeError: What stood in the way; an earlier release in the folder is still whole.
    """
    package = package_blender(out.absolute())
    if as_json:
        paths = {"archive": str(package.archive), "index": str(package.index)}
        print(json.dumps(asdict(package) | paths, indent=2))
    else:
        _print(package)


def _print(package: Package) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"wrote {package.archive} (sha256 {package.sha256})", markup=False)
    console.print(f"wrote {package.index}", markup=False)
    table = Table("check", "", "found", box=None, padding=(0, 2, 0, 0))
    for check in package.checks:
        table.add_row(check.name, "ok" if check.was_run else "not run", check.finding)
    console.print(table)
    console.print(USE, markup=False)
