"""``framebridge packs``: the packs of nodes that pip has installed, and switching them on and off."""

import json
from dataclasses import asdict

from bridge.cli.console import Console
from bridge.daemon import installed_packs, switch_pack


def list_packs(as_json: bool) -> None:
    """Print the packs that are there."""
    packs = installed_packs()
    if as_json:
        print(json.dumps([asdict(pack) for pack in packs], indent=2))
        return
    console = Console(highlight=False)
    for pack in packs:
        state = "off" if pack.is_off else "on"
        console.print(f"{pack.name}  {state}  ({pack.package} {pack.version})", markup=False)
    if not packs:
        console.print("no pack of nodes is installed; folders of nodes: framebridge serve --custom-nodes DIR")


def switch(name: str, on: bool) -> None:
    """Switch a pack on or off, from the next start of the daemon on."""
    switch_pack(name, on=on)
    state = "on" if on else "off"
    Console(highlight=False).print(f"{name} is {state}; a running daemon takes note when it starts again")
