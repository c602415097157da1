from collections.abc import Iterator

import numpy as np
import pytest
import torch

from training.gbuffer import View


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    """Training needs them; the engine's own tests turn them off for the whole process."""
    with torch.enable_grad():
        yield


@pytest.fixture
def view() -> View:
    """A box of 64 pixels: sky above, a floor below, a tilted square in the middle."""
    size = 64
    depth = np.full((size, size), np.inf, np.float16)
    normal = np.full((size, size, 3), 127, np.uint8)
    normal[..., 2] = 255
    ids = np.zeros((size, size), np.uint8)
    depth[40:] = np.linspace(9, 3, 24)[:, None]
    normal[40:] = (127, 255, 127)
    ids[40:] = 1
    depth[20:50, 20:44] = 2.5
    normal[20:50, 20:44] = (60, 180, 220)
    ids[20:50, 20:44] = 2
    albedo = np.full((size, size, 3), 90, np.uint8)
    albedo[ids == 2] = (200, 80, 40)
    return View(color=albedo // 2 + 40, albedo=albedo, normal=normal, object_id=ids, depth=depth)
