"""What our timer takes of Blender's main thread: while a live view turns, and with nothing to do."""

import time
from collections.abc import Callable

import bpy
from framebridge import capture, register
from framebridge.registration import _tick as tick
from framebridge.studio import studio
from harness import REQUEST, report
from stopwatch import Stopwatch
from view import finish_drawing, prepare, turn

WAIT_S = 60.0
IDLE_TICKS = 2000
PAUSE_S = 0.01
STOPWATCH = Stopwatch()

Taken = dict[str, list[tuple[float, float]]]
"""By what ticks did, the seconds that passed and those of the processor, without the captures' drawing."""


def live() -> dict[str, Taken]:
    """Return what ticks take while the view turns; by size, and by where the pictures go."""
    return {
        f"{size}²{place}": _turning(size, bool(place))
        for size in REQUEST["sizes"]
        for place in ("", ", written into an image, too")
    }


def idle() -> Taken:
    """Return what ticks take with nothing to do: without a daemon to talk to, and with one."""
    studio().disconnect()
    asleep = [_timed() for _ in range(IDLE_TICKS)]
    studio().link.connect()
    _until(lambda: studio().link.is_ready)
    return {"not connected": asleep, "connected": [_timed() for _ in range(IDLE_TICKS)]}


def _turning(size: int, to_image: bool) -> Taken:
    prepare()
    settings = bpy.context.scene.framebridge
    settings.source, settings.has_own_size, settings.to_image_editor = "VIEWPORT", True, to_image
    settings.width = settings.height = size
    studio().start_live(bpy.context)
    _until(lambda: studio().live.picture is not None)
    first = studio().live.picture
    turn()
    _until(lambda: studio().live.picture is not first)  # the first capture takes longest, and is rested after
    found: Taken = {"captured": [], "took in a picture": [], "neither": []}
    deadline = time.monotonic() + REQUEST["seconds"]
    while time.monotonic() < deadline:
        turn()
        before = studio().live.picture
        taken = _timed()
        did = [STOPWATCH.calls["draw"] > 0, studio().live.picture is not before]
        for kind in [kind for kind, was_done in zip(found, did, strict=False) if was_done] or ["neither"]:
            found[kind].append(taken)
        time.sleep(PAUSE_S)
    assert studio().trouble is None, studio().trouble
    studio().stop_live()
    return found


def _timed() -> tuple[float, float]:
    STOPWATCH.restart()
    began, computed = time.perf_counter(), time.thread_time()
    tick()
    passed, computed = time.perf_counter() - began, time.thread_time() - computed
    return passed - STOPWATCH.seconds["draw"], computed - STOPWATCH.processor_seconds["draw"]


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, studio().trouble
        tick()
        time.sleep(PAUSE_S)


register()
finish_drawing()
STOPWATCH.watch(capture, "_draw", "draw")
report(live, idle)
