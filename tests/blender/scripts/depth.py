"""Compare captured depth with the Z passes of Workbench and of Cycles."""

from pathlib import Path

import bpy
import numpy as np
import renders
import scenes
from framebridge.capture import Capturer
from framebridge.viewport import camera_view, find_viewport
from harness import REQUEST, report

WIDTH, HEIGHT = 320, 180
TOLERANCE = 5e-4
"""Of the range of the reference's finite depths."""

CAMERAS = [kind for kind in scenes.CAMERAS if kind != "anamorphic"]
"""Captures have square pixels, so that a render of others is not of the same points."""


def workbench() -> dict:
    return {kind: compared(kind, "BLENDER_WORKBENCH") for kind in CAMERAS}


def cycles() -> dict:
    return {kind: compared(kind, "CYCLES") for kind in CAMERAS}


def centimetres() -> dict:
    """The same scene where a unit is a centimetre: all lengths shrink, and the picture stays."""
    return compared("perspective", "BLENDER_WORKBENCH", scale=0.01)


def compared(kind: str, engine: str, scale: float = 1.0) -> dict:
    scenes.solids()
    scenes.camera(kind)
    bpy.context.scene.unit_settings.scale_length = scale
    viewport = find_viewport()
    ours = Capturer().capture(viewport, camera_view(viewport, WIDTH, HEIGHT)).depth
    reference = renders.z_pass(Path(REQUEST["folder"]), engine, WIDTH, HEIGHT) * scale
    is_ours, is_theirs = np.isfinite(ours), np.isfinite(reference)
    both = is_ours & is_theirs
    extent = reference[is_theirs].max() - reference[is_theirs].min()
    difference = np.abs(ours[both] - reference[both]) / extent
    return {
        "pixels": ours.size,
        "covered": float(is_theirs.mean()),
        "coverage_differs": int((is_ours != is_theirs).sum()),
        "worst": float(difference.max()),
        "median": float(np.median(difference)),
        "beyond": int((difference > TOLERANCE).sum()),
    }


report(workbench, cycles, centimetres)
