"""What a capture says by name: shares of pixels, names, bindings; and frames to be painted."""

from pathlib import Path

import bpy
import framebridge
import numpy as np
import scenes
from framebridge._bridge import protocol
from framebridge._bridge.host.recipe import Recipe
from framebridge.capture import Capture, Capturer
from framebridge.objects import add, bindings_in, restore, selected_in, tinted
from framebridge.ranks import Identity, Ranked
from framebridge.render import render_capture
from framebridge.viewport import View, camera_view, find_viewport
from framebridge.wire import frame_of
from harness import REQUEST, report
from mathutils import Matrix, Vector

BOTH = frozenset({"object", "material"})
WIDTH, HEIGHT = 96, 64
COLORS = {
    "Floor": (0.4, 0.4, 0.38),
    "Head": (0.6, 0.35, 0.2),
    "Ring": (0.2, 0.4, 0.6),
    "Cone": (0.55, 0.55, 0.2),
    "Crate": (0.5, 0.25, 0.5),
}
EYES = ((1.5, -9.0, 4.2), (-5.5, -7.5, 3.2), (6.5, -6.5, 5.2), (1.0, -7.6, 2.4))


def shares() -> dict:
    """A tilted square, seen straight on: the sum of its shares is its area, and its border is soft."""
    scenes.clear()
    bpy.ops.mesh.primitive_plane_add(size=2)
    bpy.context.object.rotation_euler.z = 0.3
    found = seen(flat_view())
    share = total(found.objects, 1)
    return {
        "area": float(share.sum()),
        "expected": 4.0 * (WIDTH / 6.0) ** 2,
        "levels": len(np.unique(share)),
        "mixed": int(((share > 0) & (share < 1)).sum()),
        "rows_down": bool(share[:, : WIDTH // 2].sum() > 0),
    }


def occlusion() -> dict:
    """A large square before a small one, and one beside it that it touches."""
    scenes.clear()
    for name, size, place in (("Front", 2, (0, 0, 1)), ("Back", 1, (0, 0, 0)), ("Beside", 2, (2, 0, 1))):
        bpy.ops.mesh.primitive_plane_add(size=size, location=place)
        bpy.context.object.name = name
        bpy.context.object.rotation_euler.z = 0.0
    found = seen(flat_view())
    names = ("Front", "Back", "Beside")
    front, back, beside = (total(found.objects, number_of(found, name)) for name in names)
    row = front[HEIGHT // 2] + beside[HEIGHT // 2]
    inside = row[np.flatnonzero(row)[1] : np.flatnonzero(row)[-1]]
    return {"back": float(back.sum()), "least": float(inside.min()), "most": float(row.max())}


def motion() -> list:
    """From each eye: pixels well within an object, and those of them that have not its colour."""
    four_objects()
    find_viewport().space.shading.light = "FLAT"
    found = []
    for eye in EYES:
        look_from(eye)
        view = camera_view(find_viewport(), WIDTH, HEIGHT)
        capture = Capturer().capture(find_viewport(), view, named=BOTH)
        alone = wrong = 0
        for name, color in COLORS.items():
            mask = inner(total(capture.identity.objects, number_of(capture.identity, name)) == 1.0)
            expected = [round(255 * encoded(value)) for value in color]
            differs = np.abs(capture.color[mask].astype(int) - expected).max(1) > 2
            alone, wrong = alone + int(mask.sum()), wrong + int(differs.sum())
        found.append([alone, wrong])
    return found


def materials() -> dict:
    """A cube of two materials, one of another by its object's slot, and what each pixel of them is."""
    scenes.clear()
    red, blue, own = (bpy.data.materials.new(name) for name in ("Red", "Blue", "Own"))
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=2, y_subdivisions=1, size=2)
    first = bpy.context.object
    for material in (red, blue):
        first.data.materials.append(material)
    first.data.polygons[1].material_index = 1
    second = bpy.data.objects.new("Second", first.data)
    second.location.y = 5.0
    bpy.context.scene.collection.objects.link(second)
    second.material_slots[0].link = "OBJECT"
    second.material_slots[0].material = own
    view = flat_view()
    near = seen(view)
    first.location.y = -5.0
    second.location.y = 0.0
    bpy.context.view_layer.update()
    far = seen(view)
    capture = Capturer().capture(find_viewport(), view, named=frozenset({"object"}))
    return {
        "first": by_material(near),
        "second": by_material(far),
        "sides": float(total(near.materials, material_number(near, "Red"))[:, WIDTH // 2 + 1 :].sum()),
        "not_asked_for": capture.identity.materials is None,
    }


def names() -> dict:
    """Collections within collections, an instance, a child of an empty, a linked object of the same name."""
    scenes.clear()
    outer, inner = bpy.data.collections.new("Outer"), bpy.data.collections.new("Inner")
    bpy.context.scene.collection.children.link(outer)
    outer.children.link(inner)
    mesh = square("Plain")
    long = "车" * 21  # 63 bytes, the longest name of Blender 4
    items = {name: bpy.data.objects.new(name, mesh) for name in ("Car", long, "Wheel", "Kept")}
    inner.objects.link(items["Car"])
    bpy.context.scene.collection.objects.link(items[long])
    holder = bpy.data.objects.new("Holder", None)
    outer.objects.link(holder)
    outer.objects.link(items["Wheel"])
    items["Wheel"].parent = holder
    group = bpy.data.collections.new("Group")
    group.objects.link(items["Kept"])
    instancer = bpy.data.objects.new("Instancer", None)
    instancer.instance_type, instancer.instance_collection = "COLLECTION", group
    bpy.context.scene.collection.objects.link(instancer)
    library = str(Path(REQUEST["folder"], "library.blend"))
    stranger = bpy.data.objects.new("Stranger", square("Other"))
    bpy.data.libraries.write(library, {stranger})
    bpy.data.objects.remove(stranger)
    with bpy.data.libraries.load(library, link=True) as (_, loaded):
        loaded.objects = ["Stranger"]
    bpy.context.scene.collection.objects.link(loaded.objects[0])
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Stranger", mesh))
    bpy.context.view_layer.update()
    told = seen(flat_view()).names
    collections = [item.name for item in told.collections]
    described = {
        f"{item.name}|{item.library}": [
            list(item.within),
            sorted(collections[number - 1] for number in item.collections),
        ]
        for item in told.objects
    }
    frame = frame_of(Capturer().capture(find_viewport(), flat_view(), named=BOTH))
    again = protocol.decode(protocol.encode(protocol.StreamFrame("live", frame))).frame
    return {"objects": described, "long": long, "travels": again.names == frame.names}


def bindings() -> dict:
    """Bindings through a new name, deletion, undo of neither, and a recipe."""
    framebridge.register()
    four_objects()
    scene = bpy.context.scene
    for name in ("Head", "Ring"):
        add(scene, bpy.data.objects[name]).prompt = name.lower()
    group = bpy.data.collections.new("Group")
    scene.collection.children.link(group)
    add(scene, group, "collection")
    found = {"first": [(each.name, each.prompt) for each in bindings_in(scene)]}
    bpy.data.objects["Head"].name = "Kopf"
    found["renamed"] = [each.name for each in bindings_in(scene)]
    ring = bpy.data.objects["Ring"]
    scene.collection.objects.unlink(ring)  # what Blender's Delete does while something points at an object
    bound = scene.framebridge.objects[1]
    found["deleted"] = [bindings_in(scene)[1].name, bound.item is None, bound.title]
    scene.framebridge.objects[0].is_used = False
    found["unused"] = [each.name for each in bindings_in(scene)]
    for item in bpy.context.view_layer.objects:
        item.select_set(item.name in ("Cone", "Crate"))
    found["selected"] = sorted((each.name, each.paint) for each in selected_in(scene))
    asked = [
        protocol.Binding("object", "Cone", "gold", control=0.5, paint="only"),
        protocol.Binding("object", "Gone", "ice"),
    ]
    restore(scene, Recipe("objects", {"objects": protocol.write_bindings(asked)}))
    found["restored"] = bindings_in(scene) == asked
    found["kept"] = [(each.title, each.prompt, each.is_used) for each in scene.framebridge.objects]
    restore(scene, Recipe("objects", {"objects": ""}))
    found["none"] = [[each.title for each in scene.framebridge.objects], bindings_in(scene)]
    restore(scene, Recipe("objects", {"objects": protocol.write_bindings(asked)}))
    found["again"] = bindings_in(scene) == asked, len(scene.framebridge.objects)
    for _ in range(3):
        scene.framebridge.objects.remove(2)
    found["known"] = [bound.item is not None for bound in scene.framebridge.objects]
    identity = seen(camera_view(find_viewport(), WIDTH, HEIGHT))
    rows = tinted(identity, asked)
    covered = total(identity.objects, number_of(identity, "Cone")) > 0.5
    found["tint"] = [list(rows.shape), np.unique(rows[covered][:, :3], axis=0).tolist()]
    for select in (True, False):
        for item in bpy.context.view_layer.objects:
            item.select_set(select and item.name == "Crate")
        bpy.ops.framebridge.add_object()
    found["added"] = [bound.title for bound in scene.framebridge.objects]
    bpy.ops.framebridge.move_object(direction="UP")
    bpy.ops.framebridge.remove_object()
    found["left"] = [bound.title for bound in scene.framebridge.objects]
    framebridge.unregister()
    return found


def final_render() -> dict:
    """Cycles' Cryptomatte beside what is drawn: the area that each object and material has."""
    four_objects()
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 24, False
    scene.cycles.filter_width = 0.01
    metal = bpy.data.materials.new("Metal")
    bpy.data.objects["Crate"].data.materials.append(metal)
    look_from(EYES[0])
    viewport = find_viewport()
    view = camera_view(viewport, WIDTH, HEIGHT)
    drawn = seen(view)
    rendered = render_capture(Capturer(), viewport, view, named=BOTH).identity
    return {
        name: [float(total(each.objects, number_of(each, name)).sum()) for each in (drawn, rendered)]
        for name in COLORS
    } | {"Metal": [by_material(each)["Metal"] for each in (drawn, rendered)]}


def frames() -> list:
    """Write the four objects from each eye to files, for the test to have them painted."""
    four_objects()
    written = []
    for index, eye in enumerate(EYES):
        look_from(eye)
        capture = Capturer().capture(
            find_viewport(), camera_view(find_viewport(), 384, 288), named=frozenset({"object"})
        )
        file = Path(REQUEST["folder"], f"frame-{index}.bin")
        file.write_bytes(protocol.encode(protocol.StreamFrame("live", frame_of(capture))))
        written.append(str(file))
    return written


def four_objects() -> None:
    """A floor, and four objects on it, shaded by their own colours."""
    scenes.clear()
    ops = bpy.ops.mesh
    ops.primitive_plane_add(size=30)
    bpy.context.object.name = "Floor"
    ops.primitive_monkey_add(size=2.6, location=(-2.4, -0.6, 1.3), rotation=(-0.4, 0, 0.4))
    bpy.context.object.name = "Head"
    ops.primitive_torus_add(
        location=(2.5, -1.2, 1.5), rotation=(1.2, 0.2, 0.3), major_radius=1.1, minor_radius=0.45
    )
    bpy.context.object.name = "Ring"
    ops.primitive_cone_add(location=(0.1, 2.2, 1.7), radius1=1.6, depth=3.4, vertices=48)
    bpy.context.object.name = "Cone"
    ops.primitive_cube_add(size=1.9, location=(4.6, 2.6, 0.95), rotation=(0, 0, 0.5))
    bpy.context.object.name = "Crate"
    for name, color in COLORS.items():
        scenes.paint(bpy.data.objects[name], color)
    for name in ("Head", "Ring"):
        for polygon in bpy.data.objects[name].data.polygons:
            polygon.use_smooth = True
    shading = find_viewport().space.shading
    shading.type, shading.light, shading.color_type = "SOLID", "STUDIO", "OBJECT"
    shading.show_object_outline = False
    scenes.camera("perspective").data.lens = 38


def inner(mask: np.ndarray) -> np.ndarray:
    """Leave out the border: the viewport smooths its picture over more than a pixel."""
    kept = mask.copy()
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        kept &= np.roll(mask, shift, axis)
    return kept


def encoded(value: float) -> float:
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def look_from(eye: tuple[float, float, float]) -> None:
    camera = bpy.context.scene.camera
    camera.location = eye
    toward = Vector((0.9, 0.4, 1.2)) - Vector(eye)
    camera.rotation_euler = toward.to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()


def flat_view() -> View:
    """Straight down, 6 units wide."""
    bpy.context.view_layer.update()
    across, up = 6.0 / 2.0, 6.0 * HEIGHT / WIDTH / 2.0
    projection = Matrix(((1 / across, 0, 0, 0), (0, 1 / up, 0, 0), (0, 0, -0.1, -1), (0, 0, 0, 1)))
    return View(Matrix.Translation((0, 0, -5)), projection, WIDTH, HEIGHT)


def square(name: str) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [], [(0, 1, 2, 3)])
    return mesh


def seen(view: View) -> Identity:
    capture: Capture = Capturer().capture(find_viewport(), view, named=BOTH)
    return capture.identity


def total(ranked: Ranked, number: int) -> np.ndarray:
    return ((ranked.numbers == number) * ranked.shares / 255.0).sum(-1)


def number_of(identity: Identity, name: str) -> int:
    return [item.name for item in identity.names.objects].index(name) + 1


def material_number(identity: Identity, name: str) -> int:
    return [item.name for item in identity.names.materials].index(name) + 1


def by_material(identity: Identity) -> dict:
    return {
        item.name: float(total(identity.materials, number).sum())
        for number, item in enumerate(identity.names.materials, start=1)
    }


report(shares, occlusion, motion, materials, names, bindings, final_render, frames)
