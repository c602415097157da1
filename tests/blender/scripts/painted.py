"""Projection by the buttons: a generated result onto the meshes, baked, kept, removed."""

from pathlib import Path

import bpy
import framebridge
import numpy as np
import scenes
from artist import prepare, scene, told
from framebridge import controls, display, projection
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge


def projected() -> dict:
    prepare()
    OPS.generate()
    ends = list(OPS.project())
    painted = sorted(item.name for item in bpy.data.objects if projection.views_of(item))
    scene().camera.location.x += 2.0
    bpy.context.view_layer.update()
    OPS.generate()
    OPS.project()
    return {
        "ends": ends,
        "painted": painted,
        "views": len(projection.all_views()),
        "trouble": str(studio().trouble),
    }


def seen_from_aside() -> dict:
    """A result on the meshes, rendered from another side; the picture is kept for the documentation."""
    prepare()
    scene().framebridge.longest_side = 512
    values = controls.values_of(scene().framebridge, controls.preset_of(scene().framebridge))
    values.p_prompt = "watercolor"
    OPS.generate()
    OPS.project()
    scene().view_settings.view_transform = "Standard"
    scene().camera.location = (4.0, -7.5, 4.5)
    scene().camera.rotation_euler = (1.15, 0.0, 0.48)
    render = scene().render
    render.engine, render.resolution_x, render.resolution_y = "CYCLES", 480, 270
    scene().cycles.samples, scene().cycles.use_denoising = 8, False
    studio().tick()  # matches the colours to the view transform, which may have changed
    render.filepath, render.image_settings.file_format = str(Path(REQUEST["folder"]) / "aside.png"), "PNG"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(render.filepath)
    pixels = np.array(image.pixels).reshape(-1, 4)[:, :3]
    return {"colors": len(np.unique((pixels * 31).astype(int), axis=0))}


def only_selected() -> dict:
    prepare()
    OPS.generate()
    for item in bpy.data.objects:
        item.select_set(item.name == "Suzanne")
    OPS.project(only_selected=True)
    return {"painted": [item.name for item in bpy.data.objects if projection.views_of(item)]}


def strengths() -> dict:
    prepare()
    OPS.generate()
    OPS.project()
    view = projection.all_views()[0]
    OPS.view_strength(view=view.name, strength=0.25)
    found = {"strength": round(projection.strength_of(view), 3)}
    try:
        OPS.view_strength(view="gone", strength=1.0)
    except RuntimeError as error:
        found["unknown"] = str(error).strip()
    return found


def baked() -> dict:
    prepare()
    OPS.generate()
    for item in bpy.data.objects:
        item.select_set(item.name == "Suzanne")
    OPS.project(only_selected=True)
    ends = list(OPS.bake(size="512"))
    sizes = [list(image.size) for image in bpy.data.images if image.size[0] == image.size[1] == 512]
    OPS.keep_bake()
    return {"ends": ends, "sizes": sizes, "views": len(projection.all_views())}


def removed() -> dict:
    """Taken off again: nothing of it stays, and each object has its own materials."""
    prepare()
    OPS.generate()
    before = scenes.datablocks()
    OPS.project()
    added = len(scenes.datablocks() - before)
    bpy.ops.object.select_all(action="DESELECT")
    OPS.remove_projection()
    return {
        "added": added > 3,
        "left": sorted(scenes.datablocks() - before),
        "lost": sorted(before - scenes.datablocks()),
    }


def refusals() -> dict:
    found = {}
    prepare()
    OPS.generate()
    del display.results()[0]["framebridge_view"]
    found["view not known"] = told(OPS.project)
    prepare()
    OPS.generate()
    bpy.ops.object.select_all(action="DESELECT")
    found["nothing selected"] = told(lambda: OPS.project(only_selected=True))
    return found


framebridge.register()
report(projected, seen_from_aside, only_selected, strengths, baked, removed, refusals)
