"""The shapes that scenes are built from, all scaled to a unit box that stands on z = 0."""

import math
import random

import bpy
import numpy as np
from mathutils import Vector, noise

Point = tuple[float, float, float]
Faces = list[tuple[int, ...]]
LETTERS = ("AB", "Hi", "7", "&", "K2", "@", "Art", "R")


class MeshLibrary:
    """Named unit meshes; ``solids`` can stand anywhere, ``terrains`` and ``plane`` are grounds."""

    def __init__(self, rng: random.Random) -> None:
        self.meshes: dict[str, bpy.types.Mesh] = {}
        self._primitives()
        self._prisms()
        self._lathes()
        self._blobs(rng)
        self._letters()
        self._pipes(rng)
        self.solids = [name for name in self.meshes if name != "roof"]
        self.terrains = self._terrains(rng)
        bpy.ops.mesh.primitive_plane_add(size=2)
        self._keep("plane", normalise=False)

    def _primitives(self) -> None:
        add = bpy.ops.mesh
        for name, operator, options, smooth in (
            ("cube", add.primitive_cube_add, {}, False),
            ("sphere", add.primitive_uv_sphere_add, {"segments": 48, "ring_count": 24}, True),
            ("gem", add.primitive_ico_sphere_add, {"subdivisions": 1}, False),
            ("crystal", add.primitive_ico_sphere_add, {"subdivisions": 2}, False),
            ("cylinder", add.primitive_cylinder_add, {"vertices": 40, "depth": 2}, False),
            ("hexagon", add.primitive_cylinder_add, {"vertices": 6, "depth": 1.5}, False),
            ("cone", add.primitive_cone_add, {"vertices": 40}, False),
            ("pyramid", add.primitive_cone_add, {"vertices": 4}, False),
            ("frustum", add.primitive_cone_add, {"vertices": 32, "radius1": 1, "radius2": 0.6}, False),
            ("ring", add.primitive_torus_add, {"minor_radius": 0.15, "major_segments": 48}, True),
            ("donut", add.primitive_torus_add, {"minor_radius": 0.4, "major_segments": 48}, True),
            ("nut", add.primitive_torus_add, {"minor_radius": 0.25, "major_segments": 8}, False),
        ):
            operator(**options)
            self._keep(name, smooth=smooth)
        add.primitive_cube_add()
        bevel = bpy.context.object.modifiers.new("bevel", "BEVEL")
        bevel.width, bevel.segments = 0.25, 4
        self._keep("rounded", smooth=True)

    def _prisms(self) -> None:
        def around(n: int, radius: list[float]) -> list[tuple[float, float]]:
            turn = 2 * math.pi / n
            return [
                (radius[i % len(radius)] * math.cos(i * turn), radius[i % len(radius)] * math.sin(i * turn))
                for i in range(n)
            ]

        self._prism("star", around(10, [0.45, 1.0]), 0.5)
        self._prism("gear", around(40, [1.0, 1.0, 0.8, 0.8]), 0.4)
        self._prism("angle", [(0, 0), (2, 0), (2, 0.7), (0.7, 0.7), (0.7, 2), (0, 2)], 0.8)
        self._prism(
            "stairs",
            [(0, 0), (2, 0)] + [(2 - 0.4 * (i // 2), 0.3 * ((i + 1) // 2)) for i in range(1, 10)],
            1.4,
        )
        roof = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (-1, 0, 1), (1, 0, 1)]
        self._from_faces("roof", roof, [(0, 3, 2, 1), (0, 1, 5, 4), (2, 3, 4, 5), (1, 2, 5), (3, 0, 4)])

    def _prism(self, name: str, outline: list[tuple[float, float]], height: float) -> None:
        n = len(outline)
        points: list[Point] = [(x, y, z) for z in (0.0, height) for x, y in outline]
        sides = [(i, (i + 1) % n, (i + 1) % n + n, i + n) for i in range(n)]
        self._from_faces(name, points, [tuple(range(n))[::-1], tuple(range(n, 2 * n)), *sides])

    def _lathes(self) -> None:
        rings, segments = 14, 36
        for k in range(8):
            radii = [
                max(0.06, 0.5 + 0.45 * math.sin(k * 1.7 + i * (0.3 + 0.09 * k)) * math.cos(i * 0.2 * k))
                for i in range(rings)
            ]
            turns = [2 * math.pi * j / segments for j in range(segments)]
            points = [
                (r * math.cos(a), r * math.sin(a), i * 0.14) for i, r in enumerate(radii) for a in turns
            ]
            faces: Faces = [
                (
                    i * segments + j,
                    i * segments + (j + 1) % segments,
                    (i + 1) * segments + (j + 1) % segments,
                    (i + 1) * segments + j,
                )
                for i in range(rings - 1)
                for j in range(segments)
            ]
            caps = [tuple(range(segments))[::-1], tuple(range((rings - 1) * segments, rings * segments))]
            self._from_faces(f"lathe{k}", points, faces + caps, smooth=True)

    def _blobs(self, rng: random.Random) -> None:
        for k in range(10):
            bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=5 if k < 6 else 3)
            frequency, amount = rng.uniform(0.7, 2.2), rng.uniform(0.4, 0.95)
            for vertex in bpy.context.object.data.vertices:
                vertex.co *= 1 + amount * noise.noise(vertex.co * frequency + Vector((k * 7.1, 0, 0)))
            self._keep(f"blob{k}", smooth=k < 6)

    def _letters(self) -> None:
        for k, text in enumerate(LETTERS):
            bpy.ops.object.text_add(rotation=(math.pi / 2, 0, 0))
            curve = bpy.context.object.data
            curve.body, curve.extrude, curve.bevel_depth = text, 0.15, 0.01
            bpy.ops.object.convert(target="MESH")
            bpy.ops.object.transform_apply(rotation=True)
            self._keep(f"letter{k}")

    def _pipes(self, rng: random.Random) -> None:
        for k in range(6):
            curve = bpy.data.curves.new("pipe", "CURVE")
            curve.dimensions, curve.bevel_depth = "3D", rng.uniform(0.08, 0.2)
            spline = curve.splines.new("BEZIER" if k % 2 else "POLY")
            points = spline.bezier_points if k % 2 else spline.points
            points.add(rng.randint(2, 5))
            for point in points:
                place = [rng.uniform(-1, 1) for _ in range(3)]
                point.co = place if k % 2 else (*place, 1)
                if k % 2:
                    point.handle_left_type = point.handle_right_type = "AUTO"
            self._select(bpy.data.objects.new("pipe", curve))
            self._keep(f"pipe{k}", smooth=True)

    def _terrains(self, rng: random.Random) -> list[str]:
        names = [f"terrain{k}" for k in range(5)]
        for k, name in enumerate(names):
            bpy.ops.mesh.primitive_grid_add(x_subdivisions=90, y_subdivisions=90, size=2)
            height, frequency = rng.uniform(0.1, 0.35), rng.uniform(1, 2.5)
            for vertex in bpy.context.object.data.vertices:
                where = Vector((vertex.co.x * frequency + k * 9, vertex.co.y * frequency, 0))
                vertex.co.z = height * noise.fractal(where, 1, 2, 4)
            self._keep(name, smooth=k % 2 == 0, normalise=False)
        return names

    def _from_faces(self, name: str, points: list[Point], faces: Faces, smooth: bool = False) -> None:
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(points, [], faces)
        self._select(bpy.data.objects.new(name, mesh))
        self._keep(name, smooth=smooth)

    def _select(self, obj: bpy.types.Object) -> None:
        bpy.context.scene.collection.objects.link(obj)
        bpy.ops.object.select_all(action="DESELECT")
        bpy.context.view_layer.objects.active = obj
        obj.select_set(True)

    def _keep(self, name: str, smooth: bool = False, normalise: bool = True) -> None:
        bpy.ops.object.convert(target="MESH")
        obj = bpy.context.object
        mesh = obj.data
        mesh.use_fake_user = True
        mesh.polygons.foreach_set("use_smooth", [smooth] * len(mesh.polygons))
        if normalise:
            _fit_unit_box(mesh)
        self.meshes[name] = mesh
        bpy.data.objects.remove(obj)


def _fit_unit_box(mesh: bpy.types.Mesh) -> None:
    points = np.zeros(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    xyz = points.reshape(-1, 3)
    low, high = xyz.min(0), xyz.max(0)
    xyz -= (low + high) / 2
    xyz[:, 2] -= xyz[:, 2].min()
    xyz /= max(float((high - low).max()), 1e-4)
    mesh.vertices.foreach_set("co", xyz.ravel())
    mesh.update()
