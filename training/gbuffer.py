"""Shards of views on disk, and what the style targets and the controls derive from one view."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

PLANES = ("color", "albedo", "normal", "object_id", "depth")
CREASE_COSINE = 0.72
DEPTH_JUMP = 0.12


@dataclass(frozen=True)
class Shard:
    """The memory-mapped planes of many views of one size, see `training.scenes.capture.GBuffer`."""

    planes: dict[str, np.ndarray]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map a shard's files without reading them."""
        return cls({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in PLANES})

    def __len__(self) -> int:
        return len(self.planes["color"])

    def view(self, index: int, window: tuple[slice, slice] = (slice(None), slice(None))) -> "View":
        """Return one view, or the part of it inside ``window``."""
        return View(**{name: np.array(plane[index][window]) for name, plane in self.planes.items()})

    def random_crop(self, rng: np.random.Generator, size: int) -> "View":
        """Return a random square of a random view; whole pixels of the scene, no resampling."""
        height, width = self.planes["depth"].shape[1:]
        top, left = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
        return self.view(int(rng.integers(len(self))), (slice(top, top + size), slice(left, left + size)))


def open_shards(folder: Path) -> list[Shard]:
    """Map every finished shard in a folder, in the order of their names."""
    return [Shard.open(path) for path in sorted(folder.glob("scenes-*")) if path.suffix != ".part"]


@dataclass(frozen=True)
class View:
    """One view's raw planes, and the quantities that styles are functions of; all (H, W) or (H, W, 3)."""

    color: np.ndarray
    albedo: np.ndarray
    normal: np.ndarray
    object_id: np.ndarray
    depth: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.depth.shape
        return height, width

    @cached_property
    def sky(self) -> NDArray[np.bool_]:
        """Where nothing is."""
        return np.isinf(self.depth)

    @cached_property
    def surface_colour(self) -> Plane:
        """Albedo, 0..1 sRGB."""
        return self.albedo.astype(np.float32) / 255

    @cached_property
    def normals(self) -> Plane:
        """Unit camera-space normals (x right, y up, z to the viewer); sky looks at the viewer."""
        normals = self.normal.astype(np.float32) / 127.5 - 1
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
        normals[self.sky] = (0, 0, 1)
        return normals

    @cached_property
    def disparity(self) -> Plane:
        """1 / depth, sky 0."""
        return np.where(self.sky, 0, 1 / np.maximum(self.depth.astype(np.float32), 1e-3)).astype(np.float32)

    @cached_property
    def nearness(self) -> Plane:
        """Disparity scaled so that the picture's nearest surface is 1; sky 0."""
        solid = self.disparity[~self.sky]
        top = float(np.percentile(solid, 99)) if solid.size else 1.0
        return np.clip(self.disparity / max(top, 1e-6), 0, 1)

    @cached_property
    def edges(self) -> NDArray[np.bool_]:
        """One-pixel geometric edges: silhouettes, object borders, creases; on the nearer side."""
        edges = np.zeros(self.shape, bool)
        ids = self.object_id
        for axis in (0, 1):
            first, second = _neighbours(axis)
            near, far = self.disparity[first], self.disparity[second]
            facing = (self.normals[first] * self.normals[second]).sum(-1)
            both = ~(self.sky[first] | self.sky[second])
            jump = np.abs(near - far) > DEPTH_JUMP * np.maximum(near, far) + 1e-6
            broken = (ids[first] != ids[second]) | jump | ((facing < CREASE_COSINE) & both)
            edges[first] |= broken & (near >= far)
            edges[second] |= broken & (near < far)
        return edges

    def outline(self, width: float) -> Plane:
        """Soft edge lines ``width`` pixels wide, 0..1, shape (H, W, 1)."""
        lines = self.edges.astype(np.uint8)
        if width > 1.5:
            lines = cv2.dilate(lines, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (round(width),) * 2))
        return cv2.GaussianBlur(lines.astype(np.float32), (0, 0), 0.45)[..., None]

    @cached_property
    def occlusion(self) -> Plane:
        """Screen-space ambient light, 1 is open, shape (H, W, 1)."""
        light = np.ones(self.shape, np.float32)
        for sigma in (2.5, 6.0):
            around = cv2.GaussianBlur(self.disparity, (0, 0), sigma)
            covered = (around - self.disparity) / np.maximum(self.disparity, 1e-4) * 2.2
            light *= 1 - 0.55 * np.clip(covered, 0, 1)
        light[self.sky] = 1
        return light[..., None]


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    before, after = slice(None, -1), slice(1, None)
    keep = slice(None)
    return ((before, keep), (after, keep)) if axis == 0 else ((keep, before), (keep, after))
