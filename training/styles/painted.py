"""Styles of brush and palette: watercolor, oil painting, pixel art."""

import cv2
import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.light import MOODS, blend, diffuse, highlight, lit, rgb, sky, surface
from training.styles.look import Look

PAPER = rgb(0.985, 0.965, 0.92)
PIXEL = 4


def watercolor(view: View, look: Look, fields: Fields) -> Plane:
    """Thin washes on white paper: pale, pooled pigment, darker wet edges, bare paper in the light."""
    mood = MOODS[look.mood]
    pigment = np.clip(lit(view, surface(view, look, fields), mood) * 1.25, 0.03, 1)
    pigment = blend(pigment.mean(-1, keepdims=True), pigment, 1.5)
    amount = np.clip(0.62 + 0.9 * (fields.wash - 0.5) - 0.28 * diffuse(view), 0.12, 0.95)
    wash = blend(sky(view, mood), PAPER, np.clip(1.7 * fields.broad - 0.1, 0, 1))
    picture = np.where(view.sky[..., None], wash, blend(PAPER, pigment, amount))
    rim = cv2.GaussianBlur(view.edges.astype(np.float32), (0, 0), 1.3)[..., None]
    return picture * (1 - np.clip(1.1 * rim, 0, 0.55) * rgb(0.75, 0.8, 0.7))


def oil(view: View, look: Look, fields: Fields) -> Plane:
    """Thick strokes in a warm, dark palette; strokes follow what they describe."""
    mood = MOODS[look.mood]
    steep = np.clip((np.abs(view.normals[..., 0:1]) - 0.35) / 0.2, 0, 1)
    flat = np.clip((view.normals[..., 1:2] - 0.6) / 0.2, 0, 1)
    stroke = blend(blend(fields.hatch, fields.cross_hatch, steep), fields.level_strokes, flat)
    stroke = np.where(view.sky[..., None], fields.level_strokes, stroke) - 0.5
    base = lit(view, surface(view, look, fields), mood) * (0.35 + 0.65 * view.occlusion)
    base = np.where(view.sky[..., None], sky(view, mood) * rgb(0.85, 0.80, 0.66), base)
    rich = blend(base.mean(-1, keepdims=True), base, 1.35) * rgb(1.0, 0.90, 0.70)
    painted = rich * (1 + 0.55 * stroke) + stroke * rgb(0.14, 0.10, 0.02)
    return painted * (1 - 0.35 * view.outline(2)) - 0.02


def pixel(view: View, look: Look, fields: Fields) -> Plane:
    """Console graphics: blocks of four pixels, few levels a channel, dark outlines a block wide."""
    mood = MOODS[look.mood]
    colour = surface(view, look, fields)
    colour = blend(colour.mean(-1, keepdims=True), colour, 1.5)
    shade = np.where(diffuse(view) > 0.55, 1.0, np.where(diffuse(view) > 0.2, 0.72, 0.46)).astype(np.float32)
    picture = colour * shade * (mood.ambient + mood.sun) + 0.3 * (highlight(view, 12) > 0.6)
    picture = np.where(view.sky[..., None], sky(view, mood), picture)
    height, width = view.shape
    small = (width // PIXEL, height // PIXEL)
    blocks = cv2.resize(np.clip(picture, 0, 1).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    lines = cv2.resize(view.edges.astype(np.float32), small, interpolation=cv2.INTER_AREA)[..., None]
    blocks = np.round(blocks * 5) / 5
    blocks = blend(blocks, rgb(0.09, 0.06, 0.16), (lines > 0.12).astype(np.float32))
    return cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
