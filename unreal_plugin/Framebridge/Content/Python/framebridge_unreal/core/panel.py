"""The panel: what there is to see and to do, made from the studio's state; the wording is Blender's."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from .._bridge.errors import BridgeError, Problem
from .._bridge.host import daemon_choice, maps
from .._bridge.host.objects import wants_objects
from .._bridge.host.preset import OBJECTS, Control, Preset, Unit
from .._bridge.host.recipe import NEGATIVE, PROMPT, has_word, recipe_from_json, with_word
from .._bridge.host.settings import ACTIONS as SHARED_ACTIONS
from .._bridge.host.words import sentence, summary_of
from .axes import view_from_json
from .choices import ALL, Choices, is_shown
from .editor import CAMERA, VIEWPORT, Kept
from .items import (
    Action,
    Button,
    Choice,
    Entry,
    Group,
    Item,
    Number,
    Picture,
    Progress,
    Row,
    Section,
    Text,
    Toggle,
)
from .models import ModelsSection
from .objects import bind, bind_selected, names_in_lines
from .placing import result_named
from .studio import Studio

LISTED_S = 2.0
"""How long a list is shown that is slow to make."""

Listed = TypeVar("Listed")

MOST_RESULTS = 50
"""Of the history, in a menu; the content browser has them all."""

MOST_NAMES = 500
"""Of a level, in a menu."""

LETTERS = 70
"""Of a prompt in a menu."""

FIRST = ("prompt", "negative_prompt", "strength")
"""Controls that stand above the others."""

OWN_ACTIONS = {
    "open": ("Open Panel", "Open the panel, which can be docked"),
    "add_selected": ("Add Selected", "Add a line for each of the selected actors, with the prompt of now"),
    "show_result": ("Show", "Show this result where the settings say"),
    "project": ("Project Onto Meshes", "Paint the result that is looked at onto what its view shows"),
    "project_selected": ("Project Onto Selected", "Paint it onto the selected actors only"),
    "remove_projection": ("Remove Projection", "Take all projected views away; the meshes look as before"),
    "clear_level": (
        "Clear Level",
        "Take plates, decals, projections and the viewport's layer away",
    ),
    "render_sequence": SHARED_ACTIONS["render_animation"],
    "start_over": ("Start Over", "Make all frames anew, also those that are there"),
    "load_sequence": (
        "Load Frames",
        "Make a media source, player and texture of the frames",
    ),
}

MENU = ("open", "generate", "live", "cancel", "project", "render_sequence", "diagnose", "disconnect")
"""What the editor's menu and toolbar offer."""


def action_named(name: str) -> Action:
    """Return an action's label and help."""
    label, help_text = {**SHARED_ACTIONS, **OWN_ACTIONS}[name]
    return Action(name, label, help_text)


ACTIONS = tuple(action_named(name) for name in MENU)


class StudioPanel:
    """The panel of a studio.

    Args:
        studio: What is shown.
        open_panel: Opens the panel's window.
    """

    def __init__(self, studio: Studio, open_panel: Callable[[], None] = lambda: None) -> None:
        self._studio = studio
        self._choices = studio.choices
        self._open = open_panel
        self._lists: dict[str, tuple[float, Sequence[Any]]] = {}
        self._models = ModelsSection(studio.shelf, studio.choices)

    # ---- what there is to see --------------------------------------------------------------------

    def _recent(self, name: str, look: Callable[[], Sequence[Listed]]) -> Sequence[Listed]:
        """Return a list that is slow to make, as it was a moment ago; an empty one without a level."""
        until, known = self._lists.get(name, (0.0, ()))
        if time.monotonic() > until:
            try:
                known = look()
            except BridgeError:
                known = ()
            self._lists[name] = time.monotonic() + LISTED_S, known
        return known

    def items(self) -> tuple[Item, ...]:
        """Return the panel as it is now."""
        self._studio.is_looked_at = True
        above = {
            "state": self._state,
            "preset": self._preset,
            "generate": self._generate,
            "trouble": self._trouble,
        }
        groups = (Group(name, tuple(part())) for name, part in above.items())
        return (*groups, *self._sections())

    def _state(self) -> Iterator[Item]:
        link = self._studio.link
        tone = "good" if link.can_paint else "quiet"
        if link.session is None or link.is_hopeless:
            yield Row((Text(link.words, tone), self._button("connect")))
        else:
            yield Text(link.words, tone)

    def _preset(self) -> Iterator[Item]:
        preset = self._known_preset
        if preset is None:
            return
        choices = tuple((known.name, known.title) for known in self._choices.presets)
        yield Choice("setting:preset", "Preset", preset.name, choices, preset.description)
        if self._choices.has_preset_changed:
            yield Text("This preset has changed since its values were set: check them.", "quiet")
        for name in FIRST:
            control = preset.find(name)
            if control is not None:
                yield self._control(preset, control)
        prompt = preset.find("prompt")
        if prompt is not None and prompt.choices:
            text = str(self._choices.value(preset, "prompt"))
            words = ((word, f"✓ {word}" if has_word(text, word) else word) for word in prompt.choices)
            yield Choice("word", "Words", "", (("", "Add a word…"), *words), "Words that the model knows")
        if prompt is not None:
            yield from self._offered(preset)
        for picture in preset.pictures:
            file = self._choices.picture(preset, picture.name)
            about = picture.help or "What pictures are to look like"
            yield Entry(f"picture:{picture.name}", picture.label, file, f"{about}: path of a PNG file")

    def _offered(self, preset: Preset) -> Iterator[Item]:
        """Offer the last prompts, and negative presets."""
        past = tuple((text, _short(text)) for text in self._studio.book.prompts)
        if past:
            yield Choice("past", "Last Prompts", "", (("", "Put back…"), *past), "In all projects")
        own = tuple((text, title) for title, text in self._studio.book.negatives.items())
        told = tuple(
            (entry.text, f"{entry.title} ({entry.family})" if entry.family else entry.title)
            for entry in self._studio.negatives.found
        )
        if preset.find(NEGATIVE) is not None and (own or told):
            choices = (("", "Choose…"), *own, *told)
            yield Choice("negative", "Negative", "", choices, "What pictures should not look like")

    def _generate(self) -> Iterator[Item]:
        studio = self._studio
        if studio.is_generating:
            yield Progress(*studio.progress)
            yield self._button("cancel")
        else:
            is_free = studio.sequence is None
            yield self._button("generate", is_enabled=is_free, is_large=True)
        live = studio.live
        row = [self._button("live", label="Live" if live is None else "Stop Live")]
        if live is not None:
            row.append(self._button("keep_live", is_enabled=live.picture is not None))
        yield Row(tuple(row))
        if live is not None:
            yield Text(live.words, "quiet")
        for name in ("preview", "live"):
            yield from self._pictures(name)

    def _trouble(self) -> Iterator[Item]:
        problem = self._studio.trouble
        if problem is not None:
            yield Text(sentence(problem), "alert")
            yield Row((self._button("diagnose"), self._button("dismiss")))
        elif self._studio.notice:
            yield Text(self._studio.notice, "quiet")

    def _sections(self) -> Iterator[Item]:
        preset = self._known_preset
        if preset is not None:
            yield self._section("controls", "Controls", self._controls(preset, is_advanced=False))
            if preset.find(PROMPT) is not None:
                yield self._section("prompts", "Prompts", self._prompts(), is_folded=True)
            if preset.units:
                yield self._section("units", "Control Units", self._units(preset))
            if wants_objects(preset):
                yield self._section("objects", "Objects", self._objects(preset))
        yield self._section("capture", "Capture", self._capture())
        yield self._section("results", "Results", self._results())
        yield self._section("projection", "Projection", self._projection(), is_folded=True)
        yield self._section("sequence", "Animation", self._sequence(), is_folded=True)
        yield self._section("advanced", "Advanced", self._advanced(preset), is_folded=True)
        if self._studio.link.is_connected:
            yield self._section("models", "Models", self._models.items(), is_folded=True)

    def _controls(self, preset: Preset, is_advanced: bool) -> Iterator[Item]:
        for control in preset.controls:
            is_elsewhere = control.name in preset.unit_controls | {*FIRST, OBJECTS}
            if is_elsewhere or not is_shown(control) or control.advanced != is_advanced:
                continue
            yield self._control(preset, control)
            if control.name == "seed":
                yield self._setting("seed_mode")

    def _prompts(self) -> Iterator[Item]:
        yield self._setting("prompts_file")
        yield self._button("generate_prompts", is_enabled=not self._studio.is_generating)

    def _units(self, preset: Preset) -> Iterator[Item]:
        for unit in preset.units:
            is_used = self._choices.is_used(unit)
            about = f"Steer the picture by it. {unit.help}".strip()
            yield Toggle(f"unit:{unit.name}", unit.label, is_used, about)
            if is_used:
                yield from self._unit(preset, unit)
        yield self._button("show_maps", is_enabled=not self._studio.is_mapping)
        used = {unit.map for unit in preset.units}
        for name in maps.MAPS:
            if name not in used and self._studio.gallery.item(name) is not None:
                yield Text(f"{maps.TITLES[name]}: this preset has no ControlNet for it", "quiet")
                yield from self._pictures(name)

    def _unit(self, preset: Preset, unit: Unit) -> Iterator[Item]:
        for name, label in ((unit.weight, "Weight"), (unit.start, "Start"), (unit.end, "End")):
            control = preset.find(name) if name else None
            if control is not None:
                yield self._control(preset, control, label)
        yield from self._pictures(unit.map)

    def _objects(self, preset: Preset) -> Iterator[Item]:
        control = preset.find(OBJECTS)
        assert control is not None
        yield self._control(preset, control)
        names = self._recent("names", lambda: names_in_lines(self._studio.editor.eye))
        choices = (("", "Add a name…"), *((name, name) for name in names[:MOST_NAMES]))
        yield Choice(
            "name", "Names", "", choices, "Actors, folders of the outliner, and materials of the level"
        )
        yield self._button("add_selected")

    def _capture(self) -> Iterator[Item]:
        yield self._setting("source")
        if self._choices["source"] == CAMERA:
            yield self._cameras()
        if self._choices["source"] == VIEWPORT:
            yield self._setting("field_of_view")
        if self._choices["has_own_size"]:
            yield self._setting("width")
            yield self._setting("height")
        else:
            yield self._setting("longest_side")
        yield self._setting("has_own_size")
        yield self._setting("is_exposure_fixed")
        if self._choices["is_exposure_fixed"]:
            yield self._setting("exposure")
        yield self._setting("is_unlit")
        yield self._setting("masks")

    def _cameras(self) -> Item:
        labels = self._recent("cameras", self._studio.editor.eye.cameras)
        choices = tuple((label, label) for label in labels)
        about = ALL["camera"]
        return Choice("setting:camera", about.label, self._choices["camera"], choices, about.help)

    def _results(self) -> Iterator[Item]:
        for name in ("to_blend", "to_plate", "to_decal"):
            yield self._setting(name)
        if self._choices["to_blend"]:
            yield self._setting("overlay_opacity")
            yield self._setting("overlay_split")
            yield self._button("clear_overlay")
        results = self._studio.editor.shelf.results()
        if not results:
            yield Text("No results yet", "quiet")
            return
        kept = self._looked_at
        shown = tuple((result.asset, _titled(result)) for result in results[:MOST_RESULTS])
        yield Choice("result", "Result", kept.asset, shown, "The result that is looked at")
        yield Picture(kept.asset)
        yield Text(_described(kept), "quiet")
        asset, took = self._studio.spent
        if took and asset == kept.asset:
            yield Text(f"Took {took}", "quiet")
        yield self._button("use_again")
        yield Row((self._button("show_result"), self._button("delete_result"), self._button("clear_level")))

    def _projection(self) -> Iterator[Item]:
        yield self._setting("strength")
        has_results = bool(self._studio.editor.shelf.results())
        names = ("project", "project_selected")
        yield Row(tuple(self._button(name, is_enabled=has_results) for name in names))
        for asset, strength in self._recent("views", self._studio.editor.stage.views):
            yield Text(f"{asset.rpartition('/')[2]}, {strength:.0%}")
        yield self._button("remove_projection")

    def _sequence(self) -> Iterator[Item]:
        reel = self._studio.editor.reel
        choices = (
            ("", "The one that is open"),
            *((path, path.rpartition("/")[2]) for path in self._recent("sequences", reel.sequences)),
        )
        about = ALL["sequence"]
        yield Choice("setting:sequence", about.label, self._choices["sequence"], choices, about.help)
        yield self._setting("frames_folder")
        yield self._setting("freezes_depth")
        running = self._studio.sequence
        if running is not None:
            yield Progress(running.fraction, running.words)
            yield self._button("cancel", label="Stop")
        else:
            yield Row((self._button("render_sequence"), self._button("start_over")))
            yield self._button("load_sequence")

    def _advanced(self, preset: Preset | None) -> Iterator[Item]:
        if preset is not None:
            yield from self._controls(preset, is_advanced=True)
        for name, label, about in _DAEMON:
            value = getattr(self._choices.daemon, name)
            if isinstance(value, bool):
                yield Toggle(f"daemon:{name}", label, value, about)
            else:
                yield Entry(f"daemon:{name}", label, value, about)
        yield Row((self._button("disconnect"), self._button("free_memory")))
        yield self._button("diagnose")
        if self._studio.diagnosis is not None:
            for step in self._studio.diagnosis.steps:
                yield Text(step.line, _TONES[step.state])

    # ---- what it leads to ------------------------------------------------------------------------

    def set(self, name: str, value: object) -> None:
        """Take note of a value that the artist has changed."""
        kind, _, rest = name.partition(":")
        self._lists.clear()
        try:
            self._set(kind, rest, value)
        except Exception as error:  # the toolkit's last boundary
            self._studio.problem = self._studio.problem_from(error)

    def do(self, action: str) -> None:
        """Do what a button is for; what cannot be done is told."""
        self._lists.clear()
        try:
            self._actions[action]()
        except Exception as error:  # the toolkit's last boundary
            self._told(self._studio.problem_from(error))

    def _set(self, kind: str, name: str, value: object) -> None:
        if kind == "control":
            self._choices.set_value(name, value)
        elif kind == "picture":
            self._choices.set_picture(name, value)
        elif kind == "models":
            self._models.set(name, str(value))
        elif kind == "unit":
            self._choices.use(name, bool(value))
        elif kind == "daemon":
            self._choices.set_daemon(name, value)
        elif kind == "fold":
            self._choices.fold(name, not value)
        elif kind == "result":
            self._studio.chosen = str(value)
        elif kind in ("word", "name", "past", "negative"):
            self._put_in(kind, str(value))
        elif (kind, name) == ("setting", "preset"):
            self._choices.choose(str(value))
        elif kind == "setting":
            self._choices.set(name, value)
            if name in ("overlay_opacity", "overlay_split"):
                self._studio.mix()

    def _put_in(self, kind: str, text: str) -> None:
        """Take what was chosen from a menu over into a text; its first entry, which is empty, is none."""
        if kind == "word" and text:
            prompt = str(self._choices.value(self._choices.preset, PROMPT))
            self._choices.set_value(PROMPT, with_word(prompt, text))
        elif kind == "name" and text:
            bind(self._choices, [text])
        elif text:
            self._choices.set_value(PROMPT if kind == "past" else NEGATIVE, text)

    @property
    def _actions(self) -> dict[str, Callable[[], object]]:
        studio, stage = self._studio, self._studio.editor.stage
        return {
            "open": self._open,
            "connect": studio.connect,
            "disconnect": studio.disconnect,
            "generate": studio.generate,
            "generate_prompts": studio.generate_prompts,
            "cancel": studio.cancel,
            "live": studio.stop_live if studio.live is not None else studio.start_live,
            "keep_live": studio.keep_live,
            "show_maps": studio.show_maps,
            "add_selected": lambda: bind_selected(self._choices, studio.editor.eye),
            "diagnose": studio.diagnose,
            "free_memory": lambda: studio.session.free(),
            "dismiss": studio.dismiss,
            "use_again": studio.use_again,
            "show_result": studio.show_result,
            "delete_result": studio.delete_result,
            "clear_overlay": studio.hide_layer,
            "clear_level": stage.clear,
            "project": studio.project,
            "project_selected": lambda: studio.project(only_selected=True),
            "remove_projection": stage.remove_projection,
            "render_sequence": studio.render_sequence,
            "start_over": lambda: studio.render_sequence(starts_over=True),
            "load_sequence": studio.load_sequence,
            **self._models.actions(),
        }

    def _told(self, problem: Problem) -> None:
        self._studio.tell(problem)

    # ---- items -----------------------------------------------------------------------------------

    @property
    def _known_preset(self) -> Preset | None:
        try:
            return self._choices.preset
        except BridgeError:
            return None

    @property
    def _looked_at(self) -> Kept:
        try:
            return result_named(self._studio.editor, self._studio.chosen)
        except BridgeError:  # it was deleted in the content browser
            self._studio.chosen = ""
            return result_named(self._studio.editor)

    def _button(
        self, name: str, *, label: str = "", is_enabled: bool = True, is_large: bool = False
    ) -> Button:
        action = action_named(name)
        return Button(label or action.label, name, action.help, is_enabled, is_large)

    def _section(self, name: str, title: str, items: Iterator[Item], is_folded: bool = False) -> Section:
        is_open = not self._choices.is_folded(name, is_folded)
        return Section(f"fold:{name}", title, tuple(items) if is_open else (), is_open)

    def _pictures(self, name: str) -> Iterator[Item]:
        item = self._studio.gallery.item(name)
        if item is not None:
            yield item

    def _setting(self, name: str) -> Item:
        return setting_item(name, self._choices)

    def _control(self, preset: Preset, control: Control, label: str = "") -> Item:
        name, label = f"control:{control.name}", label or control.label
        value = self._choices.value(preset, control.name)
        if control.type in ("integer", "number"):
            is_whole = control.type == "integer"
            step = control.step or (1.0 if is_whole else 0.1)
            return Number(name, label, value, control.minimum, control.maximum, step, is_whole, control.help)
        if control.type == "boolean":
            return Toggle(name, label, value, control.help)
        if control.type in ("choice", "model") and control.choices:
            return Choice(
                name, label, value, tuple((choice, choice) for choice in control.choices), control.help
            )
        return Entry(name, label, value, control.help, is_multiline=control.name in (*FIRST, OBJECTS))


def setting_item(name: str, choices: Choices) -> Item:
    """Return a setting as an item."""
    about, value = ALL[name], choices[name]
    full = f"setting:{name}"
    if isinstance(value, bool):
        return Toggle(full, about.label, value, about.help)
    if isinstance(value, int | float):
        is_whole = isinstance(about.default, int)
        step = 8.0 if is_whole else 0.01
        return Number(full, about.label, value, about.minimum, about.maximum, step, is_whole, about.help)
    if about.choices:
        entries = tuple((choice, label) for choice, label, _ in about.choices)
        return Choice(full, about.label, value, entries, about.help)
    return Entry(full, about.label, value, about.help)


@functools.lru_cache(MOST_RESULTS)
def _titled(kept: Kept) -> str:
    try:
        prompt = str(recipe_from_json(kept.recipe).values.get("prompt", ""))
    except BridgeError:
        prompt = ""
    return f"{kept.name}  {prompt}".strip()


def _described(kept: Kept) -> str:
    width, height = kept.size
    try:
        view_from_json(kept.view)
        return summary_of(recipe_from_json(kept.recipe), width, height)
    except BridgeError as error:
        return f"{width} × {height}; {error.message}"


_TONES = {"waiting": "quiet", "running": "plain", "good": "good", "broken": "alert"}

_DAEMON = (
    ("starts_daemon", "Start the Daemon When Needed", daemon_choice.STARTS_DAEMON),
    ("program", "Program", daemon_choice.PROGRAM),
    ("arguments", "Arguments", daemon_choice.ARGUMENTS),
    ("address", "Address", daemon_choice.ADDRESS),
    ("token", "Token", daemon_choice.TOKEN),
)


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
