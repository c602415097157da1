"""Scenes with a closed form, so that depth, normals and edges are known."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.imaging import to_plane
from bridge.protocol import Camera, Frame

IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def perspective(width: int, height: int, scale: float = 2.0, shift: tuple[float, float] = (0, 0)) -> Camera:
    """A camera with vertical scale ``scale`` and a shifted lens."""
    near, far = 0.1, 100.0
    rows = (
        (scale * height / width, 0.0, shift[0], 0.0),
        (0.0, scale, shift[1], 0.0),
        (0.0, 0.0, -(far + near) / (far - near), -2 * far * near / (far - near)),
        (0.0, 0.0, -1.0, 0.0),
    )
    return Camera(IDENTITY, tuple(value for row in rows for value in row), near, far)


def orthographic(width: int, height: int, view_height: float = 4.0) -> Camera:
    """A camera whose picture is ``view_height`` metres high."""
    scale = 2 / view_height
    rows = (
        (scale * height / width, 0.0, 0.0, 0.0),
        (0.0, scale, 0.0, 0.0),
        (0.0, 0.0, -0.02, -1.0),
        (0.0, 0.0, 0.0, 1.0),
    )
    return Camera(IDENTITY, tuple(value for row in rows for value in row), 0.1, 100.0)


def plane_depth(
    camera: Camera, size: tuple[int, int], normal: tuple[float, float, float], distance: float
) -> NDArray[np.float32]:
    """Depth of the plane n·p = −distance through each pixel's centre; sky where the ray misses it."""
    width, height = size
    matrix = np.array(camera.projection).reshape(4, 4)
    x = (np.arange(width) + 0.5) * 2 / width - 1
    y = 1 - (np.arange(height) + 0.5) * 2 / height
    n = np.array(normal) / np.linalg.norm(normal)
    if camera.is_perspective:
        a = ((x + matrix[0, 2]) / matrix[0, 0])[None, :]
        b = ((y + matrix[1, 2]) / matrix[1, 1])[:, None]
        inverse = -(n[0] * a + n[1] * b - n[2]) / distance
        with np.errstate(divide="ignore"):
            return np.where(inverse > 1e-4, 1 / inverse, np.inf).astype(np.float32)
    right, up = (x / matrix[0, 0])[None, :], (y / matrix[1, 1])[:, None]
    return ((n[0] * right + n[1] * up + distance) / n[2] * np.ones((height, width))).astype(np.float32)


@pytest.fixture(scope="session")
def scene() -> SimpleNamespace:
    """The functions above; tests cannot import this file."""
    return SimpleNamespace(perspective=perspective, orthographic=orthographic, plane_depth=plane_depth)


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """Builds a small frame from keyword planes; colour and a tilted floor unless given."""

    def make(**planes: NDArray[np.generic] | None) -> Frame:
        rows = np.linspace(2, 40, 32, dtype=np.float32)[::-1, None]
        given: dict[str, NDArray[np.generic] | None] = {
            "color": np.full((32, 48, 3), 90, np.uint8),
            "depth": np.broadcast_to(rows, (32, 48)),
            **planes,
        }
        return Frame({name: to_plane(name, array) for name, array in given.items() if array is not None})

    return make
