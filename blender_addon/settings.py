# SPDX-License-Identifier: GPL-3.0-or-later
"""Change Blender for the length of a ``with`` block, and put it back whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import bpy


@contextmanager
def temporarily(*settings: tuple[Any, str, Any]) -> Iterator[None]:
    """Set (owner, attribute, value) in this order, and restore in the opposite one.

    The order matters where one property decides what another may hold (``light`` and ``studio_light``).
    A property that already holds its value is not written, so that Blender is told of no change.
    """
    with ExitStack() as undo:
        for owner, name, value in settings:
            before = getattr(owner, name)
            if before != value:
                undo.callback(setattr, owner, name, before)
                setattr(owner, name, value)
        yield


@contextmanager
def temporary(collection: bpy.types.bpy_prop_collection, *arguments: Any, **options: Any) -> Iterator[Any]:
    """Add a datablock to a collection of ``bpy.data``, and remove it afterwards.

    Args:
        collection: ``bpy.data.scenes`` and the like.
        arguments: Of its ``new``.
        options: Of its ``new``, too.
    """
    item = collection.new(*arguments, **options)
    try:
        yield item
    finally:
        collection.remove(item)
