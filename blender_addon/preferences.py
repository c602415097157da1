# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which daemon, and how it is started."""

import shlex
from pathlib import Path
from urllib.parse import urlsplit

import bpy
from bpy.props import BoolProperty, StringProperty

from ._bridge.client import Locator, default_command, parse_address
from ._bridge.errors import BridgeError


class Preferences(bpy.types.AddonPreferences):
    """What holds for all files of this user."""

    bl_idname = __package__

    address: StringProperty(
        name="Address",
        description="Of a daemon elsewhere, as in 192.168.0.7:8189; empty for the one on this machine",
    )
    token: StringProperty(
        name="Token",
        description="That the daemon asks for; empty for the one of your own daemon",
        subtype="PASSWORD",
    )
    starts_daemon: BoolProperty(
        name="Start the Daemon When Needed",
        description="Start the daemon on this machine when a picture is asked for and none runs",
        default=True,
    )
    program: StringProperty(
        name="Program",
        description="The framebridge command, or the Python that Framebridge is installed in; "
        "empty to look for framebridge on the path",
        subtype="FILE_PATH",
    )
    arguments: StringProperty(
        name="Arguments",
        description="Added when the daemon is started, as in --models ~/ComfyUI --device cuda",
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
    address, may_start = chosen.address.strip(), starts_daemon and chosen.starts_daemon
    command = _command(chosen.program.strip(), chosen.arguments) if may_start and not address else None
    return Locator(address, _checked_token(chosen.token), may_start, command)


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


def _checked_token(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise BridgeError(
            "the token holds what no token has, such as a line break",
            code="bad_token",
            hint="Copy it again from the other daemon, or empty it in the add-on's preferences.",
        )
    return token.strip()


def _command(program: str, arguments: str) -> list[str] | None:
    """Return how to start the daemon; ``None`` to look for it."""
    try:
        extra = shlex.split(arguments)
    except ValueError as error:
        raise BridgeError(
            f"the daemon's arguments cannot be read: {error}",
            code="bad_arguments",
            hint="Close the quotes in the add-on's preferences.",
        ) from error
    if not program:
        return [*default_command(), *extra] if extra else None
    try:
        path = Path(bpy.path.abspath(program)).expanduser()
        is_program = path.is_file()
    except (OSError, RuntimeError):  # too long a name, an unknown user, a folder that may not be searched
        path, is_program = Path(program), False
    if not is_program:
        raise BridgeError(
            f"{path} is not a program",
            code="daemon_not_found",
            hint="Choose the framebridge command, or its Python, in the add-on's preferences.",
        )
    is_python = path.stem.lower().startswith("python")
    return [str(path), *(["-m", "bridge"] if is_python else []), "serve", *extra]
