"""A frame range through a real daemon: in order, resumable, one depth range, everything as before."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import bpy
import framebridge
import scenes
from artist import told
from digest import differences, digest
from framebridge import animation, controls
from framebridge._bridge.host.png import read_texts
from framebridge.boot import start_gpu
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge
FOLDER = Path(REQUEST["folder"])
WRITE = animation.write_picture


def rendered() -> dict:
    """All frames, their recipes, and what is left of it in the scene."""
    prepare("whole")
    start_gpu()  # which Blender 5.2 notes in the preferences
    before = digest()
    order = written()
    ends = list(OPS.render_animation())
    recipes = [recipe(frame) for frame in range(1, 5)]
    return {
        "ends": ends,
        "files": names("whole"),
        "order": list(order),
        "changed": [line for line in differences(before, digest()) if "framebridge" not in line],
        "ranges": sorted({(entry["depth_near"], entry["depth_far"]) for entry in recipes}),
        "seeds": sorted({entry["seed"] for entry in recipes}),
        "strengths": [round(entry["strength"], 2) for entry in recipes],
        "pictures_differ": len({(FOLDER / "whole" / name).read_bytes() for name in names("whole")}),
        "frame": bpy.context.scene.frame_current,
    }


def continued() -> dict:
    """Frames that are there and sound stay; one that is missing and one that is damaged are made again."""
    folder = FOLDER / "whole"
    kept = (folder / "frame_0001.png").stat().st_mtime_ns
    (folder / "frame_0002.png").unlink()
    (folder / "frame_0003.png").write_bytes((folder / "frame_0003.png").read_bytes()[:500])
    order = written()
    ends = list(OPS.render_animation())
    return {
        "ends": ends,
        "made": list(order),
        "kept": (folder / "frame_0001.png").stat().st_mtime_ns == kept,
        "texts": bool(read_texts(folder / "frame_0003.png")),
    }


def stopped() -> dict:
    """Cancelled after the first frame: what is there stays, and the next start goes on."""
    prepare("stopped")
    studio().ask_for_animation(bpy.context)
    studio().wait(lambda: studio().animation is not None and studio().animation.done >= 1, 60)
    is_grey = [is_grey_now()]
    OPS.cancel()
    studio().wait(lambda: studio().animation is None and not len(studio().tasks), 60)
    is_grey.append(is_grey_now())
    first = names("stopped")
    frame = bpy.context.scene.frame_current
    order = written()
    OPS.render_animation()
    return {
        "first": first,
        "frame": frame,
        "then": list(order),
        "all": names("stopped"),
        "left": leftovers("stopped"),
        "is_grey": is_grey,
    }


def is_grey_now() -> bool:
    """Whether what pictures are made of cannot be changed in the panel."""
    panel = SimpleNamespace(layout=SimpleNamespace(), draw_settings=lambda context: None)
    bpy.types.FRAMEBRIDGE_PT_view_controls.draw(panel, bpy.context)
    return not panel.layout.enabled


def differs() -> dict:
    """The folder of another recipe is left alone, unless it is said to start over."""
    prepare("whole")
    group().p_prompt = "clay"
    before = (FOLDER / "whole" / "frame_0001.png").read_bytes()
    refused = told(OPS.render_animation)
    untouched = (FOLDER / "whole" / "frame_0001.png").read_bytes() == before
    ends = list(OPS.render_animation(starts_over=True))
    return {"refused": refused, "untouched": untouched, "ends": ends, "prompt": recipe(1)["prompt"]}


def started_over() -> dict:
    """Starting over, stopped after a frame and gone on with: no frame of the older shot stays."""
    prepare("whole")
    group().p_prompt = "lava"
    bpy.ops.framebridge.render_animation.poll()
    studio().ask_for_animation(bpy.context, starts_over=True)
    studio().wait(lambda: studio().animation is not None and studio().animation.done >= 1, 60)
    OPS.cancel()
    studio().wait(lambda: studio().animation is None and not len(studio().tasks), 60)
    ends = list(OPS.render_animation())
    return {"ends": ends, "prompts": sorted({recipe(frame)["prompt"] for frame in range(1, 5)})}


def stopped_early() -> dict:
    """Stopped while the depth range is looked for: it is found the next time."""
    prepare("early")
    studio().ask_for_animation(bpy.context)
    studio().tick()
    sampling = bool(studio().animation._samples)
    OPS.cancel()
    OPS.render_animation()
    return {"sampling": sampling, "ranges": len({recipe(frame).get("depth_near") for frame in range(1, 5)})}


def another_scene_is_shown() -> dict:
    """The artist looks at another scene meanwhile: the frames are those of the first."""
    prepare("elsewhere")
    first, other = bpy.context.scene, bpy.data.scenes.new("Other")
    studio().ask_for_animation(bpy.context)
    bpy.context.window_manager.windows[0].scene = other
    studio().wait(lambda: studio().animation is None, 60)
    bpy.context.window_manager.windows[0].scene = first
    return {"trouble": str(studio().trouble), "files": names("elsewhere")}


def refusals() -> dict:
    found = {}
    prepare("nowhere")
    (FOLDER / "a file").write_text("")
    bpy.context.scene.framebridge.frames_folder = str(FOLDER / "a file")
    found["folder is a file"] = told(OPS.render_animation)
    bpy.context.scene.framebridge.frames_folder = "//frames"
    found["unsaved file"] = told(OPS.render_animation)
    prepare("broken")
    (FOLDER / "broken").mkdir()
    (FOLDER / "broken" / "shot.json").write_text("{")
    found["broken shot"] = told(OPS.render_animation)
    prepare("blind")
    bpy.context.scene.camera = None
    found["no camera"] = told(OPS.render_animation)
    return found | {"frame": bpy.context.scene.frame_current}


def loaded() -> dict:
    """The frames as an image sequence and as a strip."""
    prepare("whole")
    OPS.load_animation(kind="IMAGE")
    OPS.load_animation(kind="STRIP")
    editor = bpy.context.scene.sequence_editor
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    image = next(image for image in bpy.data.images if image.source == "SEQUENCE")
    return {
        "image": [Path(bpy.path.abspath(image.filepath)).name, image.source],
        "strip": [(strip.frame_final_start, strip.frame_final_duration) for strip in strips],
    }


def prepare(folder: str) -> None:
    """A turning monkey, a strength with keys, frames 1 to 4, the scene at frame 2."""
    scenes.solids()
    scenes.camera("perspective")
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 4
    monkey = bpy.data.objects["Suzanne"]
    for frame, turn in ((1, 0.0), (4, 2.0)):
        monkey.rotation_euler.z = turn
        monkey.keyframe_insert("rotation_euler", frame=frame)
    scene.framebridge.source, scene.framebridge.longest_side = "CAMERA", 96
    scene.framebridge.frames_folder = str(FOLDER / folder)
    if studio().link.is_ready:
        _key_strength()
    scene.frame_set(2)


def _key_strength() -> None:
    for frame, strength in ((1, 1.0), (4, 0.4)):
        group().p_strength = strength
        group().keyframe_insert("p_strength", frame=frame)


def written() -> list[int]:
    """Return a list that fills with the numbers of frames, in the order in which they are written."""
    order: list[int] = []

    def noting(file: Path, data: bytes) -> Path:
        if file.suffix == ".png":
            order.append(int(file.stem.rpartition("_")[2]))
        return WRITE(file, data)

    animation.write_picture = noting
    return order


def group():
    settings = bpy.context.scene.framebridge
    return controls.values_of(settings, controls.preset_of(settings))


def recipe(frame: int) -> dict:
    folder = Path(bpy.context.scene.framebridge.frames_folder)
    return json.loads(read_texts(folder / f"frame_{frame:04}.png")["framebridge"])["values"]


def names(folder: str) -> list[str]:
    return sorted(file.name for file in (FOLDER / folder).glob("*.png"))


def leftovers(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(FOLDER / folder) if name.startswith("."))


framebridge.register()
scenes.clear()
OPS.connect()
report(
    rendered,
    continued,
    stopped,
    differs,
    started_over,
    stopped_early,
    another_scene_is_shown,
    refusals,
    loaded,
)
