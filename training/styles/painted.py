"""Styles of brush and palette: watercolor, oil painting, pixel art."""

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
    highlight,
    lit,
    open_to_sun,
    rgb,
    sky,
    step,
    surface,
)
from training.styles.look import Look

PAPER = rgb(0.985, 0.965, 0.92)
PIXEL = 4


def watercolor(view: View, look: Look, fields: Fields) -> Plane:
    """Thin washes on white paper: pale, bled over the lines, darker wet edges, bare paper in the light."""
    mood = LIGHTS[look.mood]
    sun = diffuse(view)
    glazes = 0.05 + 0.42 * step(sun, 0.25, 0.05) + 0.40 * step(sun, 0.62, 0.06)
    colour = surface(view, look, fields)
    vivid = np.clip(blend(grey(colour), colour, 1.4), 0.04, 1)
    pigment = np.clip(lit(view, vivid, mood, glazes) * 1.25, 0.03, 1) * (0.78 + 0.22 * view.occlusion)
    above = blend(sky(view, mood), cloud_colour(mood), np.clip(2.4 * fields.clouds - 0.7, 0, 1))
    bled = cv2.blur(np.where(view.sky[..., None], above, pigment), (5, 5))
    pooled = 0.18 * fields.wash + 0.42 * fields.broad + 0.15 * fields.grain - 0.37
    amount = np.where(view.sky[..., None], 0.75, 0.82 - 0.42 * sun) + pooled * (0.3 + 0.8 * grey(bled))
    if look.mood == "night":
        amount += 0.45
    picture = blend(PAPER, bled, np.clip(amount, 0.12, 1))
    edge = view.edges.astype(np.float32)
    wet = 0.6 * cv2.GaussianBlur(edge, (0, 0), 2.5) + 1.15 * cv2.GaussianBlur(edge, (0, 0), 0.8)
    past = fields.broad - 0.55
    backrun = 0.06 * np.clip(25 * past, 0, 1) * np.clip(1 - 4 * past, 0, 1)
    return picture * (1 - (wet[..., None] + backrun) * rgb(0.70, 0.80, 0.72))


def oil(view: View, look: Look, fields: Fields) -> Plane:
    """Thick strokes in a warm, dark palette; strokes follow what they describe."""
    mood = LIGHTS[look.mood]
    up = view.normals[..., 1:2]
    steep = np.clip((np.abs(view.normals[..., 0:1]) - 0.35) / 0.2, 0, 1)
    flat = np.where(view.sky[..., None], 1, np.clip((up - 0.6) / 0.2, 0, 1))
    stroke = blend(blend(fields.rising_strokes, fields.upright_strokes, steep), fields.level_strokes, flat)
    stroke = (stroke - 0.5) * (1 - 0.3 * flat)
    sun = diffuse(view) * open_to_sun(view)
    base = lit(view, surface(view, look, fields), mood, sun) * (0.4 + 0.6 * view.occlusion)
    cloud = 0.7 * np.clip(2.0 * fields.clouds - 0.8, 0, 1)
    heaven = blend(sky(view, mood) * rgb(0.85, 0.82, 0.72), cloud_colour(mood) * rgb(0.95, 0.88, 0.72), cloud)
    base = np.where(view.sky[..., None], heaven, base)
    rich = blend(grey(base), base, 1.4) * rgb(1.08, 0.97, 0.76)
    painted = rich * (1 + 0.38 * stroke) + stroke * rgb(0.10, 0.05, -0.04)
    return painted * (1 - 0.35 * view.outline(2)) - 0.01


def pixel(view: View, look: Look, fields: Fields) -> Plane:
    """Console graphics: blocks of four pixels, few levels a channel, dark outlines a block wide."""
    mood = LIGHTS[look.mood]
    height, width = view.shape
    small = (width // PIXEL, height // PIXEL)
    colour = surface(view, look, fields, crispness=16)
    colour = blend(grey(colour), colour, 1.5)
    sun = diffuse(view)
    shade = 0.46 + 0.26 * (sun > 0.2) + 0.28 * (sun > 0.55)
    picture = colour * shade * (mood.ambient + mood.sun) + 0.25 * (highlight(view, 20) > 0.6)
    heaven = blend(sky(view, mood), cloud_colour(mood), 0.9 * (fields.clouds > 0.62))
    picture = np.where(view.sky[..., None], heaven, picture)
    blocks = cv2.resize(np.clip(picture, 0, 1).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    lines = cv2.resize(view.edges.astype(np.float32), small, interpolation=cv2.INTER_AREA)[..., None]
    level = grey(blocks)
    blocks = np.round(level * 9) / 9 + np.round((blocks - level) * 9) / 9
    blocks = blend(blocks, rgb(0.09, 0.06, 0.16), (lines > 0.12).astype(np.float32))
    return cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
