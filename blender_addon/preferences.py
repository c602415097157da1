# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which daemon, and how it is started."""

from urllib.parse import urlsplit

import bpy
from bpy.props import BoolProperty, StringProperty

from ._bridge.client import Locator, parse_address
from ._bridge.errors import BridgeError
from ._bridge.host import daemon_choice
from ._bridge.host.daemon_choice import DaemonChoice


class Preferences(bpy.types.AddonPreferences):
    """What holds for all files of this user."""

    bl_idname = __package__

    address: StringProperty(
        name="Address",
        description=daemon_choice.ADDRESS,
    )
    token: StringProperty(
        name="Token",
        description=daemon_choice.TOKEN,
        subtype="PASSWORD",
    )
    starts_daemon: BoolProperty(
        name="Start the Daemon When Needed",
        description=daemon_choice.STARTS_DAEMON,
        default=True,
    )
    program: StringProperty(
        name="Program",
        description=daemon_choice.PROGRAM,
        subtype="FILE_PATH",
    )
    arguments: StringProperty(
        name="Arguments",
        description=daemon_choice.ARGUMENTS,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the preferences."""
        layout = self.layout
        layout.use_property_split = True
        column = layout.column(heading="Daemon")
        column.prop(self, "starts_daemon")
        column.prop(self, "program")
        column.prop(self, "arguments")
        column = layout.column()
        column.prop(self, "address")
        column.prop(self, "token")
        if not may_go_online():
            note = layout.column()
            note.active = False
            note.label(text="Online Access is off: only a daemon on this machine is talked to (loopback).")


def locator(starts_daemon: bool) -> Locator:
    """Return how to find the daemon, as the preferences say.

    Args:
        starts_daemon: Whether it may be started, if the preferences allow it, too.

    Raises:
        BridgeError: ``bad_address``; ``offline`` for a daemon elsewhere while Online Access is off;
            ``daemon_not_found`` if the program is none.
    """
    chosen = _preferences()
    if chosen is None:
        return Locator(starts_daemon=starts_daemon)
    if chosen.address.strip():
        _check_online(chosen.address)
    program = bpy.path.abspath(chosen.program) if chosen.program.startswith("//") else chosen.program
    choice = DaemonChoice(chosen.address, chosen.token, chosen.starts_daemon, program, chosen.arguments)
    return choice.locator(starts_daemon)


def starts_daemon() -> bool:
    """Tell whether asking for a picture starts a daemon where none runs."""
    chosen = _preferences()
    return chosen is None or (chosen.starts_daemon and not chosen.address.strip())


def may_go_online() -> bool:
    """Tell whether the user lets Blender reach beyond this machine."""
    return getattr(bpy.app, "online_access", True)  # Blender 4.2 and later


def _preferences() -> Preferences | None:
    """Return the preferences; none while the package is imported without being enabled."""
    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def _check_online(address: str) -> None:
    host = urlsplit(parse_address(address)).hostname or ""
    if host not in ("127.0.0.1", "::1") and not may_go_online():
        raise BridgeError(
            f"the daemon at {host} is not on this machine, and Online Access is off",
            code="offline",
            hint="Allow Online Access in Preferences > System, or leave the address empty: a daemon on this "
            "machine (loopback) needs no Online Access.",
        )
