"""Styles of line: toon, ink sketch, blueprint."""

import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.light import MOODS, blend, diffuse, highlight, rgb, surface
from training.styles.look import COLOURS, Look

INK = rgb(0.10, 0.09, 0.11)
PAPER = rgb(0.97, 0.955, 0.90)


def toon(view: View, look: Look, fields: Fields) -> Plane:
    """Cel shading: flat saturated colour in two tones, a hard highlight, thick black outlines."""
    mood = MOODS[look.mood]
    colour = surface(view, look, fields)
    colour = np.clip(blend(colour.mean(-1, keepdims=True), colour, 1.8) * 1.25 + 0.04, 0, 1)
    tone = np.where(diffuse(view) > 0.42, 1.0, 0.60).astype(np.float32)
    picture = colour * tone * np.clip(mood.ambient + mood.sun, 0, 1.05) + 0.5 * (highlight(view, 20) > 0.6)
    behind = np.broadcast_to(blend(mood.sky_top, mood.sky_low, 0.45), picture.shape)
    picture = np.where(view.sky[..., None], behind, picture)
    return blend(picture, rgb(0.02, 0.015, 0.03), view.outline(3))


def ink(view: View, look: Look, fields: Fields) -> Plane:
    """Pen on paper: fine outlines, hatching in the shade, crossed where it is dark."""
    pen = INK if not look.colour else blend(INK, np.array(COLOURS[look.colour], np.float32), 0.75)
    tone = view.surface_colour.mean(-1, keepdims=True) if look.own_colours else np.float32(0.74)
    shade = 1 - (0.15 + 0.85 * diffuse(view)) * (0.45 + 0.55 * tone) * (0.4 + 0.6 * view.occlusion)
    strokes = _ink(fields.hatch, 1.25 * (shade - 0.38)) + _ink(fields.cross_hatch, 1.25 * (shade - 0.66))
    strokes = np.where(view.sky[..., None], 0, strokes)
    lines = np.maximum(view.outline(1) * 1.2, 0.85 * strokes)
    return blend(PAPER * np.ones((*view.shape, 1), np.float32), pen, np.clip(lines, 0, 1))


def _ink(field: Plane, share: Plane) -> Plane:
    """Ink the given share of a streak field, with edges two pixels soft."""
    return np.clip((np.clip(share, 0, 0.6) - field) / 0.10 + 0.5, 0, 1) * (share > 0.02)


def blueprint(view: View, look: Look, fields: Fields) -> Plane:
    """Cyanotype: white lines on blue, light hatching in the shade, uneven paper."""
    blue = rgb(0.08, 0.24, 0.58)
    if look.colour:
        blue = np.array(COLOURS[look.colour], np.float32) * 0.62
    paper = blue * (0.86 + 0.28 * fields.wash)
    shade = np.where(view.sky[..., None], 0, 0.55 - diffuse(view))
    hatching = 0.28 * _ink(fields.cross_hatch, shade)
    chalk = rgb(0.90, 0.95, 1.0)
    if look.colour == "white":
        chalk = rgb(0.12, 0.22, 0.45)
    return blend(blend(paper, chalk, hatching), chalk, np.clip(1.25 * view.outline(1), 0, 1))


def chalkboard(view: View, look: Look, fields: Fields) -> Plane:
    """Chalk on a green board: broad soft lines, side-on chalk in the light, smears of the sponge."""
    board = rgb(0.10, 0.22, 0.17) * (0.75 + 0.6 * fields.broad)
    chalk = rgb(0.95, 0.93, 0.85)
    if look.colour:
        chalk = blend(chalk, np.array(COLOURS[look.colour], np.float32), 0.7)
    lit_part = np.where(view.sky[..., None], 0, diffuse(view) - 0.25)
    side_on = 0.55 * _ink(fields.grain, 0.8 * lit_part)
    lines = np.clip(view.outline(3) * (0.55 + 0.7 * fields.grain), 0, 1)
    return blend(blend(board, chalk, side_on), chalk, lines)
