# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels draw that Blender has no call for."""

from __future__ import annotations

import bpy

from ._bridge.host.words import wrapped

BAR_LETTERS = 16
"""Of a progress bar where Blender has none."""

PIXELS_PER_LETTER = 7.0
"""Of the panel's font at a scale of 1, a little more than it takes: text must not be cut."""


def draw_progress(layout: bpy.types.UILayout, fraction: float, words: str) -> None:
    """Draw how far something is.

    Args:
        layout: Where.
        fraction: 0..1.
        words: What it is, and how far.
    """
    if hasattr(layout, "progress"):  # Blender 4.0 and later
        layout.progress(factor=fraction, text=words)
    else:
        column = layout.column(align=True)
        column.scale_y = 0.5
        column.label(text=words)
        filled = round(fraction * BAR_LETTERS)
        column.label(text="█" * filled + "░" * (BAR_LETTERS - filled))


def draw_text(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon: str = "NONE") -> None:
    """Draw a text over as many lines as it takes: a panel cuts what is too long."""
    scale = context.preferences.system.ui_scale
    letters = max(16, int((context.region.width / scale - 60) / PIXELS_PER_LETTER))
    column = layout.column(align=True)
    for index, line in enumerate(wrapped(text, letters)):
        column.label(text=line, icon=icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE")
