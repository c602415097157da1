"""The panel's values in a details view, for engines whose scripts cannot make widgets (Unreal 5.4 and 5.5).

The dialog waits for the artist, has no preview and no progress: what is going on is written to the Output
Log, and the buttons are in the menu.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import unreal

from .._bridge.errors import Problem
from ..core.editor import Editor
from ..core.items import Choice, Entry, Group, Item, Number, Panel, Progress, Row, Section, Text, Toggle

TITLE = "Framebridge"
NARROW = 520

Valued = Entry | Number | Toggle | Choice

_numbers = itertools.count(1)


class SettingsDialog:
    """The panel's values.

    Args:
        panel: Whose values.
        editor: Is told what was typed and is no choice, and how far things are.
    """

    def __init__(self, panel: Panel, editor: Editor) -> None:
        self._panel, self._editor = panel, editor
        self._forms: dict[tuple[Any, ...], Any] = {}
        self._said = ""

    def open(self) -> None:
        """Show the values, wait for the artist, and take what has changed."""
        for item in tuple(_flat(self._panel.items())):
            if isinstance(item, Section) and not item.is_open:
                self._panel.set(item.name, True)
        fields = dict(_named(self._panel.items()))
        form = unreal.new_object(self._form(fields))
        for name, (_, item) in fields.items():
            form.set_editor_property(name, _shown(item))
        options = unreal.EditorDialogLibraryObjectDetailsViewOptions(
            show_object_name=False, allow_search=True, allow_resizing=True, min_width=NARROW
        )
        if unreal.EditorDialog.show_object_details_view(TITLE, form, options):
            for name, (_, item) in fields.items():
                self._take(item, form.get_editor_property(name))

    def refresh(self) -> None:
        """Write what has changed of the state to the log."""
        words = next(iter(_words(self._panel.items())), "")
        if words != self._said:
            self._said = words
            self._editor.note(words)

    def close(self) -> None:
        """Nothing is open but while ``open`` waits."""

    def _form(self, fields: Mapping[str, tuple[str, Valued]]) -> Any:
        """Return a class with a property for each field; the engine keeps classes, so each is made once."""
        named = fields.items()
        kind = tuple((name, type(item), item.label, item.help, section) for name, (section, item) in named)
        if kind not in self._forms:
            body = {name: _property(section, item) for name, (section, item) in named}
            made = type(f"FramebridgeValues{next(_numbers)}", (unreal.Object,), body)
            self._forms[kind] = unreal.uclass()(made)
        return self._forms[kind]

    def _take(self, item: Valued, value: Any) -> None:
        if isinstance(item, Choice):
            self._take_choice(item, str(value))
        elif isinstance(item, Entry):
            self._set(item, str(value))
        elif isinstance(item, Number) and not item.is_whole:
            self._set(item, float(f"{value:.6g}"))
        else:
            self._set(item, value)

    def _take_choice(self, item: Choice, typed: str) -> None:
        values = {label: value for value, label in item.choices}
        if typed in values or typed in values.values() or not typed:
            self._set(item, values.get(typed, typed))
            return
        nearest = difflib.get_close_matches(typed, values, n=1)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else f"There are: {', '.join(values)}."
        self._editor.tell(Problem("bad_value", f"{item.label} has no choice {typed[:80]!r}", hint))

    def _set(self, item: Valued, value: object) -> None:
        if value != item.value:
            self._panel.set(item.name, value)


def _flat(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        if isinstance(item, Row | Group | Section):
            yield from _flat(item.items)


def _named(items: Sequence[Item], section: str = TITLE) -> Iterator[tuple[str, tuple[str, Valued]]]:
    """Yield the items that hold values, by names that a property can have, with their section."""
    for item in items:
        if isinstance(item, Section):
            yield from _named(item.items, item.title)
        elif isinstance(item, Group):
            yield from _named(item.items, section)
        elif isinstance(item, Valued):
            plain = "".join(letter if letter.isalnum() else "_" for letter in item.name)
            yield f"{plain}_value", (section, item)


def _property(section: str, item: Valued) -> Any:
    about = {"Category": section, "DisplayName": item.label, "ToolTip": _help(item)}
    if isinstance(item, Number):
        bounds = {"ClampMin": item.minimum, "ClampMax": item.maximum}
        about |= {name: f"{bound:g}" for name, bound in bounds.items() if bound is not None}
        return unreal.uproperty(int if item.is_whole else float, about)
    if isinstance(item, Toggle):
        return unreal.uproperty(bool, about)
    if isinstance(item, Entry) and item.is_multiline:
        about["MultiLine"] = "true"
    return unreal.uproperty(str, about)


def _help(item: Valued) -> str:
    if not isinstance(item, Choice):
        return item.help
    return f"{item.help}. One of: {', '.join(label for _, label in item.choices)}"


def _shown(item: Valued) -> object:
    if isinstance(item, Choice):
        return next((label for value, label in item.choices if value == item.value), item.value)
    return item.value


def _words(items: Sequence[Item]) -> Iterator[str]:
    for item in _flat(items):
        if isinstance(item, Progress):
            yield item.words
        elif isinstance(item, Text) and item.tone in ("alert", "good"):
            yield item.text
