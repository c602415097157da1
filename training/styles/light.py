"""How surfaces are lit: times of day, materials, the sky behind."""

from dataclasses import dataclass

import cv2
import numpy as np

from training.gbuffer import Plane, View
from training.styles.fields import Fields
from training.styles.look import Look


def rgb(*values: float) -> Plane:
    """Make a colour constant."""
    return np.array(values, np.float32)


def blend(first: Plane, second: Plane, weight: Plane | float) -> Plane:
    """Mix: 0 is ``first``, 1 is ``second``."""
    return first + (second - first) * weight


def _direction(*values: float) -> Plane:
    vector = rgb(*values)
    return vector / np.linalg.norm(vector)


SUN = _direction(-0.55, 0.65, 0.55)
BACK_LIGHT = _direction(0.8, 0.35, 0.2)
HALF_WAY = _direction(*(SUN + rgb(0, 0, 1)))
SHADOW_STEPS = tuple(0.015 * 1.23**k for k in range(16))
"""How far to look for what casts a shadow, in distances from the viewer."""

FACINGS = np.array([[0, 1.8, 0.25], [-1.15, 0, 0], [1.15, 0, 0], [0, 0, 1.2], [0, -1, 0]], np.float32)
"""Ways a surface can face: up, to the left, to the right, to the viewer, down."""

SAND_TERRACOTTA_PLUM_TEAL_UMBER = np.array(
    [(0.83, 0.70, 0.53), (0.83, 0.40, 0.28), (0.46, 0.32, 0.52), (0.30, 0.57, 0.60), (0.36, 0.26, 0.28)],
    np.float32,
)
STRAW_OCHRE_SLATE_MOSS_UMBER = np.array(
    [(0.80, 0.71, 0.55), (0.88, 0.58, 0.29), (0.29, 0.38, 0.58), (0.45, 0.62, 0.50), (0.36, 0.26, 0.28)],
    np.float32,
)
PALETTES = (SAND_TERRACOTTA_PLUM_TEAL_UMBER.T, STRAW_OCHRE_SLATE_MOSS_UMBER.T)
"""The colours of surfaces that face those ways; the noise drifts from one palette to the other."""


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
LIGHTS = {
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
        rgb(0.10, 0.14, 0.32),
        rgb(0.21, 0.34, 0.66),
        rgb(0.5, 0.36, 0.15),
        rgb(0.03, 0.05, 0.16),
        rgb(0.10, 0.13, 0.33),
    ),
    "sunset": Mood(
        rgb(0.32, 0.21, 0.40),
        rgb(1.12, 0.68, 0.38),
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
    """Sunlight on each surface as it faces the sun, 0..1, shape (H, W, 1)."""
    return np.clip(view.normals @ SUN, 0, 1)[..., None]


def open_to_sun(view: View) -> Plane:
    """Whether the sun sees each surface or something casts its shadow there, 0..1, shape (H, W, 1).

    Walks from every surface towards the sun. In units of the surface's own distance each step is the
    same zoom and shift of the whole picture, whatever the scene's scale.
    """
    height, width = view.shape
    size = (max(width // 2, 1), max(height // 2, 1))
    own = np.maximum(cv2.resize(view.disparity, size, interpolation=cv2.INTER_NEAREST), np.float32(1e-4))
    hidden = np.zeros(size[::-1], np.float32)
    focal, middle = 1.2 * max(size), (size[0] / 2, size[1] / 2)
    for step in SHADOW_STEPS:
        zoom = 1 - float(SUN[2]) * step
        shift = (focal * float(SUN[0]) * step, -focal * float(SUN[1]) * step)
        affine = [[1 / zoom, 0, middle[0] + (shift[0] - middle[0]) / zoom]]
        affine += [[0, 1 / zoom, middle[1] + (shift[1] - middle[1]) / zoom]]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        nearer = cv2.warpAffine(own, np.array(affine), size, flags=flags) * np.float32(zoom) / own
        blocks = np.clip((nearer - 1.015) * 25, 0, 1) * np.clip((1.30 - nearer) * 8, 0, 1)
        np.maximum(hidden, blocks, out=hidden)
    soft = cv2.resize(cv2.GaussianBlur(hidden, (0, 0), 1.8), (width, height))
    soft[view.sky] = 0
    return (1 - soft)[..., None]


def surface(view: View, look: Look, fields: Fields, crispness: float = 7) -> Plane:
    """Return the surfaces' colour before light: the scene's own or the prompt's, with the material on it."""
    base = 0.04 + 0.90 * view.surface_colour if look.own_colours else _prompt_colour(view, fields, crispness)
    match look.material:
        case "wood":
            grain = blend(fields.level_strokes, fields.grain, 0.2)
            return blend(rgb(0.38, 0.21, 0.10), rgb(0.80, 0.55, 0.31), grain) * (0.75 + 0.35 * grey(base))
        case "metal":
            return _reflected(view.normals) * (0.85 + 0.25 * grey(base))
        case "stone":
            vein = np.clip(1 - 9 * np.abs(fields.wash - 0.5), 0, 1)
            tone = 0.60 + 0.12 * (fields.grain - 0.5) + 0.14 * (fields.broad - 0.5) - 0.14 * vein
            return tone * rgb(1.0, 0.975, 0.93) * (0.8 + 0.35 * grey(base))
        case "glass":
            facing = np.clip(view.normals[..., 2:3], 0, 1)
            return blend(rgb(0.93, 1.0, 1.0), blend(rgb(0.22, 0.56, 0.62), base, 0.25), facing * facing)
    return base


def _reflected(normals: Plane) -> Plane:
    """Reflect a studio: dark floor, bright horizon, blue-grey ceiling with one bright strip."""
    up = normals[..., 1:2] * (0.6 + 0.8 * normals[..., 2:3]) - 0.25 * normals[..., 0:1]
    ceiling = np.clip(up * 1.6 + 0.55, 0, 1)
    strip = np.exp(-((up - 0.35) ** 2) * 45) + 0.5 * np.exp(-((up + 0.25) ** 2) * 90)
    return blend(rgb(0.20, 0.19, 0.19), rgb(0.62, 0.67, 0.74), ceiling) + strip * rgb(0.36, 0.37, 0.38)


def _prompt_colour(view: View, fields: Fields, crispness: float) -> Plane:
    """Colour surfaces when only the prompt is known, by the way they face; hues drift with the noise."""
    # OpenCV's product, because a bank's workers would fight over the threads of numpy's.
    shares = cv2.exp(cv2.transform(view.normals, FACINGS * np.float32(crispness)))
    mixed = cv2.transform(shares, np.vstack([*PALETTES, np.ones(5, np.float32)]))  # (H, W, 3 + 3 + 1)
    return blend(mixed[..., :3], mixed[..., 3:6], fields.drift) / mixed[..., 6:]


def grey(colour: Plane) -> Plane:
    """Mean of the channels, shape (H, W, 1)."""
    return (colour @ rgb(1 / 3, 1 / 3, 1 / 3))[..., None]


def step(field: Plane, level: float, softness: float) -> Plane:
    """Rise from 0 to 1 where a field passes a level."""
    return np.clip((field - np.float32(level)) * np.float32(0.5 / softness) + np.float32(0.5), 0, 1)


def cloud_colour(mood: Mood) -> Plane:
    """What clouds look like in a mood's sky."""
    return blend(mood.sky_low, np.minimum(1.14 * mood.sun + 0.25 * mood.ambient, 1), 0.92 * mood.sun.mean())


def sky(view: View, mood: Mood) -> Plane:
    """Paint the sky, darker at the top, shape (H, W, 3)."""
    height, width = view.shape
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** np.float32(0.7)
    return np.broadcast_to(blend(mood.sky_top, mood.sky_low, fall), (height, width, 3))


def lit(view: View, colour: Plane, mood: Mood, sun: Plane) -> Plane:
    """Light surfaces of a given colour; ``sun`` is how much of it reaches them."""
    return colour * (mood.ambient + mood.sun * sun + rim_light(view, mood))


def rim_light(view: View, mood: Mood) -> Plane:
    """Light from behind, which only some moods have."""
    if not mood.rim.any():
        return mood.rim
    return mood.rim * np.clip(view.normals @ BACK_LIGHT, 0, 1)[..., None] ** 2


def highlight(view: View, sharpness: int) -> Plane:
    """Blinn's specular highlight of the sun, 0..1, shape (H, W, 1); floors have none."""
    floor = np.clip((view.normals[..., 1:2] - 0.7) / 0.15, 0, 1)
    return np.clip(view.normals @ HALF_WAY, 0, 1)[..., None] ** sharpness * (1 - floor)


def haze(view: View, mood: Mood) -> Plane:
    """How much of the sky's light lies over each surface, shape (H, W, 1)."""
    return mood.haze * np.clip(1 - 1.5 * view.nearness, 0, 1)[..., None]
