"""How surfaces are lit: times of day, materials, the sky behind."""

from dataclasses import dataclass

import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.look import Look


def rgb(*values: float) -> Plane:
    """Make a colour constant."""
    return np.array(values, np.float32)


def blend(first: Plane, second: Plane, weight: Plane | float) -> Plane:
    """Mix: 0 is ``first``, 1 is ``second``."""
    return first * (1 - weight) + second * weight


def _direction(*values: float) -> Plane:
    vector = rgb(*values)
    return vector / np.linalg.norm(vector)


SUN = _direction(-0.55, 0.65, 0.55)
BACK_LIGHT = _direction(0.8, 0.35, 0.2)
HALF_WAY = _direction(*(SUN + rgb(0, 0, 1)))


@dataclass(frozen=True)
class Mood:
    """Light of a time of day; colours are multipliers, sky runs from the top to the horizon."""

    ambient: Plane
    sun: Plane
    rim: Plane
    sky_top: Plane
    sky_low: Plane
    haze: float = 0.45


DEFAULT = Mood(
    rgb(0.26, 0.30, 0.38), rgb(0.88, 0.83, 0.72), rgb(0, 0, 0), rgb(0.33, 0.52, 0.80), rgb(0.80, 0.88, 0.95)
)
MOODS = {
    "": DEFAULT,
    "day": Mood(
        rgb(0.34, 0.38, 0.44),
        rgb(1.0, 0.95, 0.78),
        rgb(0, 0, 0),
        rgb(0.16, 0.48, 0.96),
        rgb(0.72, 0.90, 1.0),
        0.25,
    ),
    "night": Mood(
        rgb(0.10, 0.12, 0.26),
        rgb(0.20, 0.27, 0.52),
        rgb(0.5, 0.36, 0.15),
        rgb(0.01, 0.02, 0.08),
        rgb(0.10, 0.13, 0.33),
    ),
    "sunset": Mood(
        rgb(0.30, 0.16, 0.34),
        rgb(1.2, 0.68, 0.32),
        rgb(0.3, 0.08, 0.1),
        rgb(0.34, 0.18, 0.46),
        rgb(1.0, 0.62, 0.32),
    ),
    "fog": Mood(
        rgb(0.50, 0.52, 0.55),
        rgb(0.35, 0.34, 0.32),
        rgb(0, 0, 0),
        rgb(0.74, 0.77, 0.80),
        rgb(0.84, 0.86, 0.87),
        0.92,
    ),
}


def diffuse(view: View) -> Plane:
    """Sunlight on each surface, 0..1, shape (H, W, 1)."""
    return np.clip(view.normals @ SUN, 0, 1)[..., None]


def surface(view: View, look: Look, fields: Fields) -> Plane:
    """Return the surfaces' colour before light: the scene's own or the prompt's, with the material on it."""
    base = view.surface_colour if look.own_colours else _prompt_colour(view, fields)
    match look.material:
        case "wood":
            grain = fields.level_strokes
            return blend(rgb(0.36, 0.20, 0.10), rgb(0.74, 0.50, 0.28), grain) * (0.7 + 0.4 * _luma(base))
        case "metal":
            bands = 0.5 + 0.5 * np.sin(5.5 * view.normals[..., 1:2] + 2.0 * view.normals[..., 0:1])
            return blend(rgb(0.30, 0.33, 0.38), rgb(0.95, 0.97, 1.0), bands**2)
        case "stone":
            return (0.42 + 0.36 * fields.grain) * rgb(1.0, 0.97, 0.92) * (0.75 + 0.35 * _luma(base))
        case "glass":
            facing = np.clip(view.normals[..., 2:3], 0, 1)
            return blend(rgb(0.92, 1.0, 1.0), rgb(0.36, 0.66, 0.74), facing**1.5)
    return base


def _prompt_colour(view: View, fields: Fields) -> Plane:
    """Colour surfaces when only the prompt is known: light stone with slow drifts of warm and cool."""
    drift = blend(rgb(0.84, 0.60, 0.42), rgb(0.40, 0.62, 0.74), np.clip(fields.broad * 1.6 - 0.3, 0, 1))
    return blend(np.full((*view.shape, 3), 0.74, np.float32), drift, 0.4)


def _luma(colour: Plane) -> Plane:
    return colour.mean(-1, keepdims=True)


def sky(view: View, mood: Mood) -> Plane:
    """Paint the sky, darker at the top, shape (H, W, 3)."""
    height, width = view.shape
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 0.8
    return np.broadcast_to(blend(mood.sky_top, mood.sky_low, fall), (height, width, 3))


def lit(view: View, colour: Plane, mood: Mood) -> Plane:
    """Light surfaces of a given colour."""
    rim = np.clip(view.normals @ BACK_LIGHT, 0, 1)[..., None] ** 2
    return colour * (mood.ambient + mood.sun * diffuse(view) + mood.rim * rim)


def highlight(view: View, sharpness: float) -> Plane:
    """Blinn's specular highlight of the sun, 0..1, shape (H, W, 1); floors have none."""
    floor = np.clip((view.normals[..., 1:2] - 0.7) / 0.15, 0, 1)
    return np.clip(view.normals @ HALF_WAY, 0, 1)[..., None] ** sharpness * (1 - floor)


def haze(view: View, mood: Mood) -> Plane:
    """How much of the sky's light lies over each surface, shape (H, W, 1)."""
    return mood.haze * np.clip(1 - 1.5 * view.nearness, 0, 1)[..., None]
