"""An editor in plain Python: it writes the files that an engine would, and remembers what it was told."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import OpenEXR
from PIL import Image

LEVEL = "/Game/Maps/Main.Main"


def png_file(width: int, height: int, seed: int = 0) -> bytes:
    """A picture with an alpha that means nothing."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    pixels[..., 3] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def exr_file(folder: Path, width: int, height: int, near: float = 200.0, far: float = 2000.0) -> bytes:
    """A floor that runs off, under a sky; centimetres."""
    depth = np.repeat(np.linspace(far, near, height), width).reshape(height, width).astype(np.float16)
    depth[: height // 4] = 65504
    return written(folder, {name: depth.copy() for name in "RGBA"})


def normal_file(folder: Path, width: int, height: int) -> bytes:
    """A floor that faces up, below a wall that faces whoever looks along X; in Unreal's world."""
    up = np.zeros((height, width), np.float16)
    up[height // 2 :] = 1
    return written(folder, {"R": up - np.float16(1), "G": up * 0, "B": up})


def written(folder: Path, channels: dict[str, np.ndarray]) -> bytes:
    path = folder / "plain.exr"
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))
    return path.read_bytes()


class PlainEye:
    """A level with one camera."""

    def __init__(self, core: Any, folder: Path) -> None:
        self._core, self._folder = core, folder
        self.path = LEVEL
        self.changes = 0
        self.yaw = 0.0
        self.chosen: list[str] = []
        self.bound: Sequence[Any] = ()
        self.captures: list[tuple[Any, frozenset[str]]] = []
        self.fault: Exception | None = None

    def cameras(self) -> Sequence[str]:
        return ["Camera"]

    def level(self) -> str:
        self._fail()
        return self.path

    def view(self, source: Any) -> Any:
        self._fail()
        side = source.longest_side
        width, height = source.size or (side, side * 3 // 4 // 8 * 8)
        return self._core("core.axes").View((0.0, 0.0, 150.0), (0.0, -10.0, self.yaw), width, height)

    def seen(self, view: Any) -> Any:
        self._fail()
        return view, self.changes

    def selected(self) -> Sequence[str]:
        return self.chosen

    def selected_paths(self) -> Sequence[str]:
        return [f"{LEVEL}:PersistentLevel.{label}" for label in self.chosen]

    def names(self) -> Any:
        wire = self._core("_bridge.protocol")
        objects = tuple(wire.SceneObject(label) for label in ("Ball", "Box: old", "arch"))
        return wire.Names(objects, (wire.Named("Props"),), (wire.Named("Steel"),))

    def capture(
        self,
        view: Any,
        passes: frozenset[str] = frozenset(),
        *,
        bound: Sequence[Any] = (),
        is_live: bool = False,
    ) -> Any:
        self._fail()
        self.captures.append((view, passes))
        self.bound = bound
        depth = exr_file(self._folder, view.width, view.height)
        normal = normal_file(self._folder, view.width, view.height) if "normal" in passes else None
        files = self._core("core.editor").Files
        return files(view, png_file(view.width, view.height, self.changes), depth, normal)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


class PlainShelf:
    """Results, by path."""

    def __init__(self, core: Any) -> None:
        self._core = core
        self.pictures: dict[str, bytes] = {}
        self.kept: dict[str, Any] = {}
        self.fault: Exception | None = None

    def keep(self, png: bytes, recipe: str, view: str, workflow: str) -> str:
        if self.fault is not None:
            raise self.fault
        name = f"FB_{len(self.pictures) + 1:04}"
        asset = f"/Game/Framebridge/Results/{name}"
        size = Image.open(io.BytesIO(png)).size
        self.pictures[asset] = png
        self.kept[asset] = self._core("core.editor").Kept(asset, name, recipe, view, size)
        return asset

    def results(self) -> Sequence[Any]:
        return list(reversed(self.kept.values()))

    def delete(self, asset: str) -> None:
        del self.kept[asset]

    def picture(self, asset: str) -> bytes:
        return self.pictures[asset]


class PlainStage:
    """Remembers every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, *arguments, *options.values()))
            return {"views": [], "project": 3}.get(name)

        return call


class PlainReel:
    """Renders a frame at each look at the progress."""

    def __init__(self, core: Any, folder: Path) -> None:
        self._core, self._folder = core, folder
        self.range = range(1, 5)
        self.opened = "/Game/Shots/Flight"
        self.begun: list[range] = []
        self.taken: list[tuple[Any, ...]] = []
        self.fault = ""
        self._left: list[int] = []
        self._target: tuple[int, int, Path] = 0, 0, folder

    def sequences(self) -> Sequence[str]:
        return ["/Game/Shots/Flight", "/Game/Shots/Landing"]

    def open_sequence(self) -> str:
        return self.opened

    def frames(self, sequence: str) -> tuple[range, float]:
        return self.range, 24.0

    def begin(self, sequence: str, frames: range, size: tuple[int, int], folder: Path) -> None:
        self.begun.append(frames)
        self._left = list(frames)
        self._target = *size, folder

    def progress(self) -> tuple[bool, float, str]:
        if not self._left or self.fault:
            return True, 1.0, self.fault
        number, (width, height, folder) = self._left.pop(0), self._target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"color_{number:04}.png").write_bytes(png_file(width, height, number))
        depth = exr_file(self._folder, width, height, near=100.0 * number)
        (folder / f"depth_{number:04}.exr").write_bytes(depth)
        return False, 0.5, ""

    def rendered(self, folder: Path) -> Sequence[Any]:
        rendered = self._core("core.editor").Rendered
        numbers = sorted(int(file.stem[-4:]) for file in folder.glob("color_*.png"))
        files = [
            (number, folder / f"color_{number:04}.png", folder / f"depth_{number:04}.exr")
            for number in numbers
        ]
        return [rendered(*parts) for parts in files if parts[2].exists()]

    def cancel(self) -> None:
        self._left = []

    def take_in(self, folder: Path, first: int, frames_per_second: float, name: str) -> str:
        self.taken.append((folder, first, frames_per_second, name))
        return f"/Game/Framebridge/Sequences/{name}"


class PlainEditor:
    """All of it."""

    version = "5.6.0"
    is_playing = False

    def __init__(self, core: Any, folder: Path) -> None:
        self.saved_folder = folder / "Saved"
        self.saved_folder.mkdir(parents=True, exist_ok=True)
        self.eye, self.shelf = PlainEye(core, folder), PlainShelf(core)
        self.stage, self.reel = PlainStage(), PlainReel(core, folder)
        self.told: list[Any] = []
        self.warned: list[Any] = []
        self.notes: list[str] = []
        self.transactions: list[str] = []

    @contextlib.contextmanager
    def transaction(self, words: str) -> Iterator[None]:
        self.transactions.append(words)
        yield

    def warn(self, problem: Any) -> None:
        self.warned.append(problem)

    def tell(self, problem: Any) -> None:
        self.told.append(problem)

    def note(self, words: str) -> None:
        self.notes.append(words)


def errors_of(core: Any) -> ModuleType:
    return core("_bridge.errors")
