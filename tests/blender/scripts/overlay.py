"""The overlay's drawing, off screen, into a plain framebuffer and into one that encodes like a viewport's."""

import time
from collections.abc import Callable
from types import SimpleNamespace

import bpy
import gpu
import numpy as np
import scenes
from framebridge.boot import start_gpu
from framebridge.capture import Capturer
from framebridge.overlay import STALE_BRIGHTNESS, Overlay
from framebridge.viewport import View, camera_view, find_viewport
from harness import report
from mathutils import Matrix

WIDTH, HEIGHT = 96, 64
BACKGROUND = 51
WHOLE = 1.0, 0.0


def plain() -> dict:
    """Each value of each channel, and more than one picture."""
    rows, other = noise(3, 1), noise(3, 2)
    overlay = shown(rows)
    first = drawn(overlay)
    overlay.show(other, VIEW)
    return {"first": furthest(first, rows), "second": furthest(drawn(overlay), other), **told(overlay)}


def encoded() -> dict:
    """What a viewport's framebuffer holds, after Blender has laid it over the scene."""
    rows = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rows.reshape(-1, 3)[:256] = np.arange(256, dtype=np.uint8)[:, None]
    stored = drawn(shown(rows), "SRGB8_A8") / 255.0
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    seen = np.rint(255.0 * light ** (1.0 / 2.2)).reshape(-1, 3)[:256, 0]
    off = np.abs(seen - np.arange(256))
    return {"off_by_more_than_1": np.flatnonzero(off > 1).tolist(), "furthest": int(off.max())}


def mixed() -> dict:
    """Half opaque, split, stale, and with a picture that has holes of its own."""
    rows = noise(3, 3)
    half = drawn(shown(rows, (0.5, 0.0)))
    split = drawn(shown(rows, (1.0, 0.5)))
    middle = WIDTH // 2
    stale = shown(rows)
    stale.mark_stale()
    above_label = np.s_[: HEIGHT // 3]
    holes = noise(4, 4)
    holes[..., 3] = np.where(np.arange(WIDTH) < middle, 0, 255)
    after = shown(holes)
    with_holes = drawn(after)
    after.show(rows, VIEW)
    return {
        "half": furthest(half, (rows.astype(float) + BACKGROUND) / 2),
        "before_split": furthest(split[:, : middle - 1], np.full(3, BACKGROUND)),
        "line": int(split[:, middle - 1 : middle + 1].max(axis=1).min()),
        "after_split": furthest(split[:, middle + 1 :], rows[:, middle + 1 :]),
        "all_cut": furthest(drawn(shown(rows, (1.0, 1.0)))[:, :-1], np.full(3, BACKGROUND)),
        "stale": furthest(drawn(stale)[above_label], STALE_BRIGHTNESS * rows[above_label]),
        "label": int(drawn(stale)[HEIGHT // 3 :].max()),
        "hole": furthest(with_holes[:, :middle], np.full(3, BACKGROUND)),
        "no_hole": furthest(with_holes[:, middle:], holes[:, middle:, :3]),
        "no_holes_left": furthest(drawn(after), rows),
    }


def enlarged() -> dict:
    """A picture half as wide and high, which is drawn smoothly."""
    small = noise(3, 5)[: HEIGHT // 2, : WIDTH // 2]
    found = drawn(shown(np.ascontiguousarray(small)))
    return {"off": furthest(found, bilinear(small))}


def placed() -> dict:
    """Where the picture is drawn when the region has moved on, and when it is another region."""
    viewport, rows = SimpleNamespace(region=REGION), noise(3, 6)
    elsewhere = SimpleNamespace(
        view_perspective="PERSP",
        view_matrix=Matrix.Rotation(0.1, 4, "Y") @ VIEW.view,
        window_matrix=VIEW.projection,
    )
    other_region = SimpleNamespace(width=WIDTH, height=HEIGHT, as_pointer=lambda: 2)
    live, single = shown(rows), shown(rows)
    live.show(rows, VIEW, viewport)
    drawn(live)
    kept = drawn(live, looks=elsewhere)
    nothing = np.full(3, BACKGROUND)
    found = {
        "live_stays_dimmed": furthest(kept[: HEIGHT // 3], STALE_BRIGHTNESS * rows[: HEIGHT // 3]),
        "live_elsewhere": furthest(drawn(live, looks=elsewhere, region=other_region), nothing),
        "single_is_gone": furthest(drawn(single, looks=elsewhere), nothing),
        "single_is_back": furthest(drawn(single), rows),
        "without_overlays": furthest(drawn(single, has_overlays=False), nothing),
    }
    live.mark_current()
    found["ended_is_gone"] = furthest(drawn(live, looks=elsewhere), nothing)
    single.show_preview(noise(3, 7), VIEW)
    found["preview"] = furthest(drawn(single), noise(3, 7))
    single.clear_preview()
    found["after_preview"] = furthest(drawn(single), rows)
    single.clear()
    return found | {"cleared": furthest(drawn(single), nothing), "is_shown": single.is_shown}


def uploads() -> dict:
    """How often a picture goes to the GPU, and the milliseconds of 512 × 512, median of 30."""
    overlay, sent, durations = shown(noise(3, 8)), [], []
    upload = overlay._upload

    def counted(rows: np.ndarray) -> gpu.types.GPUTexture:
        sent.append(rows.shape)
        return upload(rows)

    overlay._upload = counted
    for _ in range(3):
        drawn(overlay)
    large = np.zeros((512, 512, 3), np.uint8)
    for _ in range(30):
        began = time.perf_counter()
        upload(large)
        durations.append(1000 * (time.perf_counter() - began))
    return {"sent": len(sent), "median_ms": float(np.median(durations))}


def faults() -> dict:
    """A fault in the handler, what the panel is told, and the next picture."""
    overlay = Overlay(lambda scene: 1 / 0)
    overlay.show(noise(3, 9), VIEW)
    overlay._draw_safely()  # there is no viewport to draw in
    problem = overlay.problem
    overlay.show(noise(3, 9), VIEW)
    return {"code": problem.code, "message": problem.message, "later": overlay.problem is None}


def captures() -> dict:
    """Handlers of any kind that are called while a view is captured."""
    scenes.solids()
    scenes.camera("perspective")
    viewport, called = find_viewport(), []
    space = bpy.types.SpaceView3D
    kinds = "PRE_VIEW", "POST_VIEW", "POST_PIXEL"
    handlers = [space.draw_handler_add(called.append, (kind,), "WINDOW", kind) for kind in kinds]
    capturer = Capturer()
    capturer.capture(viewport, camera_view(viewport, 64, 36))
    capturer.free()
    for handler in handlers:
        space.draw_handler_remove(handler, "WINDOW")
    return {"called": called}


VIEW = View(Matrix.Translation((0, 0, -5)), Matrix.Diagonal((1, 1, -0.1, 1)), WIDTH, HEIGHT)
REGION = SimpleNamespace(width=WIDTH, height=HEIGHT, as_pointer=lambda: 1)
LOOKS = SimpleNamespace(view_matrix=VIEW.view, window_matrix=VIEW.projection, view_perspective="PERSP")


def shown(rows: np.ndarray, mixing: tuple[float, float] = WHOLE) -> Overlay:
    overlay = Overlay(lambda scene: mixing)
    overlay.show(rows, VIEW)
    return overlay


def drawn(
    overlay: Overlay,
    form: str = "RGBA8",
    looks: SimpleNamespace = LOOKS,
    region: SimpleNamespace = REGION,
    has_overlays: bool = True,
) -> np.ndarray:
    """Return what the overlay draws over grey, uint8 (H, W, 3), rows downwards."""
    space = SimpleNamespace(overlay=SimpleNamespace(show_overlays=has_overlays))
    context = SimpleNamespace(region=region, region_data=looks, space_data=space, scene=bpy.context.scene)
    return _pixels(lambda: overlay.draw(context), form)


def _pixels(draw: Callable[[], None], form: str) -> np.ndarray:
    start_gpu()
    texture = gpu.types.GPUTexture((WIDTH, HEIGHT), format=form)
    framebuffer = gpu.types.GPUFrameBuffer(color_slots=texture)
    pixels = gpu.types.Buffer("UBYTE", WIDTH * HEIGHT * 4)
    with framebuffer.bind():
        framebuffer.clear(color=(BACKGROUND / 255,) * 3 + (1.0,))
        draw()
        framebuffer.read_color(0, 0, WIDTH, HEIGHT, 4, 0, "UBYTE", data=pixels)
    return np.array(pixels, np.uint8).reshape(HEIGHT, WIDTH, 4)[::-1, :, :3]


def noise(channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, channels), np.uint8)


def bilinear(rows: np.ndarray) -> np.ndarray:
    height, width, _ = rows.shape
    y, x = ((np.arange(size * 2) + 0.5) / 2 - 0.5 for size in (height, width))
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = (y - top)[:, None, None], (x - left)[None, :, None]

    def at(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return rows[row.clip(0, height - 1)][:, column.clip(0, width - 1)].astype(float)

    above = at(top, left) * (1 - right) + at(top, left + 1) * right
    below = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    return above * (1 - down) + below * down


def furthest(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - expected).max())


def told(overlay: Overlay) -> dict:
    return {"problem": str(overlay.problem), "is_shown": overlay.is_shown}


report(plain, encoded, mixed, enlarged, placed, uploads, faults, captures)
