"""Random arrangements: single objects, still lifes, houses, robots, cars, whole streets."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import bpy
from mathutils import Euler, Matrix, Vector

from training.scenes.meshes import MeshLibrary
from training.scenes.surfaces import GREY, Rgba, random_colour

Colour = Callable[[], Rgba]


@dataclass
class Stage:
    """Places mesh instances into the current Blender scene and removes them again."""

    library: MeshLibrary
    materials: list[bpy.types.Material]
    rng: random.Random
    objects: list[bpy.types.Object] = field(default_factory=list)
    extent: float = 1.0
    """Radius around the origin, metres, that holds everything worth looking at."""
    textured: bool = False

    def clear(self) -> None:
        """Remove every object of the last scene."""
        for obj in self.objects:
            bpy.data.objects.remove(obj)
        self.objects.clear()

    def put(
        self,
        mesh: str,
        place: Matrix,
        at: tuple[float, float, float] = (0, 0, 0),
        size: tuple[float, float, float] = (1, 1, 1),
        colour: Rgba = GREY,
        tilt: tuple[float, float, float] = (0, 0, 0),
    ) -> None:
        """Add one instance of ``mesh``, placed relative to ``place``."""
        obj = bpy.data.objects.new(f"object{len(self.objects)}", self.library.meshes[mesh])
        bpy.context.scene.collection.objects.link(obj)
        local = Matrix.Translation(at) @ Euler(tilt).to_matrix().to_4x4() @ Matrix.Diagonal((*size, 1))
        obj.matrix_world = place @ local
        obj.color = colour
        if self.textured:
            if not obj.data.materials:
                obj.data.materials.append(None)
            obj.material_slots[0].link = "OBJECT"
            obj.material_slots[0].material = self.rng.choice(self.materials)
        self.objects.append(obj)


def random_scene(stage: Stage) -> None:
    """Fill the stage with a new random scene."""
    rng = stage.rng
    stage.clear()
    stage.textured = rng.random() < 0.25
    colour: Colour = (lambda: GREY) if rng.random() < 0.25 else (lambda: random_colour(rng))
    floating = _add_ground(stage, colour)
    if rng.random() < 0.15:
        stage.put("cube", Matrix.Translation((0, 4, 0)), size=(12, 0.2, 5), colour=colour())
    city = rng.random() < 0.12
    count = rng.randint(8, 16) if city else rng.choice([1, 1, 2, 3, 4, 5, 6, 8])
    spread = 0.25 + 0.42 * count**0.5 if count > 1 else 0.0
    stage.extent = 0.9 + 0.55 * (count**0.5 if count > 1 else 0.8)
    for _ in range(count):
        lift = rng.choice([0, 0, 0, 0, 0.4]) if floating else 0.0
        at = (rng.uniform(-1.3, 1.3) * spread, rng.uniform(-1.3, 1.3) * spread, lift)
        turn = Matrix.Rotation(rng.uniform(0, 2 * math.pi), 4, "Z")
        place = Matrix.Translation(at) @ turn @ Matrix.Scale(rng.uniform(0.7, 1.5), 4)
        if city:
            _building(stage, place, colour)
        elif rng.random() < 0.45:
            rng.choice(COMPOUNDS)(stage, place, colour)
        else:
            _single(stage, place, colour)


def _add_ground(stage: Stage, colour: Colour) -> bool:
    """Add a floor, a terrain or nothing; True when objects may float."""
    rng = stage.rng
    kind = rng.random()
    if kind < 0.62:
        stage.put("plane", Matrix(), size=(40, 40, 1), colour=colour())
        return False
    if kind < 0.78:
        turn = Matrix.Rotation(rng.uniform(0, 2 * math.pi), 4, "Z")
        stage.put(
            rng.choice(stage.library.terrains),
            Matrix.Translation((0, 0, -0.3)) @ turn,
            size=(5, 5, 4),
            colour=colour(),
        )
    return True


def _single(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng = stage.rng
    size = (rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.3), rng.uniform(0.6, 1.6))
    tilt = (rng.uniform(-3, 3), rng.uniform(-3, 3), 0) if rng.random() < 0.2 else (0, 0, 0)
    stage.put(rng.choice(stage.library.solids), place, size=size, colour=colour(), tilt=tilt)


def _house(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng, wall, trim = stage.rng, colour(), colour()
    w, d, h = rng.uniform(0.7, 1.2), rng.uniform(0.6, 1), rng.uniform(0.5, 0.9)
    stage.put("cube", place, size=(w, d, h), colour=wall)
    stage.put("roof", place, (0, 0, h), (w * 1.15, d * 2.3, rng.choice([0.6, 0.9])), trim)
    stage.put("cube", place, (w * 0.2, -d / 2, 0), (0.16, 0.05, 0.3), trim)
    stage.put("cube", place, (-w * 0.2, -d / 2, 0.3), (0.2, 0.04, 0.2), trim)


def _tree(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng, leaves = stage.rng, colour()
    stage.put("cylinder", place, size=(0.25, 0.25, 0.5), colour=colour())
    if rng.random() < 0.5:
        for i in range(3):
            stage.put("cone", place, (0, 0, 0.3 + 0.3 * i), (0.8 - 0.18 * i, 0.8 - 0.18 * i, 0.5), leaves)
    else:
        stage.put(
            rng.choice(["sphere", "crystal", "blob2", "blob7"]), place, (0, 0, 0.35), (0.9, 0.9, 0.9), leaves
        )


def _table(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng, leg = stage.rng, colour()
    stage.put("cube", place, (0, 0, 0.6), (1.2, 0.8, 0.08), colour())
    for x, y in ((-0.5, -0.3), (-0.5, 0.3), (0.5, -0.3), (0.5, 0.3)):
        stage.put("cylinder", place, (x, y, 0), (0.12, 0.12, 0.6), leg)
    stage.put(
        rng.choice(stage.library.solids), place, (rng.uniform(-0.3, 0.3), 0, 0.68), (0.4, 0.4, 0.4), colour()
    )


def _robot(stage: Stage, place: Matrix, colour: Colour) -> None:
    body, limb = colour(), colour()
    stage.put("rounded", place, (0, 0, 0.45), (0.6, 0.4, 0.6), body)
    stage.put(stage.rng.choice(["sphere", "rounded", "cylinder"]), place, (0, 0, 1.05), (0.4, 0.4, 0.4), limb)
    for side in (-1, 1):
        stage.put("cylinder", place, (0.17 * side, 0, 0), (0.3, 0.3, 0.47), limb)
        stage.put("cylinder", place, (0.38 * side, 0, 0.5), (0.2, 0.2, 0.5), limb, (0, 0.3 * side, 0))


def _car(stage: Stage, place: Matrix, colour: Colour) -> None:
    stage.put("rounded", place, (0, 0, 0.15), (1.5, 0.7, 0.4), colour())
    stage.put("rounded", place, (-0.1, 0, 0.45), (0.8, 0.6, 0.4), colour())
    for x in (-0.45, 0.45):
        for y in (-0.3, 0.4):
            stage.put(
                "cylinder", place, (x, y, 0.18), (0.36, 0.36, 0.1), (0.05, 0.05, 0.05, 1), (math.pi / 2, 0, 0)
            )


def _tower(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng = stage.rng
    colours, floors = (colour(), colour()), rng.randint(2, 5)
    for i in range(floors):
        mesh = rng.choice(["cube", "cylinder", "hexagon", "frustum", "rounded"])
        stage.put(
            mesh,
            place,
            (0, 0, i * 0.45),
            (0.8 - 0.1 * i, 0.8 - 0.1 * i, 0.5),
            colours[i % 2],
            (0, 0, rng.random()),
        )
    top = rng.choice(["cone", "pyramid", "sphere", "roof"])
    stage.put(top, place, (0, 0, floors * 0.45), (0.5, 0.5, 0.4), colours[1])


def _building(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng, windows = stage.rng, colour()
    width, height = rng.uniform(0.4, 0.8), rng.uniform(0.8, 2.6)
    stage.put("cube", place, size=(width, width, height), colour=colour())
    for x in (-1, 0, 1):
        for z in range(int(height / 0.3) - 1):
            stage.put(
                "cube",
                place,
                (x * width * 0.28, -width / 2, z * 0.3 + 0.2),
                (width * 0.18, 0.03, 0.16),
                windows,
            )


def _arch(stage: Stage, place: Matrix, colour: Colour) -> None:
    stone = colour()
    for x in (-0.5, 0.5):
        stage.put("cube", place, (x, 0, 0), (0.25, 0.3, 1), stone)
    stage.put("cube", place, (0, 0, 1), (1.4, 0.35, 0.22), colour())


def _stack(stage: Stage, place: Matrix, colour: Colour) -> None:
    rng = stage.rng
    for i in range(3):
        stage.put(
            rng.choice(stage.library.solids),
            place,
            (0, 0, 0.4 * i),
            (0.5, 0.5, 0.5),
            colour(),
            (0, 0, rng.random() * 6),
        )


def _room(stage: Stage, place: Matrix, colour: Colour) -> None:
    for at, size in (((0, 1.5, 0), (3, 0.1, 2)), ((-1.5, 0, 0), (0.1, 3, 2))):
        stage.put("cube", place, at, size, colour())
    _table(stage, place @ Matrix.Translation(Vector((0.3, 0.4, 0))), colour)


COMPOUNDS = (_house, _tree, _table, _robot, _car, _tower, _building, _arch, _stack, _room)
