# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender is doing: the one place where connection, captures, results and the panel meet.

Rules:
1. Everything happens on Blender's main thread, in operators and in ``tick``, which a timer calls; where no
   timers run (``blender --background``), ``wait`` calls it.
2. A tick spends a few milliseconds at most, besides the drawing of a capture and the matching of a picture
   to a display that has just been changed.
3. Nothing of Blender's is held from one tick to the next: undo and loading a file would leave it dangling.
   A viewport is known by its pointer, a scene and a camera by their keys.
4. What fails becomes ``problem``, which the panel shows; nothing is raised out of a tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy

from . import display, projection, references, results
from ._bridge import protocol
from ._bridge.client import error_from
from ._bridge.errors import BridgeError, Problem
from ._bridge.host import maps
from ._bridge.host.diagnosis import Diagnosis
from ._bridge.host.errand import Errand
from ._bridge.host.grid import Grid
from ._bridge.host.link import Link
from ._bridge.host.negatives import Negatives
from ._bridge.host.new_preset import NewPreset
from ._bridge.host.preset import Preset
from ._bridge.host.prompt_file import Line
from ._bridge.host.recipe import PROMPT
from ._bridge.host.shelf import Shelf
from ._bridge.host.tasks import Task, Tasks
from ._bridge.host.words import DISCONNECTED, NO_ANSWER
from .animation import Animation
from .batch import Batch
from .capture import Capturer
from .controls import offer, preset_named, preset_of
from .diagnosis import BlenderTrial
from .grid import GridPicture, planned_grid
from .live import LiveView
from .model_words import known
from .overlay import Overlay
from .picture import Picture, keep
from .preferences import locator
from .prompts import book, lines_of
from .recipe import current_recipe
from .report import problem_from
from .scene_key import CameraKey, key_of, key_of_camera
from .shown_result import ShownResult
from .source import Take, Wanted, viewport_again, viewport_of, wanted_view
from .thumbnails import Thumbnails
from .viewport import Viewport
from .wire import frame_of
from .worked_on import has_view_of_its_own, refuse_in_motion

BUDGET_S = 0.004
"""Of one tick, for taking in what has arrived."""

SILENCE_S = 600.0
"""How long to wait, by default, without a word from the daemon."""

_studio: Studio | None = None


def studio() -> Studio:
    """Return the one of this Blender; made when first asked for."""
    global _studio  # a process has one connection, one GPU context and one panel
    if _studio is None:
        _studio = Studio()
    return _studio


def close_studio() -> None:
    """End what it is doing; the next call of ``studio`` makes another."""
    global _studio
    if _studio is not None:
        _studio.close()
    _studio = None


class Studio:
    """The state of this Blender, besides what its files hold.

    Attributes:
        is_looked_at: Whether the panel has been drawn, so that a daemon is worth looking for.
        is_rendering: Whether Blender renders for itself; nothing is captured for the live view meanwhile.
        problem: What went wrong last.
        notice: What is worth knowing, and no fault.
        picture: The picture that is being made, if one is.
        live: The live view, while it is on.
        animation: The frame range that is being rendered, if one is.
        diagnosis: The last one, under way or over.
        new_preset: A preset that is being made of a workflow.
        spent: The name of the newest result, and what it took.
    """

    def __init__(self) -> None:
        self.link = Link(locator, offer, name="blender", version=bpy.app.version_string)
        self.negatives = Negatives()
        self.tasks = Tasks()
        self.capturer = Capturer()
        self.overlay = Overlay(_mixing)
        self.shown_result = ShownResult(self.overlay)
        self.thumbnails = Thumbnails()
        self.shelf = Shelf(self.link)
        self.color_matching = projection.ColorMatching()
        self.is_looked_at = False
        self.is_rendering = False
        self.problem: Problem | None = None
        self.notice = ""
        self.picture: Picture | None = None
        self.live: LiveView | None = None
        self.animation: Animation | None = None
        self.diagnosis: Diagnosis | None = None
        self.new_preset = NewPreset(self.link)
        self.spent = "", ""
        self._maps: Task | None = None
        self._errand = Errand(self.link)
        self._heard_at = time.monotonic()

    # ---- for the panel ---------------------------------------------------------------------------

    @property
    def trouble(self) -> Problem | None:
        """What the artist has to know: the last fault, else what keeps the connection from working."""
        if self.problem is not None:
            return self.problem
        if self.live is not None and self.live.problem is not None:
            return self.live.problem
        return self.link.trouble or self.overlay.problem

    @property
    def is_generating(self) -> bool:
        """Whether a picture is being made, or something waits for the daemon."""
        return self.picture is not None or self._errand.is_waiting

    @property
    def may_generate(self) -> bool:
        """Whether pictures may be asked for: one thing is made at a time."""
        return not self.is_generating and self.animation is None

    @property
    def is_mapping(self) -> bool:
        """Whether control maps are being made, or something waits for the daemon."""
        return self._maps is not None or self._errand.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Whether something waits for the daemon."""
        return self._errand.is_waiting

    @property
    def is_busy(self) -> bool:
        """Whether something is under way that should be looked after often."""
        is_diagnosing = self.diagnosis is not None and not self.diagnosis.is_over
        is_working = is_diagnosing or self.color_matching.is_under_way
        return self.is_generating or bool(len(self.tasks) or self.live or self.animation or is_working)

    @property
    def progress(self) -> tuple[float, str]:
        """How far the picture is, 0..1, and in words."""
        return self.picture.progress if self.picture is not None else (0.0, self.link.words)

    def preset_icon(self, preset: Preset) -> int:
        """Return the icon of a preset, or of the one that it is a variant of; 0 where there is none."""
        name = f"preset {preset.base}"
        if preset.icon:
            self.thumbnails.load(name, preset.icon)
        return self.thumbnails.icon(name)

    def dismiss(self) -> None:
        """Forget the last fault."""
        self.problem, self.notice = None, ""
        if self.live is not None:
            self.live.problem = None

    # ---- to be called often ----------------------------------------------------------------------

    def tick(self) -> None:
        """Take in what has arrived and do what is due; see the rules above."""
        try:
            self._tick()
        except Exception as error:  # a timer's last boundary: Blender would print it and end the timer
            self.problem = problem_from(error)

    def wait(self, is_over: Callable[[], bool], silence_s: float = SILENCE_S) -> None:
        """Tick until something is over; for scripts and ``blender --background``.

        Args:
            is_over: Asked after every tick.
            silence_s: How long to go on without a word from the daemon.

        Raises:
            BridgeError: ``timeout``.
        """
        began = time.monotonic()
        while not is_over():
            if time.monotonic() - max(began, self._heard_at) > silence_s:
                raise error_from([NO_ANSWER])
            self.tick()
            time.sleep(0.002)

    def receive(self, message: protocol.Message) -> None:
        """Pass a message on to whom it is about."""
        self._heard_at = time.monotonic()
        self.link.receive(message)
        self.shelf.receive(message)
        self.negatives.receive(message)
        known.receive(message)
        if self.live is not None:
            self.live.receive(message)
        if self.diagnosis is not None:
            self.diagnosis.receive(message)
        self._receive_for_preset(message)
        self.tasks.receive(message, self.link.session)

    def _receive_for_preset(self, message: protocol.Message) -> None:
        """Note what the daemon says about a preset that is being made; a fault is shown as any other."""
        was_waiting = self.new_preset.is_waiting
        self.new_preset.receive(message)
        if was_waiting and not self.new_preset.is_waiting:
            self.problem = self.new_preset.problem
            if self.new_preset.saved:
                self.notice = f'Saved as "{self.new_preset.saved}": it is among the presets now'

    def _tick(self) -> None:
        if self.link.session is not None:
            self.link.tick()
            if self.link.is_ready:
                self.negatives.tick(self.link.session)
            for message in self.link.session.pump(BUDGET_S):
                self.receive(message)
        elif self.is_looked_at and self.link.problem is None:
            self.link.connect()
        self.shelf.tick()
        if self.is_rendering and not bpy.app.background and not bpy.app.is_job_running("RENDER"):
            self.is_rendering = False  # a render that fails at its start does not say that it has ended
        self._do_what_waits()
        self._tick_picture()
        self._tick_animation()
        if self.live is not None and not (self.is_rendering or self.picture or self.animation):
            self.live.tick()
        if self.diagnosis is not None:
            self.diagnosis.tick()
        scene = bpy.context.scene
        if scene is not None and self.live is None:
            self.shown_result.tick(scene)
        if scene is not None and not self.is_rendering:
            self.color_matching.tick(scene)  # the artist may have chosen another view transform

    def _tick_picture(self) -> None:
        if self.picture is not None:
            self.picture.tick()
            if self.picture.is_over:
                self.problem, self.notice = self.picture.problem, self.picture.notice
                self.picture = None

    def _tick_animation(self) -> None:
        if self.animation is not None:
            self.animation.tick()
            if self.animation.is_over:
                self.problem, self.notice = self.animation.problem, self.animation.words
                self.animation = None

    # ---- when connected --------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, and start the daemon if need be; what waits for it goes on waiting."""
        self.dismiss()
        if self.link.connect(starts_daemon=True):
            self.tasks.lose_all(DISCONNECTED)

    def when_ready(self, action: Callable[[], None]) -> None:
        """Do something as soon as the daemon is there, which is started if need be."""
        self.connect()
        self._errand.wait_with(action)
        self._do_what_waits()

    def disconnect(self) -> None:
        """Close the connection; what is being made is not heard of any more."""
        self.stop_live()
        self.cancel()
        self.link.disconnect()
        self.tasks.lose_all(DISCONNECTED)
        self.is_looked_at = False

    def _do_what_waits(self) -> None:
        problem = self._errand.tick()
        if problem is not None:
            self.problem = problem

    # ---- pictures, control maps, animation, diagnosis --------------------------------------------

    def ask_for_picture(self, context: bpy.types.Context) -> None:
        """Capture what the panel asks for and have it repainted; the result comes by itself.

        Raises:
            BridgeError: Why it cannot be.
        """
        preset = preset_named(context.scene.framebridge.preset)
        self._ask(context, self._begin_picture, looks=preset is None or not has_view_of_its_own(preset))

    def ask_for_prompts(self, context: bpy.types.Context) -> None:
        """Capture once and have it repainted for each prompt of a text; results come by themselves.

        Raises:
            BridgeError: Why it cannot be, or what is wrong with the text.
        """
        with self._told():
            lines = lines_of(context.scene.framebridge)
        self._ask(context, lambda viewport: self._begin_batch(viewport, lines))

    def ask_for_grid(self, context: bpy.types.Context) -> None:
        """Capture once and have it repainted for each pair of values; the sheet comes by itself.

        Raises:
            BridgeError: Why it cannot be, or what is wrong with the values.
        """
        with self._told():
            grid = planned_grid(context.scene.framebridge)
        self._ask(context, lambda viewport: self._begin_grid(viewport, grid))

    def ask_for_maps(self, context: bpy.types.Context) -> None:
        """Capture the view and have the daemon draw its control maps, which become thumbnails.

        Raises:
            BridgeError: Why it cannot be.
        """
        self._ask(context, self._begin_maps)

    def ask_for_animation(self, context: bpy.types.Context, starts_over: bool = False) -> None:
        """Begin to render the scene's frame range.

        Raises:
            BridgeError: Why it cannot be.
        """
        with self._told():
            results.folder_path(context.scene.framebridge.frames_folder)
        self._ask(context, lambda viewport: self._begin_animation(viewport, starts_over))

    def diagnose(self, context: bpy.types.Context) -> Diagnosis:
        """Begin to go through the chain.

        Raises:
            CaptureError: ``no_viewport``.
        """
        viewport = viewport_of(context)
        self.dismiss()
        self.diagnosis = Diagnosis(self.link, self.tasks, BlenderTrial(self, viewport))
        return self.diagnosis

    def take(self, viewport: Viewport, wanted: Wanted) -> Take:
        """Begin to capture what a scene's settings ask for.

        Raises:
            CaptureError: Why that is not possible.
        """
        if viewport.scene.framebridge.source == "RENDER":
            self.make_room()
        return Take(self.capturer, viewport, wanted)

    def show(self, image: bpy.types.Image, scene: bpy.types.Scene) -> None:
        """Show a result where the settings say: over the viewport, in Image Editors, behind its camera.

        Raises:
            BridgeError: ``no_camera``, ``camera_gone``, ``linked_camera``.
        """
        camera = display.camera_of(image)
        settings = scene.framebridge
        if settings.to_overlay:
            self.shown_result.show(image)
        if settings.to_image_editor:
            results.show_in_editors(image)
        if settings.to_camera and camera is not None:
            results.show_behind_camera(image, _seen_through(camera, scene))

    def cancel(self) -> None:
        """Give up what is being made, or waits for the daemon."""
        self._errand.forget()
        if self.picture is not None:
            self.picture.cancel()
        if self._maps is not None:
            self.tasks.cancel(self._maps, self.link.session)
        if self.animation is not None:
            self.animation.cancel()
        self._tick_picture()
        self._tick_animation()

    def _ask(self, context: bpy.types.Context, begin: Callable[[Viewport], None], looks: bool = True) -> None:
        """Begin something at once, or when the daemon is there; what cannot be is raised now."""
        with self._told():
            viewport = viewport_of(context)
            if looks:
                wanted_view(viewport, viewport.scene.framebridge)
            space, scene = viewport.space.as_pointer(), key_of(viewport.scene)
            if self.link.is_ready:
                self.dismiss()
                begin(viewport)
            else:
                self.when_ready(lambda: begin(viewport_again(space, scene)))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Keep what goes wrong for the panel: Blender's own message goes with the pointer."""
        try:
            yield
        except BridgeError as error:
            self.problem = error.problem
            raise

    def _begin_picture(self, viewport: Viewport) -> None:
        prompt = current_recipe(viewport.scene).values.get(PROMPT, "")
        self.picture = Picture(self, viewport)
        try:
            book.remember(prompt)
        except BridgeError as error:
            self.notice = error.message
        self._tick_picture()

    def _begin_batch(self, viewport: Viewport, lines: list[Line]) -> None:
        self.picture = Batch(self, viewport, lines)
        self._tick_picture()

    def _begin_grid(self, viewport: Viewport, grid: Grid) -> None:
        self.picture = GridPicture(self, viewport, grid)
        self._tick_picture()

    def _begin_animation(self, viewport: Viewport, starts_over: bool) -> None:
        self.animation = Animation(self, viewport, starts_over)

    def _begin_maps(self, viewport: Viewport) -> None:
        capture = self.capturer.capture(viewport, wanted_view(viewport, viewport.scene.framebridge), True)
        request = self.link.session.submit_workflow(frame_of(capture), maps.workflow())
        self._maps = self.tasks.add(Task(request, on_end=self._end_maps))

    def _end_maps(self, task: Task) -> None:
        self._maps = None
        if task.wants_cancel:
            return
        if task.problems:
            self.problem = task.problems[0]
        for name, plane in maps.maps_in(task.results).items():
            self.thumbnails.set(name, display.rows_of(plane))

    # ---- live ------------------------------------------------------------------------------------

    def start_live(self, context: bpy.types.Context) -> None:
        """Turn Live on for the viewport of this context.

        Raises:
            BridgeError: ``no_viewport``, or why there is nothing to see.
        """
        with self._told():
            viewport = viewport_of(context)
            wanted_view(viewport, viewport.scene.framebridge)
            if self.link.is_ready:
                refuse_in_motion(preset_of(viewport.scene.framebridge))
        self.connect()
        self.live = LiveView(self.link, self.capturer, self.overlay, viewport)

    def stop_live(self) -> None:
        """Turn Live off."""
        if self.live is not None:
            self.live.stop()
            self.live = None
            self.shown_result.forget()

    def keep_live(self, context: bpy.types.Context) -> bpy.types.Image:
        """Put the live view's newest picture into the history.

        Raises:
            BridgeError: ``no_picture`` if there is none.
        """
        if self.live is None or self.live.picture is None:
            raise BridgeError(
                "the live view has made no picture yet", code="no_picture", hint="Wait for one."
            )
        plane, recipe, view = self.live.picture
        return keep(plane, view, "", recipe, context.scene, key_of_camera(context.scene.camera))

    # ---- ends ------------------------------------------------------------------------------------

    def make_room(self) -> None:
        """Have the daemon give its memory back, unless it is painting for us; a final render wants it."""
        if self.link.is_connected and not len(self.tasks):
            self.link.session.free()

    def let_go_of_file(self) -> None:
        """Forget what belongs to a file that is about to be closed."""
        self.stop_live()
        self.cancel()
        self.shown_result.hide()
        self.thumbnails.clear()
        references.forget()
        self.problem, self.notice, self.diagnosis = None, "", None

    def close(self) -> None:
        """End everything, within a second."""
        self.let_go_of_file()
        self.disconnect()
        self.capturer.free()
        self.overlay.free()


def _seen_through(camera: CameraKey, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Return the camera of a scene that a result was seen through; nothing where there was none.

    Raises:
        BridgeError: ``camera_gone``.
    """
    lens = camera.find_lens()
    found = next((item for item in scene.objects if lens is not None and item.data == lens), None)
    if found is None and camera.name:
        raise BridgeError(
            f'the camera "{camera.name}" that this was seen through is gone',
            code="camera_gone",
            hint="Make a picture with another camera, or untick Behind the Camera.",
        )
    return found


def _mixing(scene: bpy.types.Scene) -> tuple[float, float]:
    return scene.framebridge.overlay_opacity, scene.framebridge.overlay_split
