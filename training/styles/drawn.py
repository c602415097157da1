"""Styles of line: toon, ink sketch, blueprint, chalkboard."""

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
    open_to_sun,
    rgb,
    step,
    surface,
)
from training.styles.look import COLOURS, Look

INK = rgb(0.17, 0.16, 0.19)
PAPER = rgb(0.97, 0.955, 0.90)


def toon(view: View, look: Look, fields: Fields) -> Plane:
    """Cel shading: flat saturated colour in two tones, a hard highlight, thick black outlines."""
    mood = LIGHTS[look.mood]
    colour = surface(view, look, fields, crispness=30)
    colour = np.clip(blend(grey(colour), colour, 1.5) * 1.08 + 0.03, 0, 1)
    bright = step(np.minimum(diffuse(view), open_to_sun(view)), 0.42, 0.04)
    tone = blend(rgb(0.58, 0.52, 0.66), rgb(1, 1, 1), bright)
    shine = 0.45 * step(highlight(view, 20), 0.6, 0.08)
    picture = colour * tone * np.clip(mood.ambient + mood.sun, 0, 1.05) + shine
    cloud = step(fields.clouds, 0.62, 0.03)
    behind = blend(blend(mood.sky_top, mood.sky_low, 0.35), cloud_colour(mood), cloud)
    picture = np.where(view.sky[..., None], behind, picture)
    return blend(picture, rgb(0.03, 0.02, 0.04), view.outline(3))


def ink(view: View, look: Look, fields: Fields) -> Plane:
    """Pen on paper: fine outlines, hatching in the shade, crossed where it is dark."""
    pen = INK if not look.colour else blend(INK, np.array(COLOURS[look.colour], np.float32), 0.75)
    tone = grey(view.surface_colour) if look.own_colours else np.float32(0.8)
    light = (0.2 + 0.8 * diffuse(view)) * (0.6 + 0.4 * tone) * (0.45 + 0.55 * view.occlusion)
    shade = np.where(view.sky[..., None], 0, 1 - light)
    strokes = _pen(fields.hatch, 0.8 * (shade - 0.36))
    strokes = np.maximum(strokes, _pen(fields.cross_hatch, 0.8 * (shade - 0.66)))
    return blend(PAPER, pen, np.maximum(view.outline(1), 0.75 * strokes))


def _pen(distance: Plane, share: Plane) -> Plane:
    """Draw strokes that cover the given share of the paper, at most a third, with soft edges."""
    pressed = np.clip(share, 0, 0.34)
    return np.clip((pressed - distance) * 5 + 0.5, 0, 1) * np.clip(pressed * 14, 0, 1)


def blueprint(view: View, look: Look, fields: Fields) -> Plane:
    """Cyanotype: white lines on blue, light hatching in the shade, uneven paper."""
    blue = rgb(0.08, 0.24, 0.58)
    if look.colour:
        blue = np.array(COLOURS[look.colour], np.float32) * 0.62
    paper = blue * (0.93 + 0.10 * fields.wash + 0.06 * fields.broad)
    shade = np.where(view.sky[..., None], 0, 0.55 - diffuse(view))
    hatching = 0.30 * _pen(fields.cross_hatch, 0.55 * shade)
    chalk = rgb(0.90, 0.95, 1.0)
    if look.colour == "white":
        chalk = rgb(0.12, 0.22, 0.45)
    return blend(paper, chalk, np.maximum(hatching, view.outline(1)))


def chalkboard(view: View, look: Look, fields: Fields) -> Plane:
    """Chalk on a green board: broad soft lines, side-on chalk in the light, smears of the sponge."""
    board = rgb(0.12, 0.235, 0.19) * (0.85 + 0.3 * fields.clouds)
    chalk = rgb(0.95, 0.93, 0.85)
    if look.colour:
        chalk = blend(chalk, np.array(COLOURS[look.colour], np.float32), 0.7)
    lit_part = np.where(view.sky[..., None], 0, np.clip(1.3 * diffuse(view) - 0.45, 0, 1))
    floor = np.clip((view.normals[..., 1:2] - 0.55) / 0.25, 0, 1)
    side_on = 0.75 * lit_part * (1 - 0.75 * floor) * (0.35 + 0.65 * fields.rising_strokes)
    lines = view.outline(3) * (0.6 + 0.5 * fields.grain)
    return blend(board, chalk, np.clip(np.maximum(side_on, lines), 0, 1))
