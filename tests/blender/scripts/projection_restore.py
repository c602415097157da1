"""Take projections off again, and look for what is left."""

from collections.abc import Callable
from typing import Any

import bpy
from framebridge.projection import (
    BakeOptions,
    all_views,
    bake,
    keep_bake,
    project,
    remove_projection,
    remove_view,
    views_of,
)
from harness import report
from projection_scene import build, capture, look_from, picture

SMALL = BakeOptions(size=512)


def removed() -> dict[str, Any]:
    """Whatever was done to the objects: they are as before, and nothing is left in the file."""
    return {name: _differences(steps) for name, steps in STEPS.items()}


def _project() -> list[bpy.types.Object]:
    return list(project(picture(), capture()).objects)


def _twice() -> list[bpy.types.Object]:
    first = _project()
    scene = bpy.context.scene
    camera, scene.camera = scene.camera, look_from((7.5, -6.0, 5.0))
    second = _project()
    bpy.data.cameras.remove(scene.camera.data)
    scene.camera = camera
    return list(dict.fromkeys([*first, *second]))


def _bake() -> list[bpy.types.Object]:
    objects = _project()
    bake(objects, SMALL)
    return objects


def _bake_to_new_maps() -> list[bpy.types.Object]:
    objects = _project()
    bake(objects, BakeOptions(size=512, uv_map="NEW"))
    return objects


def _bake_under_agx() -> list[bpy.types.Object]:
    bpy.context.scene.view_settings.view_transform = "AgX"
    objects = _bake()
    _project()
    bpy.context.scene.view_settings.view_transform = "Standard"
    return objects


STEPS: dict[str, Callable[[], list[bpy.types.Object]]] = {
    "projected": _project,
    "two views": _twice,
    "baked": _bake,
    "baked to new maps": _bake_to_new_maps,
    "baked under AgX, projected again": _bake_under_agx,
}


def views_removed() -> list[str]:
    """Removing every view, one by one, restores as well."""

    def steps() -> list[bpy.types.Object]:
        _twice()
        for view in all_views():
            remove_view(view)
        return []

    return _differences(steps)


def one_of_two() -> dict[str, Any]:
    """Two objects share a mesh without materials: the slot goes when the second one is restored."""
    _odd_scene()
    first, second = bpy.data.objects["Twin"], bpy.data.objects["Twin.001"]
    project(picture(), capture(), [first, second])
    slots = [len(first.material_slots)]
    remove_projection([first])
    slots.append(len(second.material_slots))
    kept = len(views_of(second)), second.material_slots[0].material is not None
    remove_projection([second])
    slots.append(len(first.material_slots))
    return {"slots": slots, "kept": list(kept), "materials_of_mesh": len(first.data.materials)}


def duplicated() -> dict[str, Any]:
    """A duplicate of a projected object is one, too: each can be restored without harm to the other."""
    build()
    monkey = bpy.data.objects["Suzanne"]
    project(picture(), capture(), [monkey])
    copy = monkey.copy()
    bpy.context.scene.collection.objects.link(copy)
    remove_projection([monkey])
    still = copy.material_slots[0].material
    found = {"copy_shows": still is not None and "Framebridge" in still.name, "views": len(views_of(copy))}
    remove_projection([copy])
    return found | {"restored": copy.material_slots[0].material.name, "left": len(all_views())}


def kept() -> dict[str, Any]:
    """A bake that is kept is the user's: its material stays when all else is taken away."""
    build()
    monkey = bpy.data.objects["Suzanne"]
    project(picture(), capture(), [monkey])
    bake([monkey], SMALL)
    keep_bake([monkey])
    remove_projection(list(bpy.data.objects))
    return {
        "material": monkey.material_slots[0].material.name,
        "images": sorted(image.name for image in bpy.data.images),
        "properties": list(monkey.keys()),
        "views": len(all_views()),
        "uv_maps": [layer.name for layer in monkey.data.uv_layers],
    }


def user_state() -> dict[str, Any]:
    """Selection, mode and the faces selected stay as the user left them, also where a map is unwrapped."""
    build()
    monkey, cone = bpy.data.objects["Suzanne"], bpy.data.objects["Cone"]
    bpy.ops.object.select_all(action="DESELECT")
    cone.select_set(True)
    bpy.context.view_layer.objects.active = cone
    bpy.ops.object.mode_set(mode="EDIT")
    for polygon in monkey.data.polygons:
        polygon.select = polygon.index % 3 == 0
    before = _state()
    objects = list(project(picture(), capture()).objects)
    baked = bake(objects, BakeOptions(size=512, uv_map="NEW"))
    after = _state()
    remove_projection(objects)
    return {
        "unchanged": before == after == _state(),
        "warnings": [problem.message for problem in baked.warnings],
        "baked": monkey in baked.objects,
    }


def undone() -> dict[str, Any]:
    """A projection is one step of Blender's undo, and can be done again."""
    build()
    bpy.ops.ed.undo_push(message="Before")
    project(picture(), capture(), [bpy.data.objects["Suzanne"]])
    bpy.ops.ed.undo_push(message="Project")
    bpy.ops.ed.undo()
    undone = len(all_views()), bpy.data.objects["Suzanne"].material_slots[0].material.name
    bpy.ops.ed.redo()
    redone = len(all_views()), len(views_of(bpy.data.objects["Suzanne"]))
    remove_projection([bpy.data.objects["Suzanne"]])
    return {"undone": list(undone), "redone": list(redone), "left": len(all_views())}


def _differences(steps: Callable[[], list[bpy.types.Object]]) -> list[str]:
    _odd_scene()
    capture()  # the first one starts the GPU
    before = _digest()
    objects = steps()
    assert objects == [] or _digest() != before
    remove_projection(objects)
    after = _digest()
    return sorted(
        f"{key}: {before.get(key)} → {after.get(key)}"
        for key in {*before, *after}
        if before.get(key) != after.get(key)
    )


def _odd_scene() -> None:
    """Slots by the object, hidden ones, empty ones, none at all; shared meshes; all eight UV maps."""
    build()
    monkey, torus = bpy.data.objects["Suzanne"], bpy.data.objects["Hidden"]
    red = bpy.data.materials.new("Red")
    red.use_nodes = True
    plain = bpy.data.materials.new("Plain")
    plain.diffuse_color = (0.1, 0.2, 0.9, 1.0)
    monkey.material_slots[0].link = "OBJECT"
    monkey.material_slots[0].material = red
    monkey.material_slots[0].link = "DATA"  # hides the red one
    monkey.data.materials.append(None)
    monkey.data.materials.append(plain)
    monkey.material_slots[2].link = "OBJECT"
    monkey.material_slots[2].material = red
    for polygon in monkey.data.polygons:
        polygon.material_index = polygon.index % 3
    for number in range(7):
        torus.data.uv_layers.new(name=f"More {number}")
    torus.data.uv_layers.active_index = 2
    mesh = bpy.data.meshes["Cone"]
    for x in (-4.2, 1.6):
        twin = bpy.data.objects.new("Twin", mesh)
        twin.location, twin.scale = (x, 0.2, 0.6), (0.4, 0.4, 0.4)
        bpy.context.scene.collection.objects.link(twin)
    bpy.context.view_layer.update()


def _state() -> dict[str, Any]:
    return {
        "mode": bpy.context.mode,
        "active": bpy.context.view_layer.objects.active.name,
        "selected": sorted(item.name for item in bpy.data.objects if item.select_get()),
        "faces": [polygon.select for polygon in bpy.data.objects["Suzanne"].data.polygons],
        "scene": bpy.context.window.scene.name,
    }


def _digest() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (
        "materials",
        "images",
        "node_groups",
        "meshes",
        "objects",
        "scenes",
        "collections",
        "actions",
    ):
        for block in getattr(bpy.data, name):
            if block.name != "Render Result":
                found[f"{name}[{block.name}]"] = (block.users, sorted(block.keys()))
    for item in bpy.data.objects:
        if item.type not in {"MESH", "FONT"}:
            continue
        slots = []
        for slot in item.material_slots:
            link = slot.link
            slots.append((link, slot.material and slot.material.name))
            slot.link = "OBJECT"
            slots.append(slot.material and slot.material.name)
            slot.link = link
        found[f"{item.name}.slots"] = slots
        found[f"{item.name}.materials"] = [material and material.name for material in item.data.materials]
        if item.type == "MESH":
            layers = item.data.uv_layers
            found[f"{item.name}.uv"] = [(layer.name, layer.active, layer.active_render) for layer in layers]
    return found


report(removed, views_removed, one_of_two, duplicated, kept, user_state, undone)
