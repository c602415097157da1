# SPDX-License-Identifier: GPL-3.0-or-later
"""Projection painting: pictures on the meshes they were made from, blended live, baked on request."""

from .baking import Baked, BakeOptions, bake, keep_bake
from .matching import ColorMatching
from .stack import (
    Projected,
    ProjectionError,
    ProjectionOptions,
    is_painted,
    match_colors,
    placements,
    project,
    remove_projection,
    remove_view,
    views_of,
)
from .view import all_views, picture_of, set_strength, strength_of

__all__ = [
    "BakeOptions",
    "Baked",
    "ColorMatching",
    "Projected",
    "ProjectionError",
    "ProjectionOptions",
    "all_views",
    "bake",
    "is_painted",
    "keep_bake",
    "match_colors",
    "picture_of",
    "placements",
    "project",
    "remove_projection",
    "remove_view",
    "set_strength",
    "strength_of",
    "views_of",
]
