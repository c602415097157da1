"""Random looks and cameras on a staged scene."""

import math
import random
from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Vector

from training.scenes.capture import GBuffer, Viewport
from training.scenes.layout import Stage, random_scene
from training.scenes.surfaces import random_colour

STUDIO_LIGHTS = ("studio.sl", "studio.sl", "basic.sl", "outdoor.sl", "paint.sl", "rim.sl")
VIEWS_PER_SCENE = 3
LEAST_COVERAGE = 0.06
SMOOTH_SHARE = 0.5
"""Share of views whose colour picture is anti-aliased, as viewports are by default."""


def random_views(viewport: Viewport, stage: Stage) -> Iterator[GBuffer]:
    """Yield G-buffers of random scenes for ever, a few views of each."""
    while True:
        random_scene(stage)
        _random_look(viewport, stage)
        for _ in range(VIEWS_PER_SCENE):
            _random_camera(stage.rng, stage.extent, viewport.width / viewport.height)
            view = viewport.capture(smooth_edges=stage.rng.random() < SMOOTH_SHARE)
            if np.isfinite(view.depth).mean() >= LEAST_COVERAGE:
                yield view


def _random_look(viewport: Viewport, stage: Stage) -> None:
    rng, shading = stage.rng, viewport.shading
    shading.light = "STUDIO"
    shading.studio_light = rng.choice(STUDIO_LIGHTS)
    shading.color_type = "TEXTURE" if stage.textured else "OBJECT"
    shading.show_object_outline = rng.random() < 0.6
    shading.show_cavity = rng.random() < 0.2
    shading.show_shadows = rng.random() < 0.15
    shading.background_type = "THEME" if rng.random() < 0.7 else "VIEWPORT"
    shading.background_color = random_colour(rng)[:3]


def _random_camera(rng: random.Random, extent: float, aspect: float) -> None:
    camera = bpy.context.scene.camera
    lens = rng.uniform(26, 80)
    elevation = rng.choice([rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.8)])
    yaw = rng.uniform(0, 2 * math.pi)
    towards = Vector(
        (math.cos(yaw) * math.cos(elevation), math.sin(yaw) * math.cos(elevation), math.sin(elevation))
    )
    distance = extent * lens / 18 * rng.uniform(0.55, 1.35) * (1.0 if aspect >= 1 else 1.2)
    target = Vector((rng.uniform(-0.3, 0.3) * extent, rng.uniform(-0.3, 0.3) * extent, rng.uniform(0.2, 0.7)))
    camera.location = target + towards * distance
    camera.rotation_euler = (-towards).to_track_quat("-Z", "Y").to_euler()
    if rng.random() < 0.1:
        camera.rotation_euler.rotate_axis("Z", rng.uniform(-0.3, 0.3))
    data = camera.data
    data.type = "ORTHO" if rng.random() < 0.1 else "PERSP"
    data.ortho_scale = distance * 36 / lens
    data.lens, data.clip_start, data.clip_end = lens, 0.05, 60
    data.shift_x, data.shift_y = rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15)
    bpy.context.view_layer.update()
