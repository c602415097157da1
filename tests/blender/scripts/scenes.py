"""Scenes and cameras that the tests look at."""

import bpy
from mathutils import Vector

CAMERAS = (
    "perspective",
    "orthographic",
    "shifted",
    "shifted_orthographic",
    "rolled_vertical_fit",
    "scaled_object",
    "anamorphic",
)
"""All are looked through at 16:9."""


def clear() -> None:
    """Start from an empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    if scene.world is None:
        scene.world = bpy.data.worlds.new("World")


def collections() -> list[str]:
    """Return the names of the lists of datablocks."""
    lists = [prop.identifier for prop in bpy.types.BlendData.bl_rna.properties if prop.type == "COLLECTION"]
    return [name for name in lists if name != "all_ids"]  # Blender 5.2's list of all of them


def datablocks() -> set[str]:
    """Return the kind and name of each datablock of the file."""
    return {f"{kind}/{item.name}" for kind in collections() for item in getattr(bpy.data, kind)}


def solids() -> None:
    """A floor with a monkey, a torus, a cone, a curve, and one mesh shown by two instances."""
    clear()
    ops = bpy.ops.mesh
    ops.primitive_plane_add(size=14)
    ops.primitive_monkey_add(size=2, location=(0, 0, 1.2), rotation=(0, 0, 0.5))
    bpy.context.object.modifiers.new("Triangulate", "TRIANGULATE")  # a flat triangle has one normal
    ops.primitive_torus_add(location=(-2.6, 1.5, 0.6), rotation=(0.7, 0.3, 0), major_segments=48)
    ops.primitive_cone_add(location=(2.5, 2.2, 1.2), radius1=1.1, depth=2.4, vertices=48)
    bpy.context.object.scale.x = -1.0  # mirrored, as artists do
    ops.primitive_cube_add(size=0.8, location=(1.6, -1.6, 0.4), rotation=(0, 0, 0.4))
    bpy.context.object.modifiers.new("Subdivision", "SUBSURF").levels = 2
    bpy.context.object.modifiers.new("Triangulate", "TRIANGULATE")
    for mesh in bpy.data.meshes:
        mesh.polygons.foreach_set("use_smooth", [False] * len(mesh.polygons))
    bpy.ops.curve.primitive_bezier_circle_add(radius=0.8, location=(-1.7, -1.6, 0.5), rotation=(0.9, 0.2, 0))
    bpy.context.object.data.bevel_depth = 0.15
    group = bpy.data.collections.new("Group")
    pebble = bpy.data.objects.new("Pebble", bpy.data.meshes["Torus"])
    group.objects.link(pebble)
    for place in ((3.8, -0.6, 0.5), (-4.0, -0.8, 0.5)):
        empty = bpy.data.objects.new("Instancer", None)
        empty.instance_type, empty.instance_collection = "COLLECTION", group
        empty.location, empty.scale = place, (0.5, 0.5, 0.5)
        bpy.context.scene.collection.objects.link(empty)


def camera(kind: str) -> bpy.types.Object:
    """Make a camera of one of the ``CAMERAS`` the active one."""
    data = bpy.data.cameras.new(kind)
    item = bpy.data.objects.new(kind, data)
    scene = bpy.context.scene
    scene.collection.objects.link(item)
    scene.camera = item
    eye, target = Vector((1.5, -9.0, 4.2)), Vector((0.1, 0.2, 0.9))
    item.location, item.rotation_euler = eye, (target - eye).to_track_quat("-Z", "Y").to_euler()
    data.clip_start, data.clip_end = 0.5, 60.0
    if "orthographic" in kind:
        data.type, data.ortho_scale = "ORTHO", 9.0
    if "shifted" in kind:
        data.shift_x, data.shift_y = 0.17, -0.11
    if kind == "rolled_vertical_fit":
        item.rotation_euler.rotate_axis("Z", 0.5)
        data.sensor_fit, data.lens = "VERTICAL", 30.0
    elif kind == "scaled_object":
        item.scale = (3.0, 2.0, 0.4)
    elif kind == "anamorphic":
        scene.render.pixel_aspect_x = 2.0
    bpy.context.view_layer.update()
    return item


def paint(item: bpy.types.Object, color: tuple[float, float, float]) -> None:
    """Give an object its viewport colour."""
    item.color = (*color, 1.0)
