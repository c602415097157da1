"""What our timer takes of Blender's main thread: while a live view turns, and while there is nothing to do."""

import time

import bpy
from framebridge import capture, register
from framebridge.registration import _tick as tick
from framebridge.studio import studio
from harness import REQUEST, report
from stopwatch import Stopwatch
from view import finish_drawing, prepare, turn

WAIT_S = 60.0
IDLE_TICKS = 2000
STOPWATCH = Stopwatch()


def live() -> dict[str, dict[str, list[float]]]:
    """Return, by what is asked for, and by what a tick did, its seconds without the capture's drawing."""
    return {
        f"{size}{', image' if to_image else ''}": _turning(size, to_image)
        for size in REQUEST["sizes"]
        for to_image in (False, True)
    }


def idle() -> dict[str, list[float]]:
    """Return the seconds of ticks with nothing to do: without a daemon to talk to, and with one."""
    studio().disconnect()
    asleep = [_timed() for _ in range(IDLE_TICKS)]
    studio().link.connect()
    _until(lambda: studio().link.is_ready)
    return {"not connected": asleep, "connected": [_timed() for _ in range(IDLE_TICKS)]}


def _turning(size: int, to_image: bool) -> dict[str, list[float]]:
    prepare()
    settings = bpy.context.scene.framebridge
    settings.source, settings.has_own_size, settings.to_image_editor = "VIEWPORT", True, to_image
    settings.width = settings.height = size
    studio().start_live(bpy.context)
    _until(lambda: studio().live.picture is not None)
    found: dict[str, list[float]] = {
        "captured": [], "took in a picture": [], "did both": [], "neither": []
    }  # fmt: skip
    deadline = time.monotonic() + REQUEST["seconds"]
    while time.monotonic() < deadline:
        turn()
        before = studio().live.picture
        seconds = _timed()
        has_captured, has_picture = bool(STOPWATCH.calls["draw"]), studio().live.picture is not before
        kinds = {(True, True): "did both", (True, False): "captured", (False, True): "took in a picture"}
        found[kinds.get((has_captured, has_picture), "neither")].append(seconds)
        time.sleep(0.01)
    assert studio().trouble is None, studio().trouble
    studio().stop_live()
    return found


def _timed() -> float:
    STOPWATCH.restart()
    began = time.perf_counter()
    tick()
    return time.perf_counter() - began - STOPWATCH.seconds["draw"]


def _until(is_so: object) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, studio().trouble
        tick()
        time.sleep(0.01)


register()
finish_drawing()
STOPWATCH.watch(capture, "_draw", "draw")
report(live, idle)
