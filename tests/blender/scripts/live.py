"""The live view with a real daemon, ticked as a timer would."""

import time

import bpy
import framebridge
import scenes
from framebridge import controls, display
from framebridge.studio import studio
from harness import report
from mathutils import Quaternion

WAIT_S = 60.0
CALM_S = 0.8
"""Long enough for a view that captures by mistake to do so."""


def begins() -> dict:
    """Turned on before there is a connection: it connects and shows the view."""
    prepare()
    studio().start_live(bpy.context)
    picture = next_picture(None)
    return {"size": list(picture[0].shape), "words": studio().live.words.split(",")[0], "trouble": trouble()}


def follows() -> dict:
    """What makes it look again, and what does not."""
    found = {}
    for name, change in CHANGES.items():
        settle()
        spin()
        before = studio().live.picture
        captured, shown = CAPTURES.count, studio().overlay.is_shown
        change()
        try:
            next_picture(before)
            settle()
            found[name] = [True, CAPTURES.count - captured > 0, shown]
        except TimeoutError:
            found[name] = [False, CAPTURES.count - captured > 0, shown]
    return found


def rests() -> dict:
    """Nothing changes: no capture, though pictures are shown, kept, and written into an image."""
    settings().to_image_editor = True
    next_picture(studio().live.picture, CHANGES["camera"])
    settle()
    before = CAPTURES.count
    studio().keep_live(bpy.context)
    display.show_picture(studio().live.picture[0], display.LIVE)
    deadline = time.monotonic() + CALM_S
    while time.monotonic() < deadline:
        tick()
    return {"captures": CAPTURES.count - before, "kept": len(display.results())}


def rests_behind_the_camera() -> dict:
    """The picture is the camera's background, too: that is no change of the scene."""
    settings().to_camera = True
    next_picture(studio().live.picture, CHANGES["camera"])
    settle()
    before = CAPTURES.count
    spin()
    settings().to_camera = False
    return {"captures": CAPTURES.count - before}


def shading_is_seen() -> bool:
    """A change of the viewport's shading, of which Blender tells nobody."""
    settle()
    before = CAPTURES.count
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    area.spaces.active.shading.show_cavity = True
    next_picture(studio().live.picture)
    return CAPTURES.count > before


def kept_recipe() -> str:
    """What a picture is kept with after a control was changed, the view being the same."""
    settle()
    next_picture(studio().live.picture, lambda: setattr(values(), "p_prompt", "blueprint"))
    return str(display.recipe_of(studio().keep_live(bpy.context)).values["prompt"])


def never_queues() -> dict:
    """A view that turns all the time: each capture waits for the picture before it."""
    settings().source = "VIEWPORT"
    settle()
    spin()
    before, pictures, most = CAPTURES.count, 0, 0
    for _ in range(60):
        region_3d().view_rotation = region_3d().view_rotation @ Quaternion((0, 0, 1), 0.02)
        last = studio().live.picture
        tick()
        pictures += studio().live.picture is not last
        most = max(most, CAPTURES.count - before - pictures)
        time.sleep(0.02)
    settle()
    return {"captures": CAPTURES.count - before, "most_under_way": most, "turns": 60}


def pauses() -> dict:
    """While Blender renders, and while no window shows its viewport."""
    settle()
    before = CAPTURES.count
    studio().is_rendering = True
    CHANGES["camera"]()
    spin()
    while_rendering = CAPTURES.count - before
    studio().is_rendering = False
    next_picture(studio().live.picture)
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    area.type = "TEXT_EDITOR"
    before = CAPTURES.count
    bpy.data.objects["Cube"].location.x += 0.5
    bpy.context.view_layer.update()
    spin()
    found = {
        "while_rendering": while_rendering,
        "while_hidden": CAPTURES.count - before,
        "is_paused": studio().live.is_paused,
        "words": studio().live.words,
    }
    area.type = "VIEW_3D"
    next_picture(studio().live.picture)
    return found | {"goes_on": True}


def mends() -> dict:
    """A preset that cannot run, then one that can: Live says what is wrong and goes on."""
    settings().preset = "gone"
    spin()
    problem = studio().trouble
    settings().preset = "stylize"
    next_picture(studio().live.picture, CHANGES["camera"])
    return {"code": problem.code if problem else "", "after": trouble()}


def ends() -> dict:
    images = len(bpy.data.images)
    studio().stop_live()
    before = CAPTURES.count
    CHANGES["camera"]()
    spin()
    return {
        "captures": CAPTURES.count - before,
        "is_off": studio().live is None,
        "images": len(bpy.data.images) - images,
    }


def file_is_opened() -> dict:
    """Another file while Live is on: Live is off, and the overlay gone."""
    studio().start_live(bpy.context)
    next_picture(None)
    scenes.clear()
    tick()
    return {"is_off": studio().live is None, "overlay": studio().overlay.is_shown, "trouble": trouble()}


class Captures:
    """Counts what is captured."""

    def __init__(self) -> None:
        self.count = 0
        capture = studio().capturer.capture

        def counted(*arguments):
            self.count += 1
            return capture(*arguments)

        studio().capturer.capture = counted


def prepare() -> None:
    scenes.solids()
    scenes.camera("perspective")
    settings().longest_side = 96
    settings().to_image_editor = False


def settings():
    return bpy.context.scene.framebridge


def region_3d():
    area = next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == "VIEW_3D")
    return area.spaces.active.region_3d


def values():
    return controls.values_of(settings(), controls.preset_of(settings()))


def tick() -> None:
    bpy.context.view_layer.update()  # as Blender does between two events
    studio().tick()


def next_picture(before, change=lambda: None):
    change()
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        tick()
        if studio().live.picture is not None and studio().live.picture is not before:
            return studio().live.picture
        time.sleep(0.005)
    raise TimeoutError(str(studio().trouble))


def settle() -> None:
    """Tick until nothing is under way."""
    deadline = time.monotonic() + WAIT_S
    while studio().live._stream._pace.is_waiting or not studio().live._stream.is_current:
        assert time.monotonic() < deadline, "it never comes to rest"
        tick()
        time.sleep(0.005)


def spin() -> None:
    deadline = time.monotonic() + CALM_S
    while time.monotonic() < deadline:
        tick()
        time.sleep(0.005)


def trouble() -> str:
    return str(studio().trouble)


def _turn() -> None:
    region_3d().view_rotation = region_3d().view_rotation @ Quaternion((0, 0, 1), 0.3)


CHANGES = {
    "view": _turn,
    "object": lambda: setattr(bpy.data.objects["Suzanne"].location, "z", 2.0),
    "prompt": lambda: setattr(values(), "p_prompt", "clay"),
    "unit": lambda: setattr(values(), "use_p_edges", True),
    "size": lambda: setattr(settings(), "longest_side", 128),
    "frame": lambda: bpy.context.scene.frame_set(7),
    "source": lambda: setattr(settings(), "source", "CAMERA"),
    "camera": lambda: setattr(
        bpy.context.scene.camera.location, "x", bpy.context.scene.camera.location.x + 0.2
    ),
}
framebridge.register()
CAPTURES = Captures()
report(
    begins,
    follows,
    rests,
    rests_behind_the_camera,
    shading_is_seen,
    kept_recipe,
    never_queues,
    pauses,
    mends,
    ends,
    file_is_opened,
)
