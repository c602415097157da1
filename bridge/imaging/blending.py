"""Mixing two pictures of one shape: blend modes, and Porter and Duff's compositing with alpha."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from bridge.imaging.arrays import Array

BlendMode = Literal["normal", "multiply", "screen", "overlay", "soft_light", "difference"]
"""ComfyUI's names."""

CompositeMode = Literal[
    "ADD", "CLEAR", "DARKEN", "DST", "DST_ATOP", "DST_IN", "DST_OUT", "DST_OVER", "LIGHTEN",
    "MULTIPLY", "OVERLAY", "SCREEN", "SRC", "SRC_ATOP", "SRC_IN", "SRC_OUT", "SRC_OVER", "XOR",
]  # fmt: skip
"""Android's and ComfyUI's names; a source (SRC) is laid over a destination (DST)."""


def blend(first: Array, second: Array, factor: float, mode: BlendMode) -> Array:
    """Blend a second picture into a first.

    Args:
        first: Any shape, 0..1.
        second: The same shape.
        factor: How much of the blended picture is seen, 0..1.
        mode: How. ``soft_light`` is W3C's; ``difference`` keeps its sign, as in ComfyUI, so that with a
            factor of 1 it is black where the second is lighter.

    Returns:
        Clipped to 0..1.

    Source: W3C Compositing and Blending Level 1, §9.1.
    """
    mixed: Array = first * (1 - factor) + _BLENDS[mode](first, second) * factor
    clipped: Array = np.clip(mixed, 0, 1)
    return clipped


def porter_duff(
    source: Array, source_alpha: Array, destination: Array, destination_alpha: Array, mode: CompositeMode
) -> tuple[Array, Array]:
    """Lay a picture over another, both with straight alpha.

    Args:
        source: Shape (…, H, W, C), 0..1.
        source_alpha: Shape (…, H, W, 1), 0..1, 1 is opaque.
        destination: As the source.
        destination_alpha: As the source's.
        mode: How.

    Returns:
        Colour, 0..1, and alpha.

    Source: Porter and Duff 1984; the other modes as Android's ``PorterDuff.Mode`` documents them.
    """
    compose, cover = _COMPOSITES[mode]
    alpha = cover(source_alpha, destination_alpha)
    colour = compose(source * source_alpha, destination * destination_alpha, source_alpha, destination_alpha)
    is_seen = alpha > 1e-5
    straight = np.divide(colour, alpha, out=np.zeros_like(colour), where=is_seen)
    return np.clip(straight, 0, 1), alpha


def _overlay(a: Array, b: Array) -> Array:
    return np.asarray(np.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b)))


def _soft_light(a: Array, b: Array) -> Array:
    lighter = np.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, np.sqrt(np.maximum(a, 0)))
    darker = a - (1 - 2 * b) * a * (1 - a)
    return np.asarray(np.where(b <= 0.5, darker, a + (2 * b - 1) * (lighter - a)))


_BLENDS: dict[BlendMode, Callable[[Array, Array], Array]] = {
    "normal": lambda a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: 1 - (1 - a) * (1 - b),
    "overlay": _overlay,
    "soft_light": _soft_light,
    "difference": lambda a, b: a - b,
}

_Compose = Callable[[Array, Array, Array, Array], Array]
"""From source, destination (both multiplied by their alpha) and their alphas to the colour, likewise."""

_Cover = Callable[[Array, Array], Array]
"""From both alphas to that of the result."""


def _union(s: Array, d: Array) -> Array:
    return np.asarray(s + d - s * d)


def _both(s: Array, d: Array) -> Array:
    return np.asarray(s * d)


_COMPOSITES: dict[CompositeMode, tuple[_Compose, _Cover]] = {
    "ADD": (lambda s, d, sa, da: np.clip(s + d, 0, 1), lambda s, d: np.clip(s + d, 0, 1)),
    "CLEAR": (lambda s, d, sa, da: np.zeros_like(d), lambda s, d: np.zeros_like(d)),
    "DARKEN": (lambda s, d, sa, da: (1 - da) * s + (1 - sa) * d + np.minimum(s, d), _union),
    "DST": (lambda s, d, sa, da: d, lambda s, d: d),
    "DST_ATOP": (lambda s, d, sa, da: sa * d + (1 - da) * s, lambda s, d: s),
    "DST_IN": (lambda s, d, sa, da: d * sa, _both),
    "DST_OUT": (lambda s, d, sa, da: (1 - sa) * d, lambda s, d: (1 - s) * d),
    "DST_OVER": (lambda s, d, sa, da: d + (1 - da) * s, _union),
    "LIGHTEN": (lambda s, d, sa, da: (1 - da) * s + (1 - sa) * d + np.maximum(s, d), _union),
    "MULTIPLY": (lambda s, d, sa, da: s * d, _both),
    "OVERLAY": (
        lambda s, d, sa, da: np.where(2 * d < da, 2 * s * d, sa * da - 2 * (da - s) * (sa - d)),
        _union,
    ),
    "SCREEN": (lambda s, d, sa, da: s + d - s * d, _union),
    "SRC": (lambda s, d, sa, da: s, lambda s, d: s),
    "SRC_ATOP": (lambda s, d, sa, da: da * s + (1 - sa) * d, lambda s, d: d),
    "SRC_IN": (lambda s, d, sa, da: s * da, _both),
    "SRC_OUT": (lambda s, d, sa, da: (1 - da) * s, lambda s, d: (1 - d) * s),
    "SRC_OVER": (lambda s, d, sa, da: s + (1 - sa) * d, _union),
    "XOR": (lambda s, d, sa, da: (1 - da) * s + (1 - sa) * d, lambda s, d: (1 - d) * s + (1 - s) * d),
}
