"""Styles that give off light: neon and lava."""

import cv2
import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.light import blend, diffuse, rgb
from training.styles.look import COLOURS, Look


def neon(view: View, look: Look, fields: Fields) -> Plane:
    """Tubes of light along the edges in a dark room; their colour drifts from cyan to magenta."""
    tube = blend(rgb(0.05, 0.85, 1.0), rgb(1.0, 0.12, 0.80), np.clip(2.2 * fields.broad - 0.6, 0, 1))
    if look.colour:
        tube = np.broadcast_to(np.array(COLOURS[look.colour], np.float32) * 1.05, tube.shape)
    edges = view.edges.astype(np.float32)
    halo = (cv2.GaussianBlur(edges, (0, 0), 3.5) + 1.6 * _wide_blur(edges, 14))[..., None]
    room = blend(rgb(0.03, 0.02, 0.07), rgb(0.11, 0.08, 0.23), diffuse(view) * ~view.sky[..., None])
    if look.colour:
        room = room.mean(-1, keepdims=True) * blend(rgb(0.3, 0.3, 0.3), tube, 0.8) * 1.6
    core = np.clip(1.3 * view.outline(2), 0, 1)
    return room + 1.25 * halo * tube + core * blend(tube, rgb(1, 1, 1), 0.35)


def lava(view: View, look: Look, fields: Fields) -> Plane:
    """Black rock that cracks and glows; the sky is smoke."""
    glow = rgb(1.0, 0.40, 0.05)
    if look.colour:
        glow = np.array(COLOURS[look.colour], np.float32) * 1.1
    level = 0.8 * fields.wash + 0.2 * fields.grain
    solid = ~view.sky[..., None]
    crack = np.exp(np.abs(level - 0.5) * np.float32(-1 / 0.03)) * solid
    halo = cv2.GaussianBlur(crack, (0, 0), 3)[..., None]
    rim = cv2.GaussianBlur(view.edges.astype(np.float32), (0, 0), 1.5)[..., None]
    rock = rgb(0.23, 0.19, 0.19) * (0.2 + 1.3 * diffuse(view)) * (0.8 + 0.4 * fields.grain) * view.occlusion
    smoke = blend(rgb(0.05, 0.03, 0.04), glow * 0.38, fields.broad)
    base = np.where(solid, rock, smoke)
    return base + glow * (0.85 * crack + 0.75 * halo + 1.3 * rim) + 0.35 * crack**2 * rgb(1, 1, 0.6)


def _wide_blur(plane: Plane, sigma: float) -> Plane:
    small = cv2.resize(plane, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), plane.shape[::-1])
