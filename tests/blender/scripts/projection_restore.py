"""Take projections off again, and look for what is left."""

from collections.abc import Callable
from operator import setitem
from pathlib import Path
from typing import Any

import bpy
from framebridge.projection import (
    BakeOptions,
    all_views,
    bake,
    is_painted,
    keep_bake,
    match_colors,
    project,
    remove_projection,
    remove_view,
    strength_of,
    views_of,
)
from framebridge.projection.record import RECORD, read_record, recorded_objects
from framebridge.projection.view import VIEW
from harness import REQUEST, report
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


def joined() -> dict[str, Any]:
    """Joined objects, painted or baked, one of them maybe not: each face gets its own material back."""
    return {
        "painted": _joined("Suzanne", bakes=False),
        "baked": _joined("Suzanne", bakes=True),
        "with an unpainted one": _joined("Half", bakes=False),
        "each view removed": _joined("Half", bakes=False, by_view=True),
    }


def _joined(active: str, *, bakes: bool, by_view: bool = False) -> dict[str, Any]:
    build()
    colors = {"Suzanne": "Skin", "Hidden": "Steel", "Half": "Gold"}
    objects = [bpy.data.objects[name] for name in colors]
    for item in objects:
        item.modifiers.clear()
        item.data.materials[0] = bpy.data.materials.new(colors[item.name])
    painted = objects[:2]
    project(picture(), capture(), painted)
    if bakes:
        bake(painted, SMALL)
    bpy.ops.object.select_all(action="DESELECT")
    for item in {*painted, bpy.data.objects[active]}:
        item.select_set(True)
    whole = bpy.context.view_layer.objects.active = bpy.data.objects[active]
    bpy.ops.object.join()
    saved = str(Path(REQUEST["folder"]) / "joined.blend")
    bpy.ops.wm.save_as_mainfile(filepath=saved)
    bpy.ops.wm.open_mainfile(filepath=saved)
    whole = bpy.data.objects[active]
    found = {"painted": is_painted(whole)}
    if by_view:
        remove_view(all_views()[0])
    else:
        remove_projection([whole])
    bpy.ops.wm.save_as_mainfile(filepath=saved)
    bpy.ops.wm.open_mainfile(filepath=saved)
    whole = bpy.data.objects[active]
    return found | {
        "shown": sorted(slot.material.name for slot in whole.material_slots),
        "materials": sorted(material.name for material in bpy.data.materials),
        "views": len(all_views()),
        "properties": list(whole.keys()),
    }


def changed_since() -> dict[str, Any]:
    """Whatever the artist does to the slots after projecting: each face shows what was chosen for it."""
    found = {name: _changed(change) for name, change in CHANGES.items()}
    return found | {"own slots moved": _changed(_move, "OBJECT")}


def _changed(change: Callable[[bpy.types.Object], None], link: str = "DATA") -> list[str]:
    item = _two_colors(link)
    change(item)
    remove_projection([item])
    assert not [material.name for material in bpy.data.materials if "Framebridge" in material.name]
    return [item.material_slots[face.material_index].material.name for face in item.data.polygons[:2]]


def _two_colors(link: str) -> bpy.types.Object:
    """Project onto a block whose faces are red and blue in turn; a material named Gold is at hand."""
    build()
    item = bpy.context.view_layer.objects.active = bpy.data.objects["Half"]
    red, blue, _ = (bpy.data.materials.new(name) for name in ("Red", "Blue", "Gold"))
    item.data.materials.append(None)
    for slot, material in zip(item.material_slots, (red, blue), strict=True):
        slot.link = link
        slot.material = material
    for face in item.data.polygons:
        face.material_index = face.index % 2
    project(picture(), capture(), [item])
    return item


def _choose_gold(item: bpy.types.Object) -> None:
    item.material_slots[0].material = bpy.data.materials["Gold"]


def _choose_gold_and_project(item: bpy.types.Object) -> None:
    _choose_gold(item)
    project(picture(), capture(), [item])
    assert "Framebridge" in item.material_slots[0].material.name


def _bake_choose_gold_and_expose(item: bpy.types.Object) -> None:
    bake([item], SMALL)
    _choose_gold(item)
    assert _tick()
    assert item.material_slots[0].material.name == "Gold"


def _choose_gold_and_bake(item: bpy.types.Object) -> None:
    _choose_gold(item)
    bake([item], SMALL)


def _choose_gold_and_remove_one_view(item: bpy.types.Object) -> None:
    project(picture(), capture(), [item])
    _choose_gold(item)
    remove_view(all_views()[0])


def _show_that_of_the_mesh(item: bpy.types.Object) -> None:
    item.data.materials[0] = bpy.data.materials["Gold"]
    item.material_slots[0].link = "DATA"
    project(picture(), capture(), [item])


def _move(item: bpy.types.Object) -> None:
    item.active_material_index = 0
    bpy.ops.object.material_slot_move(direction="DOWN")


def _move_and_project(item: bpy.types.Object) -> None:
    _move(item)
    project(picture(), capture(), [item])


def _remove_a_slot(item: bpy.types.Object) -> None:
    for face in item.data.polygons:
        face.material_index = 1
    bpy.ops.object.material_slot_remove_unused()
    project(picture(), capture(), [item])


def _add_a_slot(item: bpy.types.Object) -> None:
    bpy.ops.object.material_slot_add()
    item.material_slots[2].material = bpy.data.materials["Gold"]
    item.data.polygons[0].material_index = 2
    project(picture(), capture(), [item])
    assert "Framebridge" in item.material_slots[2].material.name


def _delete_ours(item: bpy.types.Object) -> None:
    bpy.data.materials.remove(item.material_slots[0].material)


CHANGES: dict[str, Callable[[bpy.types.Object], None]] = {
    "chosen": _choose_gold,
    "chosen, projected again": _choose_gold_and_project,
    "baked, chosen, exposed": _bake_choose_gold_and_expose,
    "chosen, baked": _choose_gold_and_bake,
    "chosen, a view removed": _choose_gold_and_remove_one_view,
    "chosen for the mesh": _show_that_of_the_mesh,
    "moved": _move,
    "moved, projected again": _move_and_project,
    "slot removed": _remove_a_slot,
    "slot added": _add_a_slot,
    "ours deleted": _delete_ours,
}


def chosen_for_a_twin() -> str:
    """A slot that was there for our sake is the artist's once a material is in it."""
    _odd_scene()
    first, second = bpy.data.objects["Twin"], bpy.data.objects["Twin.001"]
    gold = bpy.data.materials.new("Gold")
    project(picture(), capture(), [first, second])
    first.material_slots[0].material = gold
    remove_projection([first])
    remove_projection([second])
    return first.material_slots[0].material.name


def exposed_bake() -> dict[str, Any]:
    """A baked material follows the display, and all that the artist has made of it stays."""
    monkey, _ = _recorded()
    bake([monkey], SMALL)
    material = monkey.material_slots[0].material
    nodes = material.node_tree.nodes
    nodes.new("ShaderNodeBump")
    scene = bpy.context.scene
    found = {"strength": nodes["Emission"].inputs["Strength"].default_value, "transforms": {}}
    scene.view_settings.exposure = 1.0
    for transform in ("AgX", "Standard"):
        scene.view_settings.view_transform = transform
        assert match_colors(scene)
        found["transforms"][transform] = nodes["Texture"].image.name
    return found | {
        "exposed": nodes["Emission"].inputs["Strength"].default_value,
        "same": monkey.material_slots[0].material == material,
        "nodes": len(nodes),
    }


def kept_beside_a_duplicate() -> list[str]:
    """A bake that is kept leaves a duplicate its projection."""
    monkey, _ = _recorded()
    bake([monkey], SMALL)
    copy = monkey.copy()
    bpy.context.scene.collection.objects.link(copy)
    keep_bake([monkey])
    remove_projection([copy])
    return [item.material_slots[0].material.name for item in (monkey, copy)]


def left_to_a_joined_one() -> list[str]:
    """A view stays while a material shows it, also when no object's record has it."""
    build()
    monkey, half = bpy.data.objects["Suzanne"], bpy.data.objects["Half"]
    project(picture(), capture(), [monkey])
    half.data.materials[0] = monkey.material_slots[0].material
    remove_projection([monkey])
    [group] = {node.node_tree for node in half.data.materials[0].node_tree.nodes if node.type == "GROUP"}
    return [view.name for view in all_views() if view == group]


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


def damaged_records() -> dict[str, Any]:
    """Whatever stands where a record should: it counts as none, and what runs all the time goes on."""
    monkey, record = _recorded()
    placed, slot = record["placed"][0], record["slots"][0]
    damage = {
        "number": 5,
        "text": "x",
        "empty": {},
        "array": [1.0, 2.0],
        "list": [{"a": 1}],
        "slots": record | {"slots": 5},
        "slot": record | {"slots": [slot | {"link": "NOWHERE"}]},
        "material": record | {"slots": [slot | {"shown": monkey.data}]},
        "placed": record | {"placed": ["x"]},
        "short matrix": record | {"placed": [placed | {"matrix": [1.0] * 15}]},
        "text for a matrix": record | {"placed": [placed | {"matrix": "x"}]},
        "no UV map": record | {"placed": [placed | {"uv_map": 1.0}]},
        "image": record | {"baked": monkey.data},
        "name": record | {"active_uv": 1},
        "flag": record | {"is_lit": "yes"},
    }
    found = {}
    for name, value in damage.items():
        monkey[RECORD] = value
        found[name] = [read_record(monkey) is None, views_of(monkey), recorded_objects(), _tick()]
    empty = bpy.data.objects.new("Empty", None)
    empty[RECORD] = record
    found["object without materials"] = [read_record(empty) is None, [], recorded_objects(), _tick()]
    return found


def damage_removed() -> list[str]:
    """Removal clears whatever stands where a record should."""
    build()
    monkey, empty = bpy.data.objects["Suzanne"], bpy.data.objects.new("Empty", None)
    left = []
    for value in (5, "x", {}, [1.0, 2.0], {"slots": 5}):
        monkey[RECORD] = empty[RECORD] = value
        remove_projection([monkey, empty])
        left += [*monkey.keys(), *empty.keys()]
    return left


def damaged_and_projected_anew() -> dict[str, Any]:
    """Damage does not stand in the way of another projection, with which it goes."""
    monkey, _ = _recorded()
    remove_projection([monkey])
    monkey[RECORD] = {"slots": 5}
    project(picture(), capture(), [monkey])
    views = len(views_of(monkey))
    remove_projection([monkey])
    return {"views": views, "left": [*monkey.keys(), *all_views()], "shows": monkey.active_material.name}


def lost_bake() -> dict[str, Any]:
    """Where somebody has deleted the baked image, the object counts as showing its views."""
    monkey, _ = _recorded()
    bpy.data.images.remove(bake([monkey], SMALL).images[0])
    found = {"shows_bake": read_record(monkey).shows_bake, "matched": _tick()}
    remove_projection([monkey])
    return found | {"left": list(monkey.keys()), "shows": monkey.active_material.name}


def damaged_views() -> dict[str, Any]:
    """A node group that is no view any more is passed over; what it painted can still be restored."""
    monkey, _ = _recorded()
    [view] = all_views()
    found = {}
    for name, damage in _VIEW_DAMAGE.items():
        broken = view.copy()
        damage(broken)
        found[name] = [each.name for each in all_views()], _tick()
    _VIEW_DAMAGE["no strength"](view)
    found["the one that paints"] = [each.name for each in (*all_views(), *views_of(monkey))], _tick()
    remove_projection([monkey])
    return found | {"left": list(monkey.keys()), "shows": monkey.active_material.name}


_VIEW_DAMAGE: dict[str, Callable[[bpy.types.NodeTree], None]] = {
    "text": lambda view: setitem(view, VIEW, "x"),
    "array": lambda view: setitem(view, VIEW, [1, 2]),
    "short matrix": lambda view: setitem(view, "projection", [1.0] * 15),
    "no camera": lambda view: view.pop("view"),
    "no angle": lambda view: view.pop("max_angle"),
    "no picture": lambda view: view.pop("framebridge_picture"),
    "text for depth": lambda view: setitem(view, "framebridge_layers", "x"),
    "no strength": lambda view: view.nodes.remove(view.nodes["Strength"]),
    "no exposure": lambda view: view.nodes.remove(view.nodes["Exposure"]),
    "another node": lambda view: setattr(view.nodes.new("NodeReroute"), "name", _freed(view, "Picture")),
}


def _freed(view: bpy.types.NodeTree, name: str) -> str:
    view.nodes.remove(view.nodes[name])
    return name


def _recorded() -> tuple[bpy.types.Object, dict[str, Any]]:
    build()
    monkey = bpy.data.objects["Suzanne"]
    project(picture(), capture(), [monkey])
    return monkey, monkey[RECORD].to_dict()


def _tick() -> bool:
    """Do what is done all the time, as after a change of the display."""
    scene = bpy.context.scene
    scene.view_settings.exposure += 0.5
    for view in all_views():
        strength_of(view)
    return match_colors(scene)


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


report(
    removed,
    views_removed,
    one_of_two,
    duplicated,
    joined,
    changed_since,
    chosen_for_a_twin,
    exposed_bake,
    kept_beside_a_duplicate,
    left_to_a_joined_one,
    kept,
    user_state,
    undone,
    damaged_records,
    damage_removed,
    damaged_and_projected_anew,
    lost_bake,
    damaged_views,
)
