"""Styles that look like matter: photo, clay, snow."""

import cv2
import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.light import (
    LIGHTS,
    blend,
    cloud_colour,
    diffuse,
    grey,
    haze,
    highlight,
    open_to_sun,
    rgb,
    rim_light,
    sky,
    surface,
)
from training.styles.look import Look

SOFTBOX = rgb(-0.42, 0.62, 0.66)


def photo(view: View, look: Look, fields: Fields) -> Plane:
    """Daylight photograph: sun and cast shadows, light from the sky, highlights, haze, clouds."""
    mood = LIGHTS[look.mood]
    cloud = np.clip(1.9 * fields.clouds - 0.85, 0, 1) * (1 - mood.haze)
    behind = blend(sky(view, mood), cloud_colour(mood), cloud)
    colour = 0.02 + 0.95 * surface(view, look, fields, crispness=5)
    sun = diffuse(view) * open_to_sun(view)
    from_sky = (0.75 + 0.25 * view.normals[..., 1:2]) * view.occlusion
    light = 1.45 * mood.ambient * from_sky + 1.1 * mood.sun * sun + rim_light(view, mood)
    picture = colour * light
    shine = {"metal": 0.7, "glass": 0.8, "wood": 0.15, "stone": 0.05}.get(look.material, 0.16)
    picture += shine * highlight(view, 32) * (mood.sun + 0.1)
    picture *= 1.22 / (1 + 0.22 * picture)
    picture = blend(picture, mood.sky_low, haze(view, mood))
    return np.where(view.sky[..., None], behind, picture)


def clay(view: View, look: Look, fields: Fields) -> Plane:
    """Plasticine: one warm colour, round edges, soft studio light, dents of fingers, a plain backdrop."""
    facing = view.normals @ SOFTBOX + 0.15 * (fields.dents[..., 0] - 0.5)
    round_edges = cv2.GaussianBlur(facing, (0, 0), 1.6)[..., None]
    light = np.clip(0.42 + 0.62 * round_edges, 0.12, 1.1) * (0.25 + 0.75 * view.occlusion)
    tone = rgb(0.86, 0.50, 0.36)
    if look.material:
        tone = blend(tone, surface(view, look, fields), 0.6)
    shaped = tone * blend(light, light * light, rgb(0.0, 0.35, 0.45))
    shaped += 0.22 * np.clip(round_edges - 0.55, 0, 1) ** 2 * rgb(1.0, 0.92, 0.84) * 4
    backdrop = np.broadcast_to(rgb(0.93, 0.87, 0.80), shaped.shape)
    return np.where(view.sky[..., None], backdrop, shaped)


def snow(view: View, look: Look, fields: Fields) -> Plane:
    """Winter: snow lies on what looks up, the rest is cold, flakes fall."""
    colour = surface(view, look, fields)
    depth_of_snow = np.clip((view.normals[..., 1:2] + 0.35 * (fields.wash - 0.5) - 0.12) / 0.2, 0, 1)
    cold = blend(colour, np.float32(0.35) + 0.3 * grey(colour) * rgb(0.9, 1, 1.1), 0.35)
    light = rgb(0.50, 0.62, 0.82) + rgb(0.50, 0.40, 0.22) * (diffuse(view) * open_to_sun(view))
    covered = blend(cold, rgb(0.97, 0.985, 1.0), depth_of_snow) * light * (0.35 + 0.65 * view.occlusion)
    behind = blend(rgb(0.62, 0.72, 0.84), rgb(0.80, 0.86, 0.92), fields.clouds)
    picture = blend(covered, behind, 0.6 * np.clip(1 - 1.4 * view.nearness, 0, 1)[..., None])
    picture = np.where(view.sky[..., None], behind, picture)
    return blend(picture, rgb(1, 1, 1), 0.95 * fields.flakes)
