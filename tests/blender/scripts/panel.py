"""What the panel's buttons do, with a real daemon, without a window."""

import threading
from pathlib import Path

import artist
import bpy
import framebridge
import numpy as np
import scenes
from artist import scene, values
from framebridge import controls, display
from framebridge._bridge import protocol
from framebridge._bridge.errors import BridgeError
from framebridge._bridge.host import maps
from framebridge._bridge.host.png import read_texts
from framebridge._bridge.host.preset import Control, Preset
from framebridge._bridge.host.recipe import Recipe
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge
FOLDER = Path(REQUEST["folder"])


def generated() -> dict:
    """The first picture: nothing is connected yet."""
    prepare()
    before = scenes.datablocks()
    ends = list(OPS.generate())
    image = display.looked_at(scene())
    rows = display.picture_rows(image)
    size, added = list(image.size), scenes.datablocks() - before
    path = str(FOLDER / "generated.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    scenes.clear()
    bpy.ops.wm.open_mainfile(filepath=path)
    again = display.looked_at(scene())
    return {
        "ends": ends,
        "trouble": str(studio().trouble),
        "size": size,
        "colors": len(np.unique(rows[..., :3].reshape(-1, 3), axis=0)),
        "added": sorted(added),
        "same_after_reload": bool((display.picture_rows(again) == rows).all()),
        "prompt_after_reload": display.prompt_of(again),
        "settings_after_reload": values().p_prompt,
    }


def final_render() -> dict:
    """A picture made from a final render, in the proportions of the render settings."""
    prepare()
    scene().framebridge.source = "RENDER"
    scene().render.engine = "BLENDER_WORKBENCH"
    scene().render.resolution_x, scene().render.resolution_y = 800, 600
    before = scenes.datablocks()
    ends = list(OPS.generate())
    return {
        "ends": ends,
        "size": list(display.looked_at(scene()).size),
        "added": sorted(name for name in scenes.datablocks() - before if "Render Result" not in name),
        "engine": scene().render.engine,
    }


def left_out() -> list[str]:
    """The notes on final renders of a scene with a strip, muted and not, and with nodes that compose."""
    prepare()
    scene().framebridge.source = "RENDER"
    scene().render.engine = "BLENDER_WORKBENCH"
    strips = scene().sequence_editor_create()
    strips = strips.strips if hasattr(strips, "strips") else strips.sequences
    path = str(FOLDER / "strip.png")
    bpy.data.images.new("Strip", 8, 8).save(filepath=path)
    strip = strips.new_image("Strip", path, 1, 1)
    strip.mute = True
    notices = []
    for change in (
        lambda: None,
        lambda: setattr(strip, "mute", False),
        lambda: _compose(scene()),
        lambda: setattr(scene().render, "use_compositing", False),
        lambda: setattr(scene().render, "use_sequencer", False),
    ):
        change()
        OPS.generate()
        notices.append(studio().notice)
    return notices


def _compose(its: bpy.types.Scene) -> None:
    if hasattr(its, "compositing_node_group"):  # Blender 5
        its.compositing_node_group = bpy.data.node_groups.new("Comp", "CompositorNodeTree")
    else:
        its.use_nodes = True


def seeds() -> dict:
    """What the three seed modes do to the seed, and that the recipe holds the one that was used."""
    prepare()
    found = {}
    for mode in ("FIXED", "INCREMENT", "RANDOM"):
        scene().framebridge.seed_mode = mode
        values().p_seed = 7
        OPS.generate()
        first = used()
        OPS.generate()
        found[mode] = [first, used(), values().p_seed]
    return found


def used_again() -> dict:
    prepare()
    values().p_prompt = "watercolor 水彩 🎨 ‏عربي"
    values().p_strength = 0.5
    values().p_steps = 2
    values().use_p_edges = True
    values().use_p_depth = False
    OPS.generate()
    values().p_prompt, values().p_strength, values().p_steps = "clay", 1.0, 1
    values().use_p_edges, values().use_p_depth = False, True
    scene().framebridge.seed_mode = "RANDOM"
    OPS.use_again()
    group = values()
    return {
        "prompt": group.p_prompt,
        "strength": round(group.p_strength, 3),
        "steps": group.p_steps,
        "edges": group.use_p_edges,
        "depth": group.use_p_depth,
        "weights": [used("edges_weight"), used("depth_weight")],
        "mode": scene().framebridge.seed_mode,
    }


def history() -> dict:
    """Results are listed, looked at, saved, and deleted; a kept image of the user's is no result."""
    prepare()
    bpy.data.images.new("Mine", 8, 8)
    for prompt in ("toon", "clay", "snow"):
        values().p_prompt = prompt
        OPS.generate()
    listed = [display.prompt_of(image) for image in display.results()]
    scene().framebridge.history_index = list(bpy.data.images).index(display.results()[1])
    looked_at = display.prompt_of(display.looked_at(scene()))
    file = FOLDER / "saved" / "result.png"
    OPS.save_result(filepath=str(file))
    OPS.delete_result(image=display.results()[0].name)
    return {
        "listed": listed,
        "looked_at": looked_at,
        "saved": "clay" in read_texts(file).get("framebridge", ""),
        "left": [display.prompt_of(image) for image in display.results()],
        "mine": "Mine" in bpy.data.images,
    }


def destinations() -> dict:
    """Behind the camera, in an Image Editor, in a folder."""
    prepare()
    settings = scene().framebridge
    settings.to_camera, settings.to_folder, settings.folder = True, True, str(FOLDER / "results")
    area = next(
        area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "PROPERTIES"
    )
    area.type = "IMAGE_EDITOR"
    theirs = scene().camera.data.background_images.new()
    theirs.image = bpy.data.images.new("Storyboard", 8, 8)
    OPS.generate()
    OPS.generate()
    backgrounds = [entry.image.name for entry in scene().camera.data.background_images]
    shown = area.spaces.active.image.name
    area.spaces.active.image = bpy.data.images["Storyboard"]
    OPS.generate()
    kept = area.spaces.active.image.name
    area.type = "PROPERTIES"
    return {
        "backgrounds": backgrounds,
        "editor": shown,
        "editor_of_the_user": kept,
        "files": sorted(file.name for file in (FOLDER / "results").iterdir()),
        "trouble": str(studio().trouble),
    }


def behind_cameras() -> dict:
    """Behind the camera that a picture was made with, whichever is active later; and away with it."""
    prepare()
    scene().framebridge.to_camera = True
    first = scene().camera
    second = bpy.data.objects.new("Second", bpy.data.cameras.new("Second"))
    scene().collection.objects.link(second)
    second.matrix_world = first.matrix_world
    studio().ask_for_picture(bpy.context)
    scene().camera = second
    studio().wait(lambda: studio().may_generate)
    made = behind(first), behind(second)
    OPS.show_result()
    shown = behind(first), behind(second)
    scene().framebridge.grid_x, scene().framebridge.grid_x_values = "seed", "1, 2"
    OPS.generate_grid()
    grid = display.looked_at(scene()).name
    after_grid = behind(first), behind(second)
    theirs = first.data.background_images.new()
    theirs.image = bpy.data.images.new("Storyboard", 8, 8)
    OPS.delete_result(image=made[0][0])
    return {
        "made": made,
        "shown": shown,
        "grid": [grid, after_grid],
        "deleted": [behind(first), behind(second)],
        "trouble": str(studio().trouble),
    }


def behind(camera: bpy.types.Object) -> list[str]:
    return [entry.image.name if entry.image else "" for entry in camera.data.background_images]


def renamed_camera() -> dict:
    """A camera that gets another name, while a picture is made and later; and one that is deleted."""
    prepare()
    scene().framebridge.to_camera = True
    camera = scene().camera
    studio().ask_for_picture(bpy.context)
    camera.name, camera.data.name = "Shot A", "Shot A"
    other = bpy.data.objects.new("perspective", bpy.data.cameras.new("perspective"))
    scene().collection.objects.link(other)
    studio().wait(lambda: studio().may_generate)
    made = behind(camera), behind(other)
    camera.data.background_images.clear()
    camera.name = "Shot B"
    path = str(FOLDER / "renamed.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    OPS.show_result()
    shown = behind(bpy.data.objects["Shot B"]), behind(bpy.data.objects["perspective"])
    with bpy.context.temp_override(selected_objects=[bpy.data.objects["Shot B"]]):
        bpy.ops.object.delete()
    is_deleted = "Shot B" not in bpy.data.objects
    told = [artist.told(OPS.show_result)]
    bpy.data.cameras.remove(bpy.data.cameras["Shot A"])
    told.append(artist.told(OPS.show_result))
    return {"made": made, "shown": shown, "is_deleted": is_deleted, "told": told}


def prompts() -> dict:
    """Words of the model are put in and taken out; a preset keeps the prompt of the one before."""
    prepare()
    values().p_prompt = "clay, on a hill"
    OPS.add_word(word="oil painting")
    added = values().p_prompt
    OPS.add_word(word="oil painting")
    OPS.add_word(word="clay")
    OPS.choose_preset(preset="stylize-sd15")
    return {
        "added": added,
        "removed": values().p_prompt,
        "preset": scene().framebridge.preset,
        "words": len(controls.presets()[0].find("prompt").choices),
    }


def mapped() -> dict:
    prepare()
    OPS.show_maps()
    icons = studio().thumbnails
    return {"names": [name for name in maps.MAPS if name in icons._names], "trouble": str(studio().trouble)}


def diagnosed() -> dict:
    prepare()
    before = scenes.datablocks()
    ends = list(OPS.diagnose())
    return {
        "ends": ends,
        "steps": [[step.name, step.state] for step in studio().diagnosis.steps],
        "words": [step.words for step in studio().diagnosis.steps],
        "left": sorted(scenes.datablocks() - before),
    }


def orphans() -> dict:
    """Every operator once: datablocks that nobody uses afterwards, and those that are new."""
    prepare()
    settings = scene().framebridge
    scene().frame_start, scene().frame_end, settings.frames_folder = 1, 2, str(FOLDER / "orphans")
    before, kept = unused(), scenes.datablocks()
    ran = [
        OPS.connect(),
        OPS.generate(),
        OPS.show_maps(),
        OPS.diagnose(),
        OPS.project(),
        OPS.view_strength(view="Framebridge View 1", strength=0.5),
        OPS.remove_projection(view="Framebridge View 1"),
        OPS.use_again(),
        OPS.show_result(),
        OPS.clear_overlay() if OPS.clear_overlay.poll() else {"FINISHED"},
        OPS.render_animation(),
        OPS.free_memory(),
        OPS.delete_result(),
        OPS.cancel(),
        OPS.dismiss(),
        OPS.disconnect(),
    ]
    return {
        "ran": [list(ends) for ends in ran],
        "unused": sorted(unused() - before),
        "added": sorted(scenes.datablocks() - kept),
    }


def refusals() -> dict:
    """What cannot work, and what the artist is told."""
    return {name: told(action) for name, action in REFUSALS.items()}


def odd_but_fine() -> dict:
    """What looks odd and works: a broken driver, a camera inside of a mesh, a prompt of everything."""
    found = {}
    prepare()
    driver = bpy.data.objects["Cube"].driver_add("location", 0).driver
    driver.expression = "not python ("
    found["broken driver"] = list(OPS.generate())
    prepare()
    bpy.ops.mesh.primitive_cube_add(size=2, location=scene().camera.location)
    found["camera in a mesh"] = list(OPS.generate())
    prepare()
    values().p_prompt = "‏\u202e\U0001f9ff " + "ä" * 3000 + "\n\t\x7f(((:::)))\\"
    found["any unicode"] = list(OPS.generate())
    return found


def strangers_file() -> dict:
    """Properties that somebody else has written where ours are; an image of the user's with our mark."""
    prepare()
    for index, (number, text) in enumerate(
        (
            (1, "[" * 5000),
            ("many", "{}"),
            (2**31 - 1, '{"preset": "x", "values": {"prompt": "\\ud800"}}'),
            ([1], "7"),
        )
    ):
        image = bpy.data.images.new(f"Odd {index}", 8, 8)
        image["framebridge_slot"], image["framebridge_number"] = "result", number
        image["framebridge_recipe"] = text
        image["framebridge_view"] = '{"view": [1e999], "projection": [], "width": 1e999, "height": 1}'
    for image in display.results():
        display.describe(image), display.prompt_of(image)
    ends = list(OPS.generate())
    refused = sum(_is_refused(image) for image in display.results()[1:])
    mine = bpy.data.images.new("Mine", 8, 8)
    mine.filepath_raw, mine.file_format = str(FOLDER / "mine.png"), "PNG"
    mine.save()
    mine["framebridge_slot"] = "live"
    shown = display.show_picture(protocol.Plane("image", (8, 8, 3), "u8", bytes(192)), display.LIVE)
    return {
        "ends": ends,
        "refused": refused,
        "is_new": shown != mine,
    }


def _is_refused(image: bpy.types.Image) -> bool:
    try:
        OPS.project(image=image.name)
    except RuntimeError as error:
        return "was seen from is not known" in str(error)
    return False


def long_names() -> dict:
    """A preset whose file has a long name, and one that Blender refuses, beside one that is sound."""
    found = {}
    control = Control("p" * 90, "Prompt", "text", "")
    sound = Preset("my long architectural interior workflow, second version", "Long", "", (control,))
    controls.offer((sound,))
    found["long"] = [preset.title for preset in controls.presets()]
    refused = Preset("odd", "Odd", "", (Control("n", "N", "number", 1.0, minimum="one"),))
    try:
        controls.offer((refused, sound))
    except BridgeError as error:
        found["code"] = error.code
    found["left"] = [preset.title for preset in controls.presets()]
    studio().disconnect()
    OPS.connect()
    return found


def changed_preset() -> dict:
    """A file whose values were set for another version of the preset."""
    prepare()
    OPS.choose_preset(preset="stylize")
    current = scene().framebridge.preset_digest
    scene().framebridge.preset_digest = "older"
    image = display.looked_at(scene()) or generated_image()
    image["framebridge_recipe"] = Recipe("stylize", {"prompt": "toon", "gone": 3, "steps": "many"}).to_json()
    return {
        "digest": bool(current),
        "is_noticed": scene().framebridge.preset_digest != controls.presets()[0].digest,
        "again": list(OPS.use_again(image=image.name)),
        "prompt": values().p_prompt,
    }


def cleared() -> dict:
    """Unregistering leaves nothing; registering again works."""
    prepare()
    framebridge.unregister()
    left = {
        "threads": [thread.name for thread in threading.enumerate()],
        "scene": hasattr(bpy.types.Scene, "framebridge"),
        "classes": [name for name in dir(bpy.types) if "FRAMEBRIDGE" in name],
        "operators": list(dir(bpy.ops.framebridge)),
        "handlers": [
            str(function)
            for name in dir(bpy.app.handlers)
            if isinstance(functions := getattr(bpy.app.handlers, name), list)
            for function in functions
            if "framebridge" in str(getattr(function, "__module__", ""))
        ],
    }
    framebridge.register()
    left["again"] = list(OPS.generate())
    return left


def prepare() -> None:
    """A scene of solids with a camera, and small pictures."""
    artist.prepare()
    if studio().link.is_ready:
        values().p_prompt = "neon"


def generated_image() -> bpy.types.Image:
    OPS.generate()
    return display.looked_at(scene())


def told(action) -> dict:
    """Return what the operator that fails reports."""
    prepare()
    before = scenes.datablocks()
    try:
        ends = list(action())
        message = ""
    except RuntimeError as error:
        ends, message = ["CANCELLED"], str(error)
    return {"ends": ends, "message": message, "left": sorted(scenes.datablocks() - before)}


def _no_camera():
    scene().camera = None
    return OPS.generate()


def _all_sky():
    for item in list(bpy.data.objects):
        if item.type != "CAMERA":
            bpy.data.objects.remove(item)
    return OPS.generate()


def _too_large():
    scene().framebridge.longest_side = 8000
    return OPS.generate()


def _unsaved():
    scene().framebridge.to_folder, scene().framebridge.folder = True, "//results"
    return OPS.generate()


def _not_a_folder():
    (FOLDER / "file").write_text("no folder")
    scene().framebridge.to_folder, scene().framebridge.folder = True, str(FOLDER / "file")
    return OPS.generate()


def _unknown_preset():
    scene().framebridge.preset = "gone"
    return OPS.generate()


def _no_viewport():
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                area.type = "TEXT_EDITOR"
    return OPS.generate()


def _camera_lost():
    scene().camera = None
    scene().framebridge.source, scene().framebridge.to_camera = "VIEWPORT", True
    return OPS.generate()


REFUSALS = {
    "no camera": _no_camera,
    "all sky": _all_sky,
    "too large": _too_large,
    "unsaved file": _unsaved,
    "folder is a file": _not_a_folder,
    "unknown preset": _unknown_preset,
    "no result": lambda: OPS.use_again(image="nothing"),
    "no frames": lambda: (
        setattr(scene().framebridge, "frames_folder", str(FOLDER / "empty")),
        OPS.load_animation(),
    )[1],
    "no camera for the background": _camera_lost,
    "no viewport": _no_viewport,
}


def used(name: str = "seed"):
    return display.recipe_of(display.results()[0]).values[name]


def unused() -> set[str]:
    kinds = scenes.collections()
    return {f"{kind}/{item.name}" for kind in kinds for item in getattr(bpy.data, kind) if not item.users}


framebridge.register()
report(
    generated,
    final_render,
    left_out,
    seeds,
    used_again,
    history,
    destinations,
    behind_cameras,
    renamed_camera,
    prompts,
    mapped,
    diagnosed,
    orphans,
    refusals,
    odd_but_fine,
    changed_preset,
    strangers_file,
    long_names,
    cleared,
)
