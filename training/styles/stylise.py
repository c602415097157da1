"""Draw a view in a look."""

from collections.abc import Callable

import numpy as np

from training.gbuffer import Plane, View
from training.styles import drawn, glowing, painted, solid
from training.styles.fields import Fields
from training.styles.grade import grade
from training.styles.look import Look

_PAINTERS: dict[str, Callable[[View, Look, Fields], Plane]] = {
    "photo": solid.photo,
    "clay": solid.clay,
    "snow": solid.snow,
    "watercolor": painted.watercolor,
    "oil painting": painted.oil,
    "pixel art": painted.pixel,
    "toon": drawn.toon,
    "ink sketch": drawn.ink,
    "blueprint": drawn.blueprint,
    "chalkboard": drawn.chalkboard,
    "neon": glowing.neon,
    "lava": glowing.lava,
}


def stylise(view: View, look: Look, noise: np.ndarray) -> np.ndarray:
    """Return the target picture of a view.

    Args:
        view: What is seen.
        look: Style and modifiers.
        noise: The latent noise (4, H / 4, W / 4) that this picture is to be denoised from.

    Returns:
        (H, W, 3) u8 sRGB.
    """
    picture = grade(view, look, _PAINTERS[look.style](view, look, Fields(noise)))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
