# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the changes of the scene, so that a live view knows when to look again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
from bpy.app.handlers import persistent

from .results import is_ours

_count = 0
_is_muted = False


def count() -> int:
    """Return how often anything has changed since the start; our own pictures do not count."""
    return _count


@contextmanager
def muted() -> Iterator[None]:
    """Count nothing meanwhile: what we do to capture is no change of the scene."""
    global _is_muted
    _is_muted = True
    try:
        yield
    finally:
        _is_muted = False


def register() -> None:
    """Begin to count."""
    bpy.app.handlers.depsgraph_update_post.append(_updated)
    bpy.app.handlers.frame_change_post.append(_frame_changed)


def unregister() -> None:
    """End it."""
    bpy.app.handlers.depsgraph_update_post.remove(_updated)
    bpy.app.handlers.frame_change_post.remove(_frame_changed)


@persistent
def _updated(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    if not _is_muted and not all(_is_our_picture(update.id) for update in depsgraph.updates):
        _frame_changed()


@persistent
def _frame_changed(*_: object) -> None:
    global _count  # one Blender has one count, whoever looks
    _count += 1


def _is_our_picture(item: bpy.types.ID) -> bool:
    return isinstance(item, bpy.types.Image) and is_ours(item.original)
