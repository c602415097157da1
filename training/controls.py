"""Control pictures of a view, made by the engine's own code and varied as users vary them."""

import numpy as np

from bridge.imaging.canny import canny_of_render
from bridge.imaging.depth import depth_to_control
from training.gbuffer import Plane, View

CANNY_THRESHOLDS = ((40, 100), (60, 140), (25, 70), (100, 200))
GEOMETRIC_SHARE = 0.25
"""Share of views whose line control is the geometric edges that a host's normals and ids allow."""


def depth_control(view: View) -> Plane:
    """Return the depth ControlNet's picture of a whole view, (H, W), 0..1; black where all is sky."""
    if view.sky.all():
        return np.zeros(view.shape, np.float32)
    control, _ = depth_to_control(np.maximum(view.depth.astype(np.float32), 1e-3))
    return control


def line_control(view: View, thresholds: tuple[int, int] = CANNY_THRESHOLDS[0]) -> Plane:
    """Return the canny ControlNet's picture of a view, (H, W), 0 or 1."""
    return canny_of_render(view.color, *thresholds)


def random_line_control(view: View, rng: np.random.Generator) -> Plane:
    """Return a line picture as one of a user's hosts or settings might make it."""
    if rng.random() < GEOMETRIC_SHARE:
        return view.edges.astype(np.float32)
    return line_control(view, CANNY_THRESHOLDS[rng.integers(len(CANNY_THRESHOLDS))])
