# SPDX-License-Identifier: GPL-3.0-or-later
"""What the open windows show."""

from __future__ import annotations

from collections.abc import Iterator

import bpy


def shown_areas(*kinds: str) -> Iterator[bpy.types.Area]:
    """Yield the areas of these types (``VIEW_3D`` …) in all windows."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in kinds:
                yield area
