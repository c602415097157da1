"""Try the plugin in this editor, and say which part of it works: for the user to run, since we could not.

In the editor's Python console: ``from framebridge_unreal import selftest; selftest.run()``. From a terminal::

    UnrealEditor PROJECT.uproject -ExecCmds="py from framebridge_unreal import selftest; selftest.run()"

Not as a commandlet: actors cannot be placed there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import unreal

from ._bridge.client import find_daemon
from ._bridge.errors import BridgeError
from ._bridge.host.png import png_of
from .api import NEEDED, OPTIONAL
from .core.editor import Source
from .host.editor import LOG, UnrealEditor
from .host.tab import PanelTab

SIDE = 128

Check = Callable[[UnrealEditor], str]


def run() -> dict[str, str]:
    """Run every check and write a table to the Output Log.

    Returns:
        What was checked → ``ok: …``, ``warning: …`` or ``FAILED: …``.
    """
    if "-run=" in str(unreal.SystemLibrary.get_command_line()):
        unreal.log_error(f"{LOG} The self-test needs the whole editor: start it with -ExecCmds.")
        return {"editor": "FAILED: this is a commandlet"}
    editor = UnrealEditor()
    found: dict[str, str] = {}
    for name, check in CHECKS.items():
        try:
            found[name] = check(editor)
        except BridgeError as error:
            found[name] = f"FAILED: {error.message} ({error.code}). {error.hint}"
        except Exception as error:  # whatever it is, the table is what the user wants to see
            found[name] = f"FAILED: {type(error).__name__}: {error}"
    width = max(map(len, found))
    for name, words in found.items():
        write = unreal.log_error if words.startswith("FAILED") else unreal.log
        write(f"{LOG} {name:<{width}}  {words}")
    return found


def missing_names(api: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names that this engine does not have."""
    missing = []
    for owner, members in api.items():
        found = getattr(unreal, owner, None)
        if found is None:
            missing.append(owner)
        else:
            missing += [f"{owner}.{member}" for member in members if not hasattr(found, member)]
    return missing


def _names(_editor: UnrealEditor) -> str:
    needed, optional = missing_names(NEEDED), missing_names(OPTIONAL)
    if needed:
        return f"FAILED: this engine lacks {', '.join(needed)}"
    if optional:
        return f"warning: this engine lacks {', '.join(optional)}, for which there are other ways"
    return "ok: all names are there"


def _panel(_editor: UnrealEditor) -> str:
    return "ok: as a tab" if PanelTab.is_possible() else "ok: as a dialog; tabs need Unreal 5.6"


def _view(editor: UnrealEditor) -> str:
    view = editor.eye.view(Source(longest_side=SIDE))
    tells = hasattr(unreal.LevelEditorSubsystem, "get_level_viewport_fov")
    way = "told by the engine" if tells else "as set in the panel, or that of a piloted camera"
    return f"ok: {view.width} × {view.height}, {view.field_of_view:g}° ({way})"


def _capture(editor: UnrealEditor) -> str:
    view = replace(editor.eye.view(Source(longest_side=SIDE)), width=SIDE, height=SIDE)
    files = editor.eye.capture(view, frozenset({"normal", "base_color"}))
    sizes = {"color": files.color, "depth": files.depth, "normal": files.normal or b""}
    return "ok: " + ", ".join(f"{name} {len(data) / 1000:.0f} kB" for name, data in sizes.items())


def _import(editor: UnrealEditor) -> str:
    rows = b"".join(b"\0" + bytes((row, 255 - row, 128)) * 16 for row in range(16))
    png = png_of(16, 16, rows)
    asset = editor.shelf.keep(png, "", "", "")
    try:
        if editor.shelf.picture(asset) != png:
            return "FAILED: the picture of a texture is not the one that was imported"
    finally:
        editor.shelf.delete(asset)
    return "ok: a texture was imported, read back and deleted"


def _sequences(editor: UnrealEditor) -> str:
    if not hasattr(unreal, "MoviePipelineQueueSubsystem"):
        return "warning: Movie Render Queue is off; enable it under Edit ▸ Plugins to render sequences"
    return f"ok: Movie Render Queue is there; {len(editor.reel.sequences())} level sequences"


def _daemon(_editor: UnrealEditor) -> str:
    runtime = find_daemon()
    if runtime is None:
        return "warning: no daemon runs; start it with: framebridge serve"
    return f"ok: a daemon runs (process {runtime.pid})"


CHECKS: dict[str, Check] = {
    "names": _names,
    "panel": _panel,
    "viewport": _view,
    "capture": _capture,
    "import": _import,
    "sequences": _sequences,
    "daemon": _daemon,
}
"""In the order of the table."""
