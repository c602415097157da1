# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the client its ``websockets`` where Blender has not installed it; imported before the client is.

An extension (Blender 4.2 and later) gets it from the wheels that the manifest lists. A legacy add-on does
not, nor does an extension on a platform without a wheel, and another add-on may have brought one that is too
old. There, the pure-Python wheel that ships with the add-on is imported in place, as a module of the add-on's
own: other add-ons neither see nor lose a ``websockets``, and the search path stays as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import zipimport
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

MINIMUM_PYTHON = (3, 11)
MINIMUM_WEBSOCKETS = 15
WHEELS = Path(__file__).parent / "wheels"
OWN = f"{__package__}.websockets"
"""What the bundled package is called while it runs."""

NEEDED = ("asyncio.client", "exceptions")
"""The modules that the client imports from it."""

CLIENT = f"{__package__}._bridge.client"


def provide_websockets() -> None:
    """Let the client be imported, with the ``websockets`` that is there or else with the bundled one.

    Raises:
        ImportError: Which Blender shows as one sentence, without a traceback.
    """
    if sys.version_info < MINIMUM_PYTHON:
        refuse(
            "Framebridge needs Python 3.11, which comes with Blender 4.1 and later; "
            f"this Blender has Python {sys.version_info[0]}.{sys.version_info[1]}"
        )
    if CLIENT in sys.modules or _is_usable():
        return
    wheel = next(WHEELS.glob("websockets-*-py3-none-any.whl"), None)
    if wheel is None:
        refuse(
            "Framebridge comes without its WebSocket library; "
            'install the zip that "framebridge package blender" writes'
        )
    try:
        _import_bundled(wheel)
    except (ImportError, EOFError, zlib.error):
        refuse(f"Framebridge's {wheel.name} is damaged; install Framebridge again")
    with _named_websockets():
        importlib.import_module(CLIENT)


def refuse(sentence: str) -> NoReturn:
    """Keep the add-on from being enabled, and say why: on the console and, where there is one, in a window.

    Blender prints an ``ImportError`` that names the add-on itself without a traceback, and shows nothing.

    Raises:
        ImportError: Always.
    """
    _show(sentence)
    raise ImportError(sentence, name=__package__)


def _is_usable() -> bool:
    """Say whether the ``websockets`` of this Blender is one that the client can work with."""
    try:
        version = importlib.import_module("websockets.version").version
        for name in NEEDED:
            importlib.import_module(f"websockets.{name}")
    except (ImportError, AttributeError):  # none, or one that another add-on changed or cut down
        return False
    major = re.match(r"\d+", str(version))
    return major is not None and int(major[0]) >= MINIMUM_WEBSOCKETS


def _import_bundled(wheel: Path) -> None:
    specification = zipimport.zipimporter(str(wheel)).find_spec(OWN)
    if specification is None or specification.loader is None:
        raise ImportError(f"{wheel} holds no websockets")
    package = importlib.util.module_from_spec(specification)
    sys.modules[OWN] = package
    specification.loader.exec_module(package)
    for name in NEEDED:
        importlib.import_module(f"{OWN}.{name}")


@contextmanager
def _named_websockets() -> Iterator[None]:
    """Have the bundled package answer to its public name, for as long as it takes to import the client."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_within(name, "websockets")}
    ours = {
        name.removeprefix(f"{__package__}."): module
        for name, module in sys.modules.items()
        if _is_within(name, OWN)
    }
    try:
        sys.modules.update(ours)
        yield
    finally:
        for name in ours:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _show(sentence: str) -> None:
    try:
        import bpy  # here: the rest of this module works, and is tested, without Blender
    except ImportError:
        return
    if bpy.app.background:
        return

    def popup() -> None:
        bpy.context.window_manager.popup_menu(
            lambda menu, context: menu.layout.label(text=sentence), title="Framebridge", icon="ERROR"
        )

    bpy.app.timers.register(popup, first_interval=0.1)  # a module may not touch windows while it is imported


provide_websockets()
