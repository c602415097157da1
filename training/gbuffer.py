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

    def view(self, index: int) -> "View":
        """Return one view."""
        return View(**{name: np.array(plane[index]) for name, plane in self.planes.items()})


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

    def cropped(self, window: tuple[slice, slice]) -> Self:
        """Return the part inside a window (rows, columns)."""
        return type(self)(*(getattr(self, name)[window] for name in PLANES))

    def mirrored(self) -> Self:
        """Return the view as a mirror shows it: left is right."""
        view = type(self)(*(np.ascontiguousarray(getattr(self, name)[:, ::-1]) for name in PLANES))
        view.normal[..., 0] = 255 - view.normal[..., 0]
        return view

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
        normals = self.normal.astype(np.float32)
        normals *= np.float32(1 / 127.5)
        normals -= 1
        length = np.sqrt(np.einsum("hwc,hwc->hw", normals, normals))
        normals /= np.maximum(length, np.float32(1e-6))[..., None]
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
            facing = np.einsum("hwc,hwc->hw", self.normals[first], self.normals[second])
            both = ~(self.sky[first] | self.sky[second])
            jump = np.abs(near - far) > DEPTH_JUMP * np.maximum(near, far) + 1e-6
            broken = (ids[first] != ids[second]) | jump | ((facing < CREASE_COSINE) & both)
            edges[first] |= broken & (near >= far)
            edges[second] |= broken & (near < far)
        return edges

    def outline(self, width: float) -> Plane:
        """Soft edge lines ``width`` pixels wide, 0..1, shape (H, W, 1)."""
        lines = self.edges.astype(np.float32)
        if width > 1.5:
            lines = cv2.dilate(lines, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (round(width),) * 2))
        soft = cv2.GaussianBlur(lines, (0, 0), 0.7)
        return np.minimum(soft * np.float32(1.5 if width <= 1.5 else 1.15), 1)[..., None]

    @cached_property
    def occlusion(self) -> Plane:
        """Screen-space ambient light, 1 is open, shape (H, W, 1).

        What lies much nearer hides nothing: it would draw a dark halo on the distance.
        """
        light = np.ones(self.shape, np.float32)
        scale = 1 / np.maximum(self.disparity, np.float32(1e-4))
        for sigma, step in ((2.5, 2), (7.0, 4), (16.0, 8)):
            covered = _blur(self.disparity, sigma, step) * scale - 1
            light *= 1 - 0.5 * np.clip(2.2 * covered, 0, 1) * np.clip(1.5 - covered, 0.3, 1)
        light[self.sky] = 1
        return light[..., None]


def _blur(plane: Plane, sigma: float, step: int) -> Plane:
    """Blur widely by way of a plane ``step`` times smaller; slopes go on beyond the border."""
    height, width = plane.shape
    rows, columns = max(height // step, 2), max(width // step, 2)
    small = cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA)
    margin = min(5, rows - 1, columns - 1)
    sides = (margin,) * 4
    mirrored = cv2.copyMakeBorder(small, *sides, cv2.BORDER_REFLECT_101)
    wide = 2 * cv2.copyMakeBorder(small, *sides, cv2.BORDER_REPLICATE) - mirrored
    wide = cv2.GaussianBlur(wide, (0, 0), sigma / step)
    top, left = round(margin * height / rows), round(margin * width / columns)
    full = cv2.resize(wide, (width + 2 * left, height + 2 * top))
    return full[top : top + height, left : left + width]


def _neighbours(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    before, after = slice(None, -1), slice(1, None)
    keep = slice(None)
    return ((before, keep), (after, keep)) if axis == 0 else ((keep, before), (keep, after))
