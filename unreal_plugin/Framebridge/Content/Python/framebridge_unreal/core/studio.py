"""What this editor is doing: the one place where connection, captures, results and the panel meet.

Rules:
1. Everything happens on the game thread, in what buttons do and in ``tick``, which the editor calls.
2. A tick spends a few milliseconds at most, besides a capture.
3. Nothing of the engine's is held from one tick to the next: levels are closed, actors deleted.
4. What fails becomes ``problem``, which the panel shows; nothing is raised out of a tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .._bridge import protocol
from .._bridge.errors import BridgeError, Problem
from .._bridge.host import maps
from .._bridge.host.diagnosis import Diagnosis
from .._bridge.host.errand import Errand
from .._bridge.host.faults import FaultLog
from .._bridge.host.link import Link
from .._bridge.host.negatives import Negatives
from .._bridge.host.prompt_book import PromptBook
from .._bridge.host.prompt_file import Line, read_prompts
from .._bridge.host.recipe import recipe_from_json
from .._bridge.host.session import Session
from .._bridge.host.shelf import Shelf
from .._bridge.host.shot import frames_in
from .._bridge.host.tasks import Task, Tasks
from .._bridge.host.words import DISCONNECTED, counted
from .axes import View
from .batch import Batch
from .capture import frame_of
from .choices import Choices
from .editor import NORMAL, Editor, Source
from .gallery import Gallery
from .live import LiveView
from .picture import Picture
from .placing import keep, place, result_named, view_of
from .sequence import Sequence as SequenceRun
from .sequence import chosen_sequence, folder_of
from .trial import UnrealTrial

BUDGET_S = 0.004
"""Of one tick, for taking in what has arrived."""

LAYER_S = 0.2
"""Between two looks at whether the view has been turned from under a layer."""

ANY_SURFACES = frozenset({NORMAL})


class Studio:
    """The state of this editor, besides what its project holds.

    Args:
        editor: What is looked at and where results go.

    Attributes:
        is_looked_at: Whether the panel is open, so that a daemon is worth looking for.
        problem: What went wrong last.
        notice: What is worth knowing, and no fault.
        chosen: The result that is looked at; the newest one if empty.
        picture: The picture that is being made, if one is.
        live: The live view, while it is on.
        sequence: The sequence that is being rendered, if one is.
        diagnosis: The last one, under way or over.
        spent: The newest result, and what it took.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.choices = Choices(editor.saved_folder)
        self.faults = FaultLog("unreal", "plugin")
        self.problem_from = self.faults.problem_from
        self.link = Link(self.choices.locate, self.choices.offer, name="unreal", version=editor.version)
        self.tasks = Tasks()
        self.book, self.negatives = PromptBook(), Negatives()
        self.shelf = Shelf(self.link)
        self.gallery = Gallery(editor.saved_folder / "Preview")
        self.is_looked_at = False
        self.problem: Problem | None = None
        self.notice = ""
        self.chosen = ""
        self.picture: Picture | Batch | None = None
        self.live: LiveView | None = None
        self.sequence: SequenceRun | None = None
        self.diagnosis: Diagnosis | None = None
        self.spent = "", ""
        self._maps: Task | None = None
        self._warned: Problem | None = None
        self._layer_view: tuple[float, ...] | None = None
        self._is_layer_hidden = False
        self._look_at_layer = 0.0
        self._errand = Errand(self.link)

    # ---- for the panel ---------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The connection's session.

        Raises:
            BridgeError: ``not_connected``.
        """
        if self.link.session is None:
            raise BridgeError(
                "there is no connection to the daemon", code="not_connected", hint="Connect first."
            )
        return self.link.session

    @property
    def trouble(self) -> Problem | None:
        """What the artist has to know: the last fault, else what keeps the connection from working."""
        if self.problem is not None:
            return self.problem
        if self.live is not None and self.live.problem is not None:
            return self.live.problem
        return self.link.trouble

    @property
    def is_generating(self) -> bool:
        """Whether a picture is being made, or something waits for the daemon."""
        return self.picture is not None or self._errand.is_waiting

    @property
    def is_mapping(self) -> bool:
        """Whether control maps are being made, or something waits for the daemon."""
        return self._maps is not None or self._errand.is_waiting

    @property
    def progress(self) -> tuple[float, str]:
        """How far the picture is, 0..1, and in words."""
        return self.picture.progress if self.picture is not None else (0.0, self.link.words)

    def tell(self, problem: Problem) -> None:
        """Say what became of something that the artist has just asked for."""
        self.problem = self._warned = problem
        self.editor.tell(problem)

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
        except Exception as error:  # the engine would write a traceback at every tick
            self.problem = self.problem_from(error)
        self._warn()

    def _warn(self) -> None:
        """Write a fault to the log, once."""
        trouble = self.trouble
        if trouble is not None and trouble != self._warned:
            self.editor.warn(trouble)
        self._warned = trouble

    def _tick(self) -> None:
        if self.link.session is not None:
            self.link.tick()
            if self.link.is_ready:
                self.negatives.tick(self.link.session)
            for message in self.link.session.pump(BUDGET_S):
                self._receive(message)
        elif self.is_looked_at and self.link.problem is None:
            self.link.connect()
        self.shelf.tick()
        self._do_what_waits()
        self._look_after_picture()
        self._look_after_sequence()
        self._look_after_layer()
        if self.live is not None and self.picture is None and self.sequence is None:
            self.live.tick()
        if self.diagnosis is not None:
            self.diagnosis.tick()

    def _receive(self, message: protocol.Message) -> None:
        self.link.receive(message)
        self.negatives.receive(message)
        self.shelf.receive(message)
        if self.live is not None:
            self.live.receive(message)
        if self.diagnosis is not None:
            self.diagnosis.receive(message)
        self.tasks.receive(message, self.link.session)

    def _look_after_picture(self) -> None:
        if self.picture is not None:
            self.picture.tick()
        if self.picture is not None and self.picture.is_over:
            self.problem, self.notice = self.picture.problem, self.picture.notice
            self.picture = None

    def _look_after_layer(self) -> None:
        """Hide the layer over the viewport where it does not belong: once the view has been turned."""
        now = time.monotonic()
        if self._layer_view is None or now < self._look_at_layer or self.editor.is_playing:
            return
        self._look_at_layer = now + LAYER_S
        is_hidden = self._viewport_pose() != self._layer_view
        if is_hidden != self._is_layer_hidden:
            self._is_layer_hidden = is_hidden
            self.editor.stage.veil(is_hidden)

    def _viewport_pose(self) -> tuple[float, ...] | None:
        try:
            view = self.editor.eye.view(Source())
        except BridgeError:
            return None
        return tuple(round(number, 2) for number in (*view.location, *view.rotation))

    def _look_after_sequence(self) -> None:
        if self.sequence is not None:
            self.sequence.tick()
            if self.sequence.is_over:
                self.problem, self.notice = self.sequence.problem, self.sequence.words
                self.sequence = None

    # ---- when connected --------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, and start the daemon if need be; what waits for it goes on waiting."""
        self.dismiss()
        if self.link.connect(starts_daemon=True):
            self.tasks.lose_all(DISCONNECTED)

    def disconnect(self) -> None:
        """Close the connection; what is being made is not heard of any more."""
        self.stop_live()
        self.cancel()
        self.link.disconnect()
        self.tasks.lose_all(DISCONNECTED)
        self._look_after_picture()
        self.is_looked_at = False

    def when_ready(self, action: Callable[[], None]) -> None:
        """Do something as soon as the daemon is there, which is started if need be."""
        if self.link.is_ready:
            self.dismiss()
            action()
            return
        self.connect()
        self._errand.wait_with(action)

    def _do_what_waits(self) -> None:
        problem = self._errand.tick()
        if problem is not None:
            self.problem = problem

    # ---- pictures, control maps, sequences, diagnosis --------------------------------------------

    def generate(self) -> None:
        """Capture what the panel asks for and have it repainted; the result comes by itself.

        Raises:
            BridgeError: Why it cannot be; so do all that begin something.
        """
        self.editor.eye.view(self.choices.look)
        self.when_ready(self._begin_picture)

    def generate_prompts(self) -> None:
        """Capture once and make one picture for each prompt of the file that the panel names."""
        file = str(self.choices["prompts_file"]).strip()
        if not file:
            raise BridgeError("no file is chosen", code="no_prompts", hint="Type the path of a text file.")
        lines = read_prompts(Path(file).expanduser())
        self.editor.eye.view(self.choices.look)
        self.when_ready(lambda: self._begin_batch(lines))

    def show_maps(self) -> None:
        """Capture the view and have the daemon draw its control maps, which the panel shows."""
        self.editor.eye.view(self.choices.look)
        self.when_ready(self._begin_maps)

    def render_sequence(self, starts_over: bool = False) -> None:
        """Begin to render and repaint a level sequence."""
        self.when_ready(lambda: self._begin_sequence(starts_over))

    def diagnose(self) -> None:
        """Begin to go through the chain."""
        self.dismiss()
        self.diagnosis = Diagnosis(self.link, self.tasks, UnrealTrial(self))

    def cancel(self) -> None:
        """Give up what is being made, or waits for the daemon."""
        self._errand.forget()
        if self.picture is not None:
            self.picture.cancel()
        if self._maps is not None:
            self.tasks.cancel(self._maps, self.link.session)
        if self.sequence is not None:
            self.sequence.cancel()
        self._look_after_picture()
        self._look_after_sequence()

    def _begin_picture(self) -> None:
        self.picture = Picture(self)

    def _begin_batch(self, lines: list[Line]) -> None:
        self.picture = Batch(self, lines)

    def _begin_sequence(self, starts_over: bool) -> None:
        self.sequence = SequenceRun(self, starts_over)

    def _begin_maps(self) -> None:
        eye = self.editor.eye
        files = eye.capture(eye.view(self.choices.look), ANY_SURFACES)
        request = self.session.submit_workflow(frame_of(files), maps.workflow())
        self._maps = self.tasks.add(Task(request, on_end=self._end_maps))

    def _end_maps(self, task: Task) -> None:
        self._maps = None
        if task.problems and not task.wants_cancel:
            self.problem = task.problems[0]
        for name, plane in maps.maps_in(task.results).items():
            self.gallery.show(name, plane)

    # ---- live ------------------------------------------------------------------------------------

    def start_live(self) -> None:
        """Turn Live on.

        Raises:
            BridgeError: Why there is nothing to see.
        """
        self.editor.eye.view(self.choices.look)
        self.connect()
        self.live = LiveView(self.link, self.editor, self.choices, self.gallery, self.faults)

    def stop_live(self) -> None:
        """Turn Live off."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def keep_live(self) -> str:
        """Put the live view's newest picture into the history; returns its asset.

        Raises:
            BridgeError: ``no_picture`` if there is none.
        """
        if self.live is None or self.live.picture is None:
            raise BridgeError(
                "the live view has made no picture yet", code="no_picture", hint="Wait for one."
            )
        plane, recipe, scenery = self.live.picture
        preset = self.choices.preset_named(recipe.preset)
        self.chosen = keep(self.editor, plane, recipe, preset, scenery.view)
        return self.chosen

    # ---- results ---------------------------------------------------------------------------------

    def use_again(self) -> None:
        """Ask for what the result that is looked at was made with."""
        unknown = self.choices.use_again(recipe_from_json(result_named(self.editor, self.chosen).recipe))
        if unknown:
            self.notice = f"The preset has changed and no longer has: {', '.join(unknown)}"

    def show_result(self) -> None:
        """Show the result that is looked at where the settings say."""
        kept = result_named(self.editor, self.chosen)
        with self.editor.transaction("Show Framebridge Result"):
            self.place(kept.asset, view_of(kept))

    def place(self, asset: str, view: View) -> None:
        """Show a result where the settings say; over the viewport it stays until the view is turned."""
        place(self.editor, self.choices, asset, view)
        self._layer_view = self._viewport_pose() if self.choices["to_blend"] else None
        self._is_layer_hidden = False
        if self._layer_view is not None:
            self.editor.stage.veil(False)

    def hide_layer(self) -> None:
        """See the level as it is."""
        self._layer_view = None
        self.editor.stage.hide_blend()

    def delete_result(self) -> None:
        """Delete the result that is looked at."""
        self.editor.shelf.delete(result_named(self.editor, self.chosen).asset)
        self.chosen = ""

    def mix(self) -> None:
        """Lay the result over the viewport as the sliders say, if one is; where it is hidden it stays so."""
        if self._layer_view is not None and self.choices["to_blend"] and self.editor.shelf.results():
            kept = result_named(self.editor, self.chosen)
            self.editor.stage.show_blend(
                kept.asset, self.choices["overlay_opacity"], self.choices["overlay_split"]
            )
            self.editor.stage.veil(self._is_layer_hidden)

    def project(self, only_selected: bool = False) -> None:
        """Paint the result that is looked at onto what its view sees; its depth is captured anew.

        Args:
            only_selected: Whether to paint nothing but the selected actors.

        Raises:
            BridgeError: ``no_result``, ``no_selection``; see ``Stage.project``.
        """
        kept, eye = result_named(self.editor, self.chosen), self.editor.eye
        actors = eye.selected_paths() if only_selected else ()
        if only_selected and not actors:
            raise BridgeError("no actor is selected", code="no_selection", hint="Select actors with meshes.")
        files = eye.capture(view_of(kept))
        count = self.editor.stage.project(kept.asset, files, actors, self.choices["strength"])
        self.notice = f"Painted {counted(count, 'component')}"

    def load_sequence(self) -> str:
        """Make an image sequence of the frames that are there; returns its asset.

        Raises:
            BridgeError: ``no_frames``, ``no_sequence``.
        """
        sequence = chosen_sequence(self)
        folder = folder_of(self, sequence)
        first, (_, rate) = frames_in(folder)[0], self.editor.reel.frames(sequence)
        asset = self.editor.reel.take_in(folder, first, rate, sequence.rpartition("/")[2])
        self.notice = f"Loaded as {asset}"
        return asset

    # ---- ends ------------------------------------------------------------------------------------

    def close(self) -> None:
        """End everything, within a second."""
        self.disconnect()
        self.gallery.clear()
