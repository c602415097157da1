"""Styles that look like matter: photo, clay, snow."""

import cv2
import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.light import MOODS, blend, diffuse, haze, highlight, lit, rgb, sky, surface
from training.styles.look import Look


def photo(view: View, look: Look, fields: Fields) -> Plane:
    """Daylight photograph: sun, ambient occlusion, highlights, haze and a sky."""
    mood = MOODS[look.mood]
    behind = sky(view, mood)
    shine = {"metal": 0.7, "glass": 0.8, "wood": 0.15, "stone": 0.05}.get(look.material, 0.3)
    picture = lit(view, surface(view, look, fields), mood) * view.occlusion
    picture = picture + shine * highlight(view, 26) * (mood.sun + 0.1)
    picture = blend(picture, behind, haze(view, mood))
    return np.where(view.sky[..., None], behind, picture)


def clay(view: View, look: Look, fields: Fields) -> Plane:
    """Hand-shaped clay: one warm colour, soft studio light, dents of fingers, a plain backdrop."""
    dents = (fields.wash - 0.5) * 0.35
    light = np.clip(0.32 + 0.75 * diffuse(view) + dents, 0.08, 1.2) * view.occlusion
    tone = rgb(0.80, 0.50, 0.37)
    if look.material:
        tone = blend(tone, surface(view, look, fields), 0.6)
    shaped = tone * light + 0.10 * highlight(view, 6)
    backdrop = np.broadcast_to(rgb(0.90, 0.84, 0.77), shaped.shape)
    return np.where(view.sky[..., None], backdrop, shaped)


def snow(view: View, look: Look, fields: Fields) -> Plane:
    """Winter: snow lies on what looks up, the rest is cold, flakes fall."""
    colour = surface(view, look, fields)
    depth_of_snow = np.clip((view.normals[..., 1:2] + 0.35 * (fields.wash - 0.5) - 0.12) / 0.2, 0, 1)
    cold = blend(colour, np.float32(0.45) + 0.3 * colour.mean(-1, keepdims=True) * rgb(0.9, 1, 1.1), 0.5)
    light = rgb(0.50, 0.60, 0.78) + rgb(0.50, 0.42, 0.28) * diffuse(view)
    covered = blend(cold, rgb(0.97, 0.985, 1.0), depth_of_snow) * light * (0.4 + 0.6 * view.occlusion)
    behind = rgb(0.70, 0.78, 0.87)
    picture = blend(covered, behind, 0.75 * np.clip(1 - 1.4 * view.nearness, 0, 1)[..., None])
    picture = np.where(view.sky[..., None], behind, picture)
    flakes = np.clip((cv2.GaussianBlur(fields.grain, (0, 0), 0.8)[..., None] - 0.94) / 0.03, 0, 1)
    return blend(picture, rgb(1, 1, 1), 0.95 * flakes)
