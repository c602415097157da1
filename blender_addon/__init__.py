# SPDX-License-Identifier: GPL-3.0-or-later
"""Framebridge for Blender: see the scene through a diffusion model, from the viewport."""

from . import legacy  # noqa: F401  (first: what follows needs the websockets that it provides)

# isort: split

from .registration import register, unregister

__all__ = ["register", "unregister"]

bl_info = {
    "name": "Framebridge",
    "author": "The Framebridge authors",
    "description": "See the scene through a diffusion model without leaving the viewport",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D Viewport and Image Editor > Sidebar > Framebridge",
    "category": "3D View",
}
