# SPDX-License-Identifier: GPL-3.0-or-later
"""Add the add-on to Blender and take it away again: no timer, handler, thread or property stays."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import (
    changes,
    controls,
    grid_menus,
    menus,
    model_operators,
    model_panel,
    new_preset,
    object_operators,
    operators,
    panels,
    projection_operators,
    prompt_menus,
    prompt_operators,
    properties,
    quiet,
    scene_copy,
)
from .preferences import Preferences
from .report import problem_from
from .screens import shown_areas
from .studio import close_studio, studio

BUSY_S = 0.01
"""Between two ticks while something is under way."""

CALM_S = 0.2
"""While connected."""

ASLEEP_S = 1.0
"""While there is nothing but the panel."""

CLASSES = (
    Preferences,
    *operators.CLASSES,
    *object_operators.CLASSES,
    *projection_operators.CLASSES,
    *prompt_operators.CLASSES,
    *prompt_menus.CLASSES,
    *grid_menus.CLASSES,
    *menus.CLASSES,
    *panels.CLASSES,
    *model_operators.CLASSES,
    *model_panel.CLASSES,
    *new_preset.CLASSES,
)

_BEGINNINGS = (b"BLENDER", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""Of a Blender file: as it is, packed by gzip, packed by Zstandard."""

_drawn = ""
"""What the panel said when it was last redrawn."""


def register() -> None:
    """Add everything."""
    properties.register()
    for item in CLASSES:
        bpy.utils.register_class(item)
    model_panel.register()
    new_preset.register()
    changes.register()
    quiet.watch_renders()
    for handlers, function in _handlers():
        handlers.append(function)
    bpy.app.timers.register(_tick, first_interval=ASLEEP_S, persistent=True)


def unregister() -> None:
    """Take everything away, within a second."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    for handlers, function in _handlers():
        if function in handlers:
            handlers.remove(function)
    close_studio()
    quiet.stop_watching_renders()
    changes.unregister()
    model_panel.unregister()
    controls.withdraw_all()
    new_preset.unregister()
    for item in reversed(CLASSES):
        bpy.utils.unregister_class(item)
    properties.unregister()


def _tick() -> float:
    global _drawn
    here = studio()
    here.tick()
    try:
        model_panel.follow()
        new_preset.show_once(here.new_preset)
        said = panels.summary()
        if said != _drawn:
            _drawn = said
            _redraw_sidebars()
    except Exception as error:  # as in ``Studio.tick``
        here.problem = problem_from(error)
    if here.is_busy:
        return BUSY_S
    return CALM_S if here.link.session is not None else ASLEEP_S


def _redraw_sidebars() -> None:
    for area in shown_areas("VIEW_3D", "IMAGE_EDITOR"):
        for region in area.regions:
            if region.type == "UI":
                region.tag_redraw()


def _handlers() -> tuple[tuple[list, object], ...]:
    handlers = bpy.app.handlers
    return (
        (handlers.load_pre, _file_closes),
        (handlers.load_post, _file_is_open),
        (handlers.load_post, _scene_copies_go),
        (handlers.undo_post, _scene_copies_go),
        (handlers.redo_post, _scene_copies_go),
        (handlers.undo_post, _history_changes),
        (handlers.redo_post, _history_changes),
        (handlers.render_init, _render_begins),
        (handlers.render_complete, _render_ends),
        (handlers.render_cancel, _render_ends),
    )


@persistent
def _file_closes(path: object = None, *_: object) -> None:
    """Let go of the file, unless the next one cannot be opened, so that this one stays."""
    if _may_open(path):
        studio().let_go_of_file()


@persistent
def _file_is_open(path: object = None, *_: object) -> None:
    """Let go of the former file where nobody thought that this one could be opened."""
    if not _may_open(path):
        studio().let_go_of_file()


def _may_open(path: object) -> bool:
    """Tell whether a path is that of a Blender file; a new file, and Blender before 4, give none."""
    if not isinstance(path, str) or not path:
        return True
    try:
        with open(path, "rb") as file:
            return file.read(7).startswith(_BEGINNINGS)
    except OSError:
        return False


@persistent
def _scene_copies_go(*_: object) -> None:
    """Remove what undo, or a file saved in the middle of a render, brought back of a capture's own scene."""
    scene_copy.remove_leftover_scenes()


@persistent
def _history_changes(*_: object) -> None:
    studio().shown_result.note_undo()


@persistent
def _render_begins(*_: object) -> None:
    """Make room for a final render, and pause live captures; Blender may call from another thread."""
    studio().is_rendering = True
    studio().make_room()


@persistent
def _render_ends(*_: object) -> None:
    studio().is_rendering = False
