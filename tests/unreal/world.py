"""A scripted editor: a level with actors, a viewport, a content folder, undo; it draws, imports and ticks.

``World(folder)`` is a project in that folder; ``world.unreal`` is the module that the plugin imports:

    world = World(tmp_path)
    with installed(world.unreal):
        ...
        world.tick()

``world.faults`` makes it fail as editors do. What a test needs besides:
``world.scripts.script(name, function)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .facts import Contract
from .fake import FakeUnreal, contract
from .fake_objects import FakeObject
from .scripts import Scripts
from .stubs import NEWEST
from .world_assets import Assets
from .world_drawing import Drawing
from .world_level import LevelCalls
from .world_maths import Maths
from .world_sequence import Sequences

MAP = "/Game/Maps/Demo"


@dataclass
class Faults:
    """What goes wrong."""

    has_no_level: bool = False
    has_no_viewport: bool = False
    is_playing: bool = False
    refuses_spawns: bool = False
    refuses_render_targets: bool = False
    exports_nothing: bool = False
    exports_channels: tuple[str, ...] = ("R", "G", "B", "A")
    exports_png_always: bool = False
    has_readonly_content: bool = False
    refuses_imports: bool = False
    is_unattended: bool = False
    renders_nothing: bool = False
    """Movie Render Queue ends without a frame, and says that it failed."""


class World:
    """The editor and its project.

    Args:
        folder: Of the project; files land below it.
        engine: Version.
        known: What this engine has; read from its stub unless it is given.
        has_queue: Whether the plugin Movie Render Queue is on.
        with_scene: Whether the level has a ground, a sphere, a box and a camera.
    """

    def __init__(
        self,
        folder: Path,
        engine: str = NEWEST,
        *,
        known: Contract | None = None,
        has_queue: bool = True,
        with_scene: bool = True,
    ) -> None:
        self.folder, self.engine, self.faults = folder, engine, Faults()
        self.scripts = Scripts()
        self.unreal = FakeUnreal(known or contract(engine), self.scripts)
        self.maths = Maths(self.unreal)
        self.actors: list[Any] = []
        self.selected: list[Any] = []
        self.dirty: set[str] = set()
        """Packages with changes that are not saved."""

        self.history: list[tuple[str, list[Callable[[], None]]]] = []
        """What Undo would take back: words and steps, the newest last."""

        self._open: list[tuple[str, list[Callable[[], None]]]] = []
        self._subsystems: dict[type, Any] = {}
        self.viewport: tuple[tuple[float, float, float], tuple[float, float, float]] = (
            (-400.0, 0.0, 200.0),
            (0.0, -20.0, 0.0),
        )
        """Where the level viewport looks from: location, then roll, pitch, yaw."""

        self.console: dict[str, str] = {"r.CustomDepth": "1"}
        """Console variables; custom depth holds a stencil where that one is 3."""

        if not has_queue:
            self.unreal.remove(*(name for name in self._names() if name.startswith("MoviePipeline")))
        self.scripts.watchers.append(self._changing)
        self.scripts.on_transaction = self._transact
        self.scripts.script("get_editor_subsystem", self.subsystem)
        self.scripts.script("get_engine_subsystem", self.subsystem)
        self.level = LevelCalls(self)
        self.drawing = Drawing(self)
        self.assets = Assets(self)
        self.sequences = Sequences(self)
        self.open_map(MAP)
        if with_scene:
            self.level.furnish()
        self.dirty.clear()

    def _names(self) -> list[str]:
        return list(self.unreal._contract.names())

    def subsystem(self, kind: type) -> Any:
        """Return one of the editor's subsystems, always the same."""
        if kind not in self._subsystems:
            self._subsystems[kind] = kind()
        return self._subsystems[kind]

    def open_map(self, path: str) -> None:
        """Open another level: the actors of this one are no more."""
        self.level.close()
        package = self.unreal.Package(name=path)
        self.editor_world = self.unreal.World(package, path.rsplit("/", 1)[-1])
        self.persistent_level = self.unreal.Level(self.editor_world, "PersistentLevel")

    def save_level(self, path: str = "") -> None:
        """Save the level, as another one if a path is given: that one is open then, with the same actors."""
        package = self.editor_world.get_outermost()
        if path:
            package._name, self.editor_world._name = path, path.rsplit("/", 1)[-1]
        components = [component for actor in self.actors for component in actor._components]
        self.assets.keep_references(package.get_name(), components)

    def spawn(
        self,
        kind: str,
        label: str,
        location: Sequence[float] = (0.0, 0.0, 0.0),
        rotation: Sequence[float] = (0.0, 0.0, 0.0),
        scale: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> Any:
        """Put an actor into the level; the rotation is roll, pitch, yaw."""
        return self.level.add(getattr(self.unreal, kind), label, location, rotation, scale)

    def actor(self, label: str) -> Any:
        """Return the actor of this label."""
        (found,) = [actor for actor in self.actors if actor._label == label]
        return found

    def select(self, *labels: str) -> None:
        """Select actors, as an artist does."""
        self.selected = [self.actor(label) for label in labels]

    def tick(self, times: int = 1, seconds: float = 1 / 60) -> None:
        """Let the editor tick, and Movie Render Queue with it."""
        for _ in range(times):
            self.sequences.advance()
            self.scripts.tick(seconds)

    def undo(self) -> str:
        """Take the last transaction back; return its words."""
        words, steps = self.history.pop()
        for step in reversed(steps):
            step()
        return words

    def journal(self, step: Callable[[], None]) -> None:
        """Remember how to take something back, if a transaction is open."""
        if self._open:
            self._open[0][1].append(step)

    def change(self, target: Any, attribute: str, value: Any) -> None:
        """Set a hidden attribute of an object so that Undo takes it back."""
        before = getattr(target, attribute, None)
        self.journal(lambda: object.__setattr__(target, attribute, before))
        object.__setattr__(target, attribute, value)

    def touch(self, target: FakeObject) -> None:
        """Mark what an object is saved in as changed."""
        package = target.get_outermost()
        if isinstance(package, self.unreal.Package) and not _is_transient(target):
            self.dirty.add(package.get_name())

    def said(self, level: str = "error") -> list[str]:
        """Return the lines of the log: ``log``, ``warning`` or ``error``."""
        return [words for kind, words in self.scripts.log if kind == level]

    def _changing(self, target: FakeObject, name: str, before: Any) -> None:
        was_set = name in target._values

        def back() -> None:
            if was_set:
                target._values[name] = before
            else:
                target._values.pop(name, None)

        self.journal(back)
        self.touch(target)

    def _transact(self, kind: str, words: str) -> None:
        if kind == "begin":
            self._open.append((words, []))
        elif kind == "cancel" and self._open:
            self._open[0][1].clear()  # as in the engine: what was done stays, and is no step of undo
        elif kind == "end":
            outermost = self._open[0]
            self._open.pop()
            if not self._open and outermost[1]:
                self.history.append(outermost)


def _is_transient(target: Any) -> bool:
    while target is not None:
        if getattr(target, "_is_transient", False):
            return True
        target = target._outer
    return False
