"""Presets that work on a result, around one, on all cameras, and with a picture of the artist's."""

import artist
import bpy
import framebridge
import numpy as np
from artist import scene, told
from framebridge import controls, display
from framebridge.geometry import placement
from framebridge.source import Wanted, viewport_of
from framebridge.studio import studio
from framebridge.worked_on import take_for
from harness import REQUEST, report
from mathutils import Vector

OPS = bpy.ops.framebridge


def around() -> dict:
    """A result is painted on at all sides, and stays what it was in the middle."""
    prepare()
    OPS.generate()
    result = display.looked_at(scene())
    before = display.picture_rows(result)
    OPS.choose_preset(preset="outpaint")
    scene().framebridge.margin = 0.25
    ends = list(OPS.generate())
    wide = display.looked_at(scene())
    after = display.picture_rows(wide)
    height, width = before.shape[:2]
    top, left = (after.shape[0] - height) // 2, (after.shape[1] - width) // 2
    soft = 16
    middle = after[top + soft : top + height - soft, left + soft : left + width - soft]
    beside = after[:, : left // 2, :3].reshape(-1, 3)
    where = placement(_matrices(display.view_of(result)), _matrices(display.view_of(wide)))
    return {
        "ends": ends,
        "sizes": [list(result.size), list(wide.size)],
        "middle_kept": bool((middle == before[soft:-soft, soft:-soft]).all()),
        "colors_beside": len(np.unique(beside, axis=0)),
        "place": [round(value, 3) for value in where],
        "expected": [
            round(value, 3)
            for value in (
                2 * left / after.shape[1] - 1,
                1 - 2 * (top + height) / after.shape[0],
                2 * (left + width) / after.shape[1] - 1,
                1 - 2 * top / after.shape[0],
            )
        ],
    }


def around_shows_the_scene() -> dict:
    """What is captured around a picture is what a wider camera sees: the middle is the same."""
    prepare()
    OPS.generate()
    result = display.looked_at(scene())
    viewport = viewport_of(bpy.context)
    view = display.view_of(result)
    plain = studio().capturer.capture(viewport, view, False)
    taken = take_for("around", studio().capturer, viewport, Wanted())
    depth = np.frombuffer(taken.frame.planes["depth"].data, np.float32).reshape(taken.height, taken.width)
    mask = np.frombuffer(taken.frame.planes["mask"].data, np.float32).reshape(taken.height, taken.width)
    top, left = (taken.height - view.height) // 2, (taken.width - view.width) // 2
    inner = depth[top : top + view.height, left : left + view.width]
    both = np.isfinite(inner) & np.isfinite(plain.depth)
    inside = mask[top + 16 : top + view.height - 16, left + 16 : left + view.width - 16]
    return {
        "difference": float(np.median(np.abs(inner[both] - plain.depth[both]))),
        "sky_agrees": float((np.isfinite(inner) == np.isfinite(plain.depth)).mean()),
        "mask_inside": float(inside.max()),
        "mask_outside": float(mask[:, : left - 1].min()),
    }


def result() -> dict:
    """An upscaler takes the result that is looked at, and what comes back lies where that did."""
    prepare()
    scene().framebridge.longest_side = 64
    OPS.generate()
    first = display.looked_at(scene())
    OPS.choose_preset(preset="upscale")
    group().p_scale = 0.5
    ends = list(OPS.generate())
    second = display.looked_at(scene())
    return {
        "ends": ends,
        "trouble": str(studio().trouble),
        "sizes": [list(first.size), list(second.size)],
        "same_view": display.view_of(first).view == display.view_of(second).view,
        "alike": float(np.abs(_mean(first) - _mean(second)).max()),
    }


def cameras() -> dict:
    """All cameras in one picture; each part is a result with the view of its camera."""
    prepare()
    scene().camera.name = "Front"
    for name, place in (("Left", (-8.0, -4.0, 3.0)), ("Back", (0.5, 9.0, 3.0)), ("Hidden", (0.0, 0.0, 9.0))):
        item = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        scene().collection.objects.link(item)
        item.location = place
        item.rotation_euler = (-Vector(place)).to_track_quat("-Z", "Y").to_euler()
        item.hide_viewport = name == "Hidden"
    OPS.choose_preset(preset="sheet")
    scene().framebridge.longest_side, scene().framebridge.to_camera = 256, True
    ends = list(OPS.generate())
    found = display.results()
    behind = [len(camera.background_images) for camera in bpy.data.cameras]
    OPS.show_result(image=found[1].name)
    entries = [(camera, list(camera.background_images)) for camera in bpy.data.cameras]
    behind_tile = {camera.name: entry.image.name for camera, held in entries for entry in held}
    sheet, tiles = found[0], found[1:]
    return {
        "ends": ends,
        "trouble": str(studio().trouble),
        "names": [image.name for image in found],
        "behind": behind,
        "behind_tile": behind_tile,
        "sheet": list(sheet.size),
        "tiles": [list(tile.size) for tile in tiles],
        "has_view": [display.has_view(image) for image in found],
        "looked_at": display.looked_at(scene()).name,
        "different": bool((display.picture_rows(tiles[0]) != display.picture_rows(tiles[1])).mean() > 0.3),
        "is_part": bool(
            (
                display.picture_rows(sheet)[: tiles[-1].size[1], : tiles[-1].size[0]]
                == display.picture_rows(tiles[-1])
            ).all()
        ),
    }


def refused() -> dict:
    """What cannot be, and what it says."""
    found = {}
    prepare()
    OPS.choose_preset(preset="outpaint")
    found["no result"] = told(OPS.generate)
    scene().framebridge.frames_folder = REQUEST["folder"]
    found["animation"] = told(OPS.render_animation)
    OPS.choose_preset(preset="sheet")
    for item in list(bpy.data.objects):
        if item.type == "CAMERA":
            bpy.data.objects.remove(item)
    found["no camera"] = told(OPS.generate)
    prepare()
    OPS.choose_preset(preset="reference")
    found["no picture"] = told(OPS.generate)
    group().picture_p_reference = bpy.data.images.new("Look", 2048, 64)
    found["no model"] = told(OPS.generate)
    found["images"] = len(display.results())
    return found


def prepare() -> None:
    artist.prepare()
    if studio().link.is_ready:
        OPS.choose_preset(preset="stylize")


def group():
    return controls.values_of(scene().framebridge, controls.preset_of(scene().framebridge))


def _matrices(view) -> tuple[np.ndarray, np.ndarray]:
    return np.array(view.view), np.array(view.projection)


def _mean(image: bpy.types.Image) -> np.ndarray:
    return display.picture_rows(image)[..., :3].reshape(-1, 3).mean(0)


framebridge.register()
report(around, around_shows_the_scene, result, cameras, refused)
