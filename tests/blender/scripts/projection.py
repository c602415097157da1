"""Project pictures, and render what the shaders make of them."""

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from framebridge._bridge.errors import BridgeError
from framebridge.capture import Capture
from framebridge.projection import (
    ColorMatching,
    ProjectionOptions,
    all_views,
    colors,
    match_colors,
    placements,
    project,
    remove_view,
    set_strength,
    views_of,
)
from framebridge.projection import matching as matching_module
from framebridge.projection.record import read_record
from framebridge.viewport import find_viewport
from harness import REQUEST, report
from mathutils import Matrix
from projection_scene import HEIGHT, WIDTH, build, capture, compared, look_from, picture, render

CAMERAS = (
    "perspective",
    "orthographic",
    "shifted",
    "shifted_orthographic",
    "rolled_vertical_fit",
    "scaled_object",
)
SIDE = (7.5, -6.0, 5.0)


def cameras() -> dict[str, Any]:
    """The same camera shows the picture again, on every covered pixel."""
    found = {}
    for kind in CAMERAS:
        build(kind)
        captured = capture()
        projected = project(picture(), captured)
        assert not projected.warnings
        found[kind] = compared(render(f"camera {kind}"), picture(), captured)
    return found


def displays() -> dict[str, Any]:
    """The same under every view transform, and with exposure, looks and gamma on top."""
    build()
    captured = capture()
    project(picture(), captured)
    scene, found = bpy.context.scene, {}
    for name, settings in DISPLAYS.items():
        scene.view_settings.look = "None"
        for key, value in (PLAIN | settings).items():
            setattr(scene.view_settings, key, value)
        unmatched = compared(render(f"display {name}, unmatched"), picture(), captured)
        changed, again = match_colors(scene), match_colors(scene)
        matched = compared(render(f"display {name}"), picture(), captured)
        found[name] = matched | {"unmatched": unmatched["mean"], "changed": changed, "again": again}
    return found


def displays_followed() -> dict[str, Any]:
    """Tick by tick: no picture while a slider moves, then one a tick, with one table for all of them."""
    build()
    captured = capture()
    for names in (["Half", "Cone", "Plane"], ["Hidden", "Text"], ["Suzanne"]):
        project(picture(), captured, [bpy.data.objects[name] for name in names])
    scene, matching, tables, found = bpy.context.scene, ColorMatching(), [], {}
    made, inverse_table = [], colors._inverse_table
    colors._inverse_table = lambda *given: (tables.append(1), inverse_table(*given))[1]
    match_display = matching_module.match_display
    matching_module.match_display = lambda *given: (made.append(1), match_display(*given))[1]
    try:
        for gamma in (1.1, 1.2, 1.3, 1.35):
            scene.view_settings.gamma = gamma
            matching.tick(scene)
        found["while it moves"] = len(made)
        began = time.monotonic()
        while matching.is_under_way and time.monotonic() - began < 60:
            before = len(made)
            matching.tick(scene)
            found["most a tick"] = max(found.get("most a tick", 0), len(made) - before)
        found |= {"tables": len(tables), "error": compared(render("followed"), picture(), captured)["mean"]}
        made.clear()
        scene.view_settings.exposure = 1.0
        matching.tick(scene)
        found["exposed"] = compared(render("followed, exposed"), picture(), captured)["mean"]
        return found | {"for an exposure": [len(made), matching.is_under_way]}
    finally:
        colors._inverse_table, matching_module.match_display = inverse_table, match_display


PLAIN = {"exposure": 0.0, "gamma": 1.0}
_FROM_5 = {"ACES 2.0": {"view_transform": "ACES 2.0"}} if bpy.app.version >= (5, 0) else {}
DISPLAYS = {
    "AgX": {"view_transform": "AgX"},
    "Filmic": {"view_transform": "Filmic"},
    "Khronos PBR Neutral": {"view_transform": "Khronos PBR Neutral"},
    "exposed": {"view_transform": "AgX", "exposure": 1.5},
    "punchy": {"view_transform": "AgX", "look": "AgX - Punchy"},
    "contrast": {"view_transform": "Filmic", "look": "High Contrast"},
    "gamma": {"view_transform": "Standard", "gamma": 1.4},
    "Standard": {"view_transform": "Standard"},
    **_FROM_5,
}


def larger_picture() -> dict[str, float]:
    """A picture of three times the capture's size, seen at that size."""
    build()
    captured = capture()
    large = picture(WIDTH * 3, HEIGHT * 3)
    project(large, captured)
    error = np.abs(render("larger", WIDTH * 3, HEIGHT * 3) - large / np.float32(255))
    covered = np.isfinite(captured.depth).repeat(3, 0).repeat(3, 1)
    return {"mean": float(error[covered].mean())}


def centimetres() -> dict[str, float]:
    """A scene whose unit is a centimetre."""
    build()
    bpy.context.scene.unit_settings.scale_length = 0.01
    captured = capture()
    project(picture(), captured)
    return compared(render("centimetres"), picture(), captured)


def from_the_side() -> dict[str, Any]:
    """Another camera: which surfaces are painted, and with which colour, against rays into the scene."""
    build()
    captured = capture()
    item = bpy.data.objects["Hidden"]
    project(picture(), captured, [*_meshes(), bpy.data.objects["Text"]])
    look_from(SIDE)
    seen = render("side")
    found = _against_rays(capture(), seen, captured)
    look_from((0.1, 9.0, 3.0))
    behind, back = capture(), render("behind")
    number = behind.object_names.index(item.name) + 1
    is_torus = behind.object_id == number
    return found | {
        "torus_pixels": int(is_torus.sum()),
        "torus_painted": float((back[is_torus].max(axis=1) > 0.05).mean()),
    }


def two_views() -> dict[str, Any]:
    """A second camera covers more; each can be turned off, turned down, and removed."""
    build()
    first = project(picture(), capture())
    front = bpy.context.scene.camera
    look_from(SIDE)
    side = capture()
    covered = np.isfinite(side.depth)
    alone = render("first view, from the side")
    second = project(255 - picture(), side)
    front_of = {"together": render("both views, from the side")}
    set_strength(second.view, 0.0)
    front_of["off"] = render("second view off")
    set_strength(second.view, 1.0)
    set_strength(first.view, 0.0)
    front_of["only second"] = render("first view off")
    set_strength(first.view, 1.0)
    remove_view(second.view)
    front_of["removed"] = render("second view removed")
    wanted = (255 - picture()) / np.float32(255)
    both = front_of["together"][covered]
    low, high = np.minimum(alone[covered], wanted[covered]), np.maximum(alone[covered], wanted[covered])
    was_painted = alone[covered].max(axis=1) > 0.05
    bpy.context.scene.camera = front
    return {
        "painted_before": float(was_painted.mean()),
        "painted_after": float((both.max(axis=1) > 0.05).mean()),
        "between": float(((both > low - 0.02) & (both < high + 0.02)).all(axis=1).mean()),
        "blended": float((np.abs(both - wanted[covered]).max(axis=1)[was_painted] > 0.05).mean()),
        "new_is_second": float(np.abs(both - wanted[covered])[~was_painted].mean()),
        "off": float(np.abs(front_of["off"] - alone).max()),
        "only_second": compared(front_of["only second"], 255 - picture(), side),
        "removed": float(np.abs(front_of["removed"] - alone).max()),
        "views": [view.name for view in all_views()],
        "of_monkey": [view.name for view in views_of(bpy.data.objects["Suzanne"])],
    }


def same_camera() -> dict[str, Any]:
    """Another picture from the same camera takes the place of the first, where both paint."""
    build()
    monkey, plane = bpy.data.objects["Suzanne"], bpy.data.objects["Plane"]
    project(255 - picture(), capture(), [monkey, plane])
    captured = capture()
    project(picture(), captured, [monkey])
    maps = [layer.name for layer in monkey.data.uv_layers]
    kept = [[view.name for view in views_of(item)] for item in (monkey, plane)]
    project(picture(), captured)
    left = [view.name for view in all_views()]
    error = compared(render("same camera"), picture(), captured)["mean"]
    monkey.rotation_euler.z += 0.5
    bpy.context.view_layer.update()
    project(picture(), capture(), [monkey])
    bpy.context.scene.camera.data.lens *= 1.5
    project(picture(), capture(), [monkey])
    return {"maps": maps, "kept": kept, "left": left, "error": error, "turned": len(views_of(monkey))}


def crowded() -> dict[str, Any]:
    """How many views an object takes before a warning says that it has no room for more."""
    found = {}
    for name, images in (("plain", 0), ("with a texture", 1)):
        build()
        monkey, captured = bpy.data.objects["Suzanne"], capture()
        tree = bpy.data.materials["Black"].node_tree
        for number in range(images):
            node = tree.nodes.new("ShaderNodeTexImage")
            node.image = bpy.data.images.new(f"Own {number}", 8, 8)
            shader = next(each for each in tree.nodes if each.type == "EMISSION")
            tree.links.new(node.outputs["Color"], shader.inputs["Color"])
        for count in range(1, 20):
            turned = np.array(Matrix.Rotation(0.02 * count, 4, "Z"))
            warnings = project(picture(), replace(captured, view=captured.view @ turned), [monkey]).warnings
            if warnings:
                found[name] = [count, warnings[0].code, warnings[0].message]
                break
    return found


def facing() -> dict[str, float]:
    """Faces turned by more than the angle stay bare: a sphere's painted cap."""
    build()
    for item in [*_meshes(), bpy.data.objects["Text"]]:
        bpy.data.objects.remove(item)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=1.5, segments=128, ring_count=64)
    sphere = bpy.context.object
    sphere.data.materials.append(bpy.data.materials["Black"])
    look_from((0, -60, 0), (0, 0, 0))
    bpy.context.scene.camera.data.lens = 500
    bpy.context.view_layer.update()
    captured = capture()
    project(picture(), captured, [sphere], ProjectionOptions(max_angle=60.0))
    painted = render("facing").max(axis=2) > 0.05
    radius = np.sqrt(np.isfinite(captured.depth).sum() / np.pi)
    return {"painted_radius": float(np.sqrt(painted.sum() / np.pi) / radius)}


def motion() -> dict[str, float]:
    """What was projected moves with the objects, and was where they were when the view was captured."""
    build()
    captured, places = capture(), placements()
    turn = Matrix.Rotation(0.6, 4, "Z") @ Matrix.Translation((1.0, 2.0, 0.5))
    for item in [item for item in bpy.data.objects if item.type != "CAMERA"]:
        item.matrix_world = turn @ item.matrix_world
    project(picture(), captured, placed_at=places)
    camera = bpy.context.scene.camera
    camera.matrix_world = turn @ camera.matrix_world
    bpy.context.view_layer.update()
    return compared(render("moved"), picture(), captured)


def instances() -> dict[str, Any]:
    """Instances of a collection, seen twice: each is painted where it stands."""
    build()
    group = bpy.data.collections.new("Group")
    pebble = bpy.data.objects.new("Pebble", bpy.data.meshes["Suzanne"].copy())
    group.objects.link(pebble)
    for place in ((1.9, -1.4, 0.5), (-1.2, -2.2, 0.5)):
        empty = bpy.data.objects.new("Instancer", None)
        empty.instance_type, empty.instance_collection = "COLLECTION", group
        empty.location, empty.scale = place, (0.5, 0.5, 0.5)
        bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.update()
    captured = capture()
    projected = project(picture(), captured)
    found = compared(render("instances"), picture(), captured)
    return found | {"painted": pebble in projected.objects}


def saved() -> dict[str, Any]:
    """Saved, and opened again: the same picture."""
    build()
    captured = capture()
    bpy.context.scene.view_settings.view_transform = "AgX"
    project(picture(), captured)
    before = render("before saving")
    path = str(Path(REQUEST["folder"]) / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=path)
    after = render("after saving")
    view = all_views()[0]
    remove_view(view)
    return {
        "worst": float(np.abs(after - before).max()),
        "error": compared(after, picture(), captured)["mean"],
        "left": len(all_views()),
    }


def solid_shading() -> dict[str, float]:
    """Solid shading by texture, which knows no shader, shows the picture roughly, by the UV map."""
    build()
    captured = capture()
    project(picture(), captured)
    shading = find_viewport().space.shading
    shading.type, shading.light, shading.color_type = "SOLID", "FLAT", "TEXTURE"
    shading.show_object_outline = shading.show_cavity = False
    bpy.context.view_layer.update()
    again = capture()
    is_monkey = again.object_id == again.object_names.index("Suzanne") + 1
    error = np.abs(again.color.astype(float) - picture())[is_monkey, :2] / 255
    return {"pixels": int(is_monkey.sum()), "mean": float(error.mean())}


def refused() -> dict[str, Any]:
    """What cannot be projected is told, and changes nothing."""
    build()
    captured = capture()
    before = {name: len(getattr(bpy.data, name)) for name in ("materials", "images", "node_groups")}
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    attempts = {
        "float picture": lambda: project(picture().astype(np.float32), captured),
        "grey picture": lambda: project(picture()[..., 0], captured),
        "lamp only": lambda: project(picture(), captured, [lamp]),
        "nothing": lambda: project(picture(), captured, []),
    }
    codes = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except BridgeError as error:
            codes[name] = [error.code, error.hint]
    mixed = project(picture(), captured, [lamp, bpy.data.objects["Suzanne"]])
    warnings = [[problem.code, problem.message] for problem in mixed.warnings]
    remove_view(mixed.view)
    after = {name: len(getattr(bpy.data, name)) for name in before}
    return {"codes": codes, "warnings": warnings, "unchanged": before == after}


def set_by_modifiers() -> dict[str, Any]:
    """An object whose modifiers set each face's material would show no paint: it is left out, and told."""
    build()
    gold = bpy.data.materials.new("Gold")
    nodes = bpy.data.node_groups.new("Gilt", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        nodes.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    chain = [
        nodes.nodes.new(kind) for kind in ("NodeGroupInput", "GeometryNodeSetMaterial", "NodeGroupOutput")
    ]
    for one, other in pairwise(chain):
        nodes.links.new(one.outputs["Geometry"], other.inputs["Geometry"])
    chain[1].inputs["Material"].default_value = gold
    names = ("Suzanne", "Cone", "Text")
    for name in names[:2]:
        bpy.data.objects[name].modifiers.new("Gilt", "NODES").node_group = nodes
    objects = [bpy.data.objects[name] for name in names]
    found = {"warnings": [], "painted": []}
    for _ in range(2):
        done = project(picture(), capture(), objects)
        found["warnings"].append([problem.message for problem in done.warnings])
        found["painted"].append([item.name for item in done.objects])
        objects[0].data.materials.append(gold)  # as Convert to Mesh does
    return found


def linked() -> dict[str, Any]:
    """Objects of another file are left out, and told; a local object with a linked mesh is painted."""
    build()
    path = str(Path(REQUEST["folder"]) / "library.blend")
    monkey = bpy.data.objects["Suzanne"]
    bpy.data.libraries.write(path, {monkey})
    monkey.name = "Original"
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = ["Suzanne"]
    theirs = wanted.objects[0]
    ours = bpy.data.objects.new("Ours", theirs.data)
    ours.location = (-1.0, -2.0, 0.5)
    for item in (theirs, ours):
        bpy.context.scene.collection.objects.link(item)
    before = theirs.data.materials[0], [layer.name for layer in theirs.data.uv_layers]
    projected = project(picture(), capture(), [theirs, ours])
    after = theirs.data.materials[0], [layer.name for layer in theirs.data.uv_layers]
    return {
        "painted": [item.name for item in projected.objects],
        "warnings": [problem.message for problem in projected.warnings],
        "unchanged": before == after,
    }


def linked_namesake() -> dict[str, Any]:
    """A linked object in view is left out; a local one of the same name that it hides gets no paint."""
    build()
    path = str(Path(REQUEST["folder"]) / "namesake.blend")
    monkey, hidden = bpy.data.objects["Suzanne"], bpy.data.objects["Hidden"]
    bpy.data.libraries.write(path, {monkey})
    bpy.data.objects.remove(monkey)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.objects = ["Suzanne"]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    hidden.name, hidden.location = "Suzanne", (0.0, 50.0, -20.0)
    bpy.context.view_layer.update()
    done = project(picture(), capture())
    told = [problem.message for problem in done.warnings]
    project(picture(), capture(), [hidden])
    return {
        "names": [item.name for item in bpy.context.view_layer.objects].count("Suzanne"),
        "painted": sorted(item.name for item in done.objects),
        "warnings": told,
        "is_in_world": read_record(hidden).is_in_world,
    }


def eevee() -> dict[str, float]:
    """EEVEE shows the picture again as well, and no blurred copies of it."""
    build()
    captured = capture()
    project(picture(), captured)
    return compared(render("eevee", engine="EEVEE"), picture(), captured)


def _meshes() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if item.type == "MESH"]


def _against_rays(side: Capture, seen: np.ndarray, captured: Capture) -> dict[str, Any]:
    """Follow each third pixel from the side camera to the surface, and from there to the first camera.

    Points within two pixels of where the captured objects overlap are counted on their own: a pixel there
    belongs to both.
    """
    wanted = picture() / np.float32(255)
    counts = dict.fromkeys(
        ("visible", "hidden", "outside", "unpainted", "leaked", "edge", "wrong_at_edge"), 0
    )
    errors = []
    unproject = np.linalg.inv(side.projection @ side.view)
    eye = Matrix(captured.view).inverted().translation
    for row in range(1, HEIGHT, 3):
        for column in range(1, WIDTH, 3):
            number = side.object_id[row, column]
            if number == 0 or side.object_names[number - 1] in ("Text", "Cone"):
                continue
            point = _surface_point(side, unproject, row, column)
            x, y, w = _clip(captured, point)
            is_painted = bool(seen[row, column].max() > 0.05)
            if w <= 0 or abs(x) >= 1 or abs(y) >= 1:
                counts["outside"] += 1
                counts["leaked"] += is_painted
                continue
            is_visible = _sees(eye, point)
            place = int((1 - y) / 2 * HEIGHT), int((x + 1) / 2 * WIDTH)
            if _is_at_edge(captured, *place):
                counts["edge"] += 1
                counts["wrong_at_edge"] += is_painted != is_visible
                continue
            counts["visible" if is_visible else "hidden"] += 1
            counts["unpainted"] += is_visible and not is_painted
            counts["leaked"] += is_painted and not is_visible
            if is_visible and is_painted:
                errors.append(np.abs(seen[row, column] - wanted[place])[:2].mean())
    return counts | {"color_error": float(np.mean(errors))}


def _is_at_edge(captured: Capture, row: int, column: int) -> bool:
    around = captured.object_id[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    return bool((around != around[0, 0]).any())


def _surface_point(side: Capture, unproject: np.ndarray, row: int, column: int) -> np.ndarray:
    near, far = (
        unproject @ ((column + 0.5) / WIDTH * 2 - 1, 1 - (row + 0.5) / HEIGHT * 2, depth, 1.0)
        for depth in (-1.0, 1.0)
    )
    near, far = near[:3] / near[3], far[:3] / far[3]
    depths = [-(side.view @ (*end, 1.0))[2] for end in (near, far)]
    part = (side.depth[row, column] - depths[0]) / (depths[1] - depths[0])
    return near + (far - near) * part


def _clip(captured: Capture, point: np.ndarray) -> tuple[float, float, float]:
    x, y, _, w = captured.projection @ captured.view @ (*point, 1.0)
    return x / w, y / w, w


def _sees(eye: Any, point: np.ndarray) -> bool:
    ray = point - np.array(eye)
    distance = float(np.linalg.norm(ray))
    scene, depsgraph = bpy.context.scene, bpy.context.view_layer.depsgraph
    return not scene.ray_cast(depsgraph, eye, ray / distance, distance=distance - 0.02)[0]


report(
    cameras,
    displays,
    displays_followed,
    larger_picture,
    centimetres,
    from_the_side,
    two_views,
    same_camera,
    crowded,
    facing,
    motion,
    instances,
    saved,
    solid_shading,
    refused,
    set_by_modifiers,
    linked,
    linked_namesake,
    eevee,
)
