"""What happens to the file while something is made: new names, removed scenes, other files."""

from pathlib import Path

import bpy
import framebridge
from artist import connect, prepare, scene, settings, told
from framebridge import display
from framebridge.scene_key import key_of
from framebridge.studio import studio
from harness import REQUEST, report

FOLDER = Path(REQUEST["folder"])


def renamed() -> dict:
    """Pictures, grids and frames of a scene with another name than at their start."""
    found = {}
    for name in ("picture", "grid", "animation"):
        _begin(name)
        scene().name = "Shot"
        found[name] = _ended()
    return found


def removed() -> dict:
    """What is painted of a scene that is removed meanwhile is kept."""
    found = {}
    for name in ("picture", "grid"):
        _begin(name)
        if name == "grid":
            studio().wait(lambda: studio().picture._place == 1)
        other = bpy.data.scenes.new("Other")
        bpy.context.window_manager.windows[0].scene = other
        bpy.data.scenes.remove(next(each for each in bpy.data.scenes if each != other))
        found[name] = _ended()
    return found


def linked() -> dict:
    """A scene of another file with the name of one of this file: each is itself."""
    prepare()
    file = str(FOLDER / "library.blend")
    bpy.data.libraries.write(file, {scene()})
    name = scene().name
    with bpy.data.libraries.load(file, link=True) as (_, wanted):
        wanted.scenes = [name]
    here = next(each for each in bpy.data.scenes if not each.library)
    there = next(each for each in bpy.data.scenes if each.library)
    return {
        "same name": here.name == there.name,
        "found": key_of(here).find() == here and key_of(there).find() == there,
    }


def not_opened() -> dict:
    """Files that cannot be opened: what is made goes on. One that can: it is cancelled."""
    (FOLDER / "text.blend").write_text("no Blender file")
    found = {}
    for name in ("nonexistent.blend", "text.blend"):
        _begin("picture")
        told(lambda name=name: bpy.ops.wm.open_mainfile(filepath=str(FOLDER / name)))
        found[name] = _ended()
    file = str(FOLDER / "file.blend")
    for is_packed in (False, True):
        _begin("picture")
        bpy.ops.wm.save_as_mainfile(filepath=file, compress=is_packed, copy=True)
        bpy.ops.wm.open_mainfile(filepath=file)
        found[f"packed: {is_packed}"] = _ended()
    return found


def undone() -> bool:
    """Undo keeps a scene's key."""
    prepare()
    key = key_of(scene())
    bpy.ops.ed.undo_push(message="Before")
    scene().name = "Shot"
    bpy.ops.ed.undo_push(message="Renamed")
    bpy.ops.ed.undo()
    return key.find() == scene()


def _begin(what: str) -> None:
    prepare()
    scene().name = "Scene"
    scene().frame_start, scene().frame_end = 1, 2
    settings().frames_folder = str(FOLDER / "frames")
    connect()
    settings().grid_x, settings().grid_x_values = "seed", "1..3"
    for image in display.results():
        bpy.data.images.remove(image)
    if what == "picture":
        studio().ask_for_picture(bpy.context)
    elif what == "grid":
        studio().ask_for_grid(bpy.context)
    else:
        studio().ask_for_animation(bpy.context, starts_over=True)


def _ended() -> dict:
    studio().wait(lambda: studio().may_generate, 60)
    return {
        "results": [image.name for image in display.results()],
        "notice": studio().notice,
        "trouble": studio().problem.message if studio().problem else "",
    }


framebridge.register()
report(renamed, removed, linked, not_opened, undone)
