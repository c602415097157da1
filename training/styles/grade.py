"""Colour words on styles that have colours of their own, and times of day on styles without light."""

import numpy as np

from training.gbuffer import Plane, View
from training.styles.light import blend, rgb
from training.styles.look import COLOURS, Look

LIT = frozenset({"photo", "toon", "watercolor", "oil painting", "pixel art"})
"""Styles that light their surfaces by the time of day themselves."""

SELF_COLOURED = frozenset({"ink sketch", "blueprint", "neon"})
"""Styles that put a colour word into their lines or paper themselves."""

MATERIAL_TINTS = {
    "wood": rgb(0.72, 0.50, 0.30),
    "metal": rgb(0.62, 0.68, 0.76),
    "stone": rgb(0.66, 0.62, 0.56),
    "glass": rgb(0.62, 0.92, 0.96),
}
LUMA = rgb(0.299, 0.587, 0.114)


def grade(view: View, look: Look, picture: Plane) -> Plane:
    """Apply what the style's own painter left to do."""
    if look.colour and look.style not in SELF_COLOURED:
        picture = _tint(picture, np.array(COLOURS[look.colour], np.float32), _tint_strength(look))
    if look.material and (look.style in SELF_COLOURED or look.style == "lava"):
        picture = blend(picture, picture * MATERIAL_TINTS[look.material] * 1.2, 0.75)
    if look.mood and look.style not in LIT:
        picture = _relight(view, look.mood, picture)
    return picture


def _tint_strength(look: Look) -> float:
    return 0.5 if look.style == "lava" else 0.85


def _tint(picture: Plane, colour: Plane, strength: float) -> Plane:
    """Map dark to a dark shade of the colour, middle to the colour itself, bright to a pale one."""
    level = np.clip(picture @ LUMA, 0, 1)[..., None]
    pivot = float(np.clip(colour @ LUMA, 0.25, 0.75))
    dark = colour * (level / pivot)
    pale = blend(colour, blend(colour, rgb(1, 1, 1), 0.82), (level - pivot) / (1 - pivot))
    return blend(picture, np.where(level < pivot, dark, pale), strength)


def _relight(view: View, mood: str, picture: Plane) -> Plane:
    height = view.shape[0]
    fall = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    match mood:
        case "night":
            bright = np.clip(picture @ LUMA, 0, 1)[..., None] ** 2
            return picture * blend(rgb(0.34, 0.40, 0.62), rgb(0.66, 0.74, 0.96), bright)
        case "sunset":
            return picture * blend(rgb(0.92, 0.62, 0.72), rgb(1.05, 0.80, 0.52), fall) + rgb(0.05, 0.02, 0.0)
        case "fog":
            far = np.clip(0.85 - 1.2 * view.nearness, 0.12, 0.8)[..., None]
            return blend(picture, rgb(0.80, 0.82, 0.84), far)
        case _:
            return picture * rgb(1.08, 1.05, 0.98) + 0.02
