# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender is doing: the one place where connection, captures, results and the panel meet.

Rules:
1. Everything happens on Blender's main thread, in operators and in ``tick``, which a timer calls; where no
   timers run (``blender --background``), ``wait`` calls it.
2. A tick spends a few milliseconds at most, besides the drawing of a capture.
3. Nothing of Blender's is held from one tick to the next: undo and loading a file would leave it dangling.
4. What fails becomes ``problem``, which the panel shows; nothing is raised out of a tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import bpy

from . import display, maps, projection, results
from ._bridge import protocol
from ._bridge.errors import BridgeError, Problem
from .animation import Animation
from .capture import Capture, Capturer
from .controls import preset_of
from .diagnosis import Diagnosis
from .link import Link
from .live import LiveView
from .overlay import Overlay
from .preset import Preset
from .recipe import Recipe, advance_seed, current_recipe, draw_seed, sized
from .report import problem_from
from .session import frame_of
from .source import Take, needs_surfaces, viewport_again, viewport_of, wanted_view
from .tasks import Task, Tasks
from .thumbnails import Thumbnails
from .viewport import View, Viewport

BUDGET_S = 0.004
"""Of one tick, for taking in what has arrived."""

START_S = 60.0
"""How long a daemon may take to start, and to tell its presets."""

ASPECT_TOLERANCE = 0.1
"""How far the proportions of a result may be from its capture's before it is worth a word."""

DISCONNECTED = Problem(
    "disconnected", "the connection was closed before the picture was made", "Generate again."
)
NO_ANSWER = Problem("timeout", "the daemon did not answer in time", "Diagnose says more.")
NO_PICTURE = Problem(
    "no_picture", "the preset ran and sent no picture", "Its workflow needs a SendToHost node."
)

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
        live: The live view, while it is on.
        animation: The frame range that is being rendered, if one is.
        diagnosis: The last one, under way or over.
    """

    def __init__(self) -> None:
        self.link = Link()
        self.tasks = Tasks()
        self.capturer = Capturer()
        self.overlay = Overlay(_mixing)
        self.thumbnails = Thumbnails()
        self.is_looked_at = False
        self.is_rendering = False
        self.problem: Problem | None = None
        self.notice = ""
        self.live: LiveView | None = None
        self.animation: Animation | None = None
        self.diagnosis: Diagnosis | None = None
        self._picture: Task | None = None
        self._steps: object = None
        self._maps: Task | None = None
        self._take: tuple[Take, Callable[[Capture], None], Callable[[Problem | None], None]] | None = None
        self._waiting: tuple[Callable[[], None], float] | None = None

    # ---- for the panel ---------------------------------------------------------------------------

    @property
    def words(self) -> str:
        """How things stand, for a status line."""
        return self.link.words

    @property
    def trouble(self) -> Problem | None:
        """What the artist has to know: the last fault, else what keeps the connection from working."""
        if self.problem is not None:
            return self.problem
        if self.live is not None and self.live.problem is not None:
            return self.live.problem
        if self.animation is not None and self.animation.problem is not None:
            return self.animation.problem
        return self.link.trouble or self.overlay.problem

    @property
    def is_generating(self) -> bool:
        """Whether a picture is being made, or waits for the daemon."""
        return self._picture is not None or self._take is not None or self._waiting is not None

    @property
    def is_mapping(self) -> bool:
        """Whether control maps are being made, or wait for the daemon."""
        return self._maps is not None or self._waiting is not None

    @property
    def is_waiting(self) -> bool:
        """Whether something waits for the daemon."""
        return self._waiting is not None

    @property
    def is_busy(self) -> bool:
        """Whether something is under way that should be looked after often."""
        is_diagnosing = self.diagnosis is not None and not self.diagnosis.is_over
        return self.is_generating or bool(len(self.tasks) or self.live or self.animation or is_diagnosing)

    def progress(self, preset: Preset | None) -> tuple[float, str]:
        """Return how far the picture is, 0..1, and in words."""
        if self._waiting is not None:
            return 0.0, self.words
        if self._take is not None:
            return 0.0, "Rendering the frame…"
        task = self._picture
        if task is None:
            return 0.0, ""
        if task.state == "sent":
            return 0.0, "Sending…"
        if task.state == "queued":
            return 0.0, f"Waiting, {task.position} ahead" if task.position else "Waiting…"
        if preset is None:
            return task.fraction, f"{task.node} {task.fraction:.0%}"
        return task.fraction, preset.progress_words(task.node, task.value, task.maximum, self._steps)

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

    def wait(self, is_over: Callable[[], bool], timeout_s: float = 3600.0) -> None:
        """Tick until something is over; for scripts and ``blender --background``.

        Raises:
            BridgeError: ``timeout``.
        """
        deadline = time.monotonic() + timeout_s
        while not is_over():
            if time.monotonic() > deadline:
                raise BridgeError(NO_ANSWER.message, code=NO_ANSWER.code, hint=NO_ANSWER.hint)
            self.tick()
            time.sleep(0.002)

    def receive(self, message: protocol.Message) -> None:
        """Pass a message on to whom it is about."""
        self.link.receive(message)
        if self.live is not None:
            self.live.receive(message)
        if self.diagnosis is not None:
            self.diagnosis.receive(message)
        self.tasks.receive(message, self.link.session)

    def _tick(self) -> None:
        if self.link.session is not None:
            self.link.tick()
            for message in self.link.session.pump(BUDGET_S):
                self.receive(message)
        elif self.is_looked_at and self.link.problem is None:
            self.link.connect()
        self._do_what_waits()
        self._take_in_capture()
        if self.live is not None and not self.is_rendering and self._take is None:
            self.live.tick()
        if self.animation is not None:
            self.animation.tick()
            if self.animation.is_over:
                self.problem, self.notice = self.animation.problem, self.animation.words
                self.animation = None
        if self.diagnosis is not None:
            self.diagnosis.tick()
        scene = bpy.context.scene
        if scene is not None and projection.MATCHED in scene:
            projection.match_colors(scene)  # the artist may have chosen another view transform

    # ---- when connected --------------------------------------------------------------------------

    def when_ready(self, action: Callable[[], None]) -> None:
        """Do something as soon as the daemon is there, which is started if need be."""
        self.dismiss()
        self._connect()
        self._waiting = action, time.monotonic() + START_S
        self._do_what_waits()

    def _connect(self) -> None:
        """Connect, and start the daemon if need be."""
        if self.link.connect(starts_daemon=True):
            self.tasks.lose_all(DISCONNECTED)

    def disconnect(self) -> None:
        """Close the connection; what is being made is not heard of any more."""
        self.stop_live()
        self._waiting = None
        self.link.disconnect()
        self.tasks.lose_all(DISCONNECTED)
        self.is_looked_at = False

    def _do_what_waits(self) -> None:
        if self._waiting is None:
            return
        action, deadline = self._waiting
        if self.link.is_ready:
            self._waiting = None
            self._attempt(action)
        elif self.link.is_hopeless or time.monotonic() > deadline:
            self._waiting = None
            self.problem = self.link.trouble or NO_ANSWER

    def _attempt(self, action: Callable[[], object]) -> None:
        """Do something; what goes wrong becomes the ``problem``."""
        try:
            action()
        except BridgeError as error:
            self.problem = error.problem

    # ---- captures --------------------------------------------------------------------------------

    def take(
        self,
        viewport: Viewport,
        with_surfaces: bool,
        on_capture: Callable[[Capture], None],
        on_failure: Callable[[Problem | None], None],
    ) -> None:
        """Capture what the scene's settings ask for: at once, or when a final render is done.

        Args:
            viewport: Where.
            with_surfaces: Whether normals and object ids are needed.
            on_capture: Gets the capture.
            on_failure: Gets the reason why there is none; ``None`` if the artist ended the render.
        """
        self._take = Take(self.capturer, viewport, with_surfaces), on_capture, on_failure
        self._take_in_capture()

    def _take_in_capture(self) -> None:
        if self._take is None:
            return
        take, on_capture, on_failure = self._take
        try:
            capture = take.result()
            if capture is None and not take.was_cancelled:
                return
            self._take = None
            if capture is None:
                on_failure(None)
            else:
                on_capture(capture)
        except BridgeError as error:
            self._take = None
            on_failure(error.problem)

    # ---- one picture -----------------------------------------------------------------------------

    def ask_for_picture(self, context: bpy.types.Context) -> None:
        """Capture what the panel asks for and have it repainted; the result comes by itself.

        Raises:
            BridgeError: Why it cannot be.
        """
        viewport = viewport_of(context)
        wanted_view(viewport, context.scene.framebridge)
        if self.link.is_ready:
            self.dismiss()
            self._generate(viewport)
        else:
            space, scene = viewport.space.as_pointer(), viewport.scene.name
            self.when_ready(lambda: self._generate(viewport_again(space, scene)))

    def show(self, image: bpy.types.Image, scene: bpy.types.Scene) -> None:
        """Show a result where the settings say: over the viewport, behind the camera, in Image Editors.

        Raises:
            BridgeError: ``no_camera``, ``linked_camera``.
        """
        settings = scene.framebridge
        if settings.to_overlay:
            self.overlay.show(display.picture_rows(image), display.view_of(image))
        if settings.to_image_editor:
            results.show_in_editors(image)
        if settings.to_camera:
            results.show_behind_camera(image, scene.camera)

    def cancel(self) -> None:
        """Give up what is being made, or waits for the daemon."""
        self._waiting = None
        if self._take is not None:
            self._take[0].cancel()
            self._take = None
        if self._picture is not None:
            self.tasks.cancel(self._picture, self.link.session)
        if self.animation is not None:
            self.animation.cancel()

    def _generate(self, viewport: Viewport) -> None:
        scene = viewport.scene
        preset = preset_of(scene.framebridge)
        draw_seed(scene)
        recipe = current_recipe(scene)
        scene_name = scene.name
        advance_seed(scene)
        self.take(
            viewport,
            needs_surfaces(preset, recipe),
            lambda capture: self._send(capture, recipe, preset, scene_name),
            self._fail,
        )

    def _fail(self, problem: Problem | None) -> None:
        self.problem = problem
        self.notice = "" if problem else "Cancelled"

    def _send(self, capture: Capture, recipe: Recipe, preset: Preset, scene_name: str) -> None:
        recipe = sized(recipe, preset, capture.seen.width, capture.seen.height)
        request = self.link.session.submit(frame_of(capture), recipe)
        self._steps = recipe.values.get("steps")
        view = capture.seen
        self._picture = self.tasks.add(
            Task(
                request,
                on_end=lambda task: self._generated(task, recipe, view, scene_name),
                on_preview=lambda task: self._preview(task, view, scene_name),
            )
        )

    def _generated(self, task: Task, recipe: Recipe, view: View, scene_name: str) -> None:
        self._picture = None
        self.thumbnails.drop("preview")
        self.overlay.clear_preview()
        scene = bpy.data.scenes.get(scene_name)
        if task.state == "cancelled":
            self.notice = "Cancelled"
        elif task.problems:
            self.problem = task.problems[0]
        elif not task.pictures:
            self.problem = NO_PICTURE
        elif scene is not None:
            self._attempt(lambda: self._take_in(task, recipe, view, scene))

    def _take_in(self, task: Task, recipe: Recipe, view: View, scene: bpy.types.Scene) -> None:
        """Put a job's pictures where the artist wants them."""
        self.notice = task.warnings[0].message if task.warnings else ""
        images = [self._keep(plane, recipe, view, scene) for plane in task.pictures]
        push_undo("Framebridge Result")
        self.show(images[0], scene)
        if scene.framebridge.to_folder:
            for image in images:
                file = results.save_numbered(image, scene.framebridge.folder)
                self.notice = f"Saved {file.name}"

    def _keep(
        self, plane: protocol.Plane, recipe: Recipe, view: View, scene: bpy.types.Scene
    ) -> bpy.types.Image:
        height, width = display.rows_of(plane).shape[:2]
        if abs(width / height / (view.width / view.height) - 1) > ASPECT_TOLERANCE:
            self.notice = (
                f"The picture came back as {width} × {height}, "
                f"not in the proportions of {view.width} × {view.height}"
            )
        image = display.keep_result(plane, recipe, view)
        scene.framebridge.result = image
        return image

    def _preview(self, task: Task, view: View, scene_name: str) -> None:
        scene = bpy.data.scenes.get(scene_name)
        rows = display.rows_of(task.preview)
        self.thumbnails.set("preview", rows)
        if scene is not None and scene.framebridge.to_overlay:
            self.overlay.show_preview(rows, view)

    # ---- control maps, diagnosis, animation ------------------------------------------------------

    def ask_for_maps(self, context: bpy.types.Context) -> None:
        """Capture the view and have the daemon draw its control maps, which become thumbnails.

        Raises:
            BridgeError: Why it cannot be.
        """
        viewport = viewport_of(context)
        space, scene = viewport.space.as_pointer(), viewport.scene.name
        self.when_ready(lambda: self._map(viewport_again(space, scene)))

    def diagnose(self, context: bpy.types.Context) -> Diagnosis:
        """Begin to go through the chain.

        Raises:
            CaptureError: ``no_viewport``.
        """
        self.dismiss()
        self.diagnosis = Diagnosis(self, viewport_of(context))
        return self.diagnosis

    def ask_for_animation(self, context: bpy.types.Context, starts_over: bool = False) -> None:
        """Begin to render the scene's frame range.

        Raises:
            BridgeError: Why it cannot be.
        """
        viewport = viewport_of(context)
        results.folder_path(viewport.scene.framebridge.frames_folder)
        space, scene = viewport.space.as_pointer(), viewport.scene.name
        self.when_ready(lambda: self._animate(viewport_again(space, scene), starts_over))

    def _map(self, viewport: Viewport) -> None:
        capture = self.capturer.capture(viewport, wanted_view(viewport, viewport.scene.framebridge), True)
        request = self.link.session.submit_workflow(frame_of(capture), maps.workflow())
        self._maps = self.tasks.add(Task(request, on_end=self._mapped))

    def _mapped(self, task: Task) -> None:
        self._maps = None
        if task.problems:
            self.problem = task.problems[0]
        for name, plane in maps.maps_in(task.results).items():
            self.thumbnails.set(name, display.rows_of(plane))

    def _animate(self, viewport: Viewport, starts_over: bool) -> None:
        self.animation = Animation(self, viewport, starts_over)

    # ---- live ------------------------------------------------------------------------------------

    def start_live(self, context: bpy.types.Context) -> None:
        """Turn Live on for the viewport of this context.

        Raises:
            BridgeError: ``no_viewport``, or why there is nothing to see.
        """
        viewport = viewport_of(context)
        wanted_view(viewport, context.scene.framebridge)
        self.dismiss()
        self._connect()
        self.live = LiveView(self.link, self.capturer, self.overlay, viewport)

    def stop_live(self) -> None:
        """Turn Live off."""
        if self.live is not None:
            self.live.stop()
            self.live = None

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
        return self._keep(plane, recipe, view, context.scene)

    # ---- ends ------------------------------------------------------------------------------------

    def make_room(self) -> None:
        """Have the daemon give its memory back, unless it is painting for us; a final render wants it."""
        if self.link.is_connected and not len(self.tasks):
            self._attempt(self.link.session.free)

    def let_go_of_file(self) -> None:
        """Forget what belongs to a file that is about to be closed."""
        self.stop_live()
        self.cancel()
        self.overlay.clear()
        self.thumbnails.clear()
        self.problem, self.notice, self.diagnosis = None, "", None

    def close(self) -> None:
        """End everything, within a second."""
        self.let_go_of_file()
        self.disconnect()
        self.capturer.free()
        self.overlay.free()


def _mixing(scene: bpy.types.Scene) -> tuple[float, float]:
    return scene.framebridge.overlay_opacity, scene.framebridge.overlay_split


def push_undo(message: str) -> None:
    """Make what a tick did a step of its own for Ctrl-Z; nothing in the background, which has no undo."""
    windows = bpy.context.window_manager.windows
    if not bpy.app.background and windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)
