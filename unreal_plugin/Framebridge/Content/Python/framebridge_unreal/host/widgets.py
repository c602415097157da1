"""Draw a panel with the engine's widgets, and draw again only what has changed.

Rules:
1. Items of the same kind and name, in the same order, keep their widgets and get new values; from the first
   that differs on, the rest of their box is made anew.
2. A field that the artist is typing in is left alone.
3. What is set from here is not taken for the artist's.
4. Callables that are bound are referenced for as long as their widget is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import unreal

from ..core.items import (
    Button,
    Choice,
    Entry,
    Group,
    Item,
    Number,
    Panel,
    Picture,
    Progress,
    Row,
    Section,
    Text,
    Toggle,
)

LABEL_SHARE, VALUE_SHARE = 0.4, 0.6
"""Of a line's width."""

LARGEST_EXACT = 2**24
"""The engine's number boxes hold 32-bit floats: larger whole numbers are typed as text."""

COLORS = {
    "plain": (0.9, 0.9, 0.9, 1.0),
    "quiet": (0.55, 0.55, 0.55, 1.0),
    "good": (0.35, 0.8, 0.45, 1.0),
    "alert": (1.0, 0.45, 0.35, 1.0),
}
"""Of a text, by its tone."""

MOST_WASTE = 512 * 1024**2
"""Bytes of pictures that are shown no more: the engine itself collects only while a level is played."""

_waste = [0]


def _count_waste(texture: unreal.Texture2D) -> None:
    """Have what is not shown any more collected, once it is worth a collection."""
    _waste[0] += texture.blueprint_get_size_x() * texture.blueprint_get_size_y() * 4
    if _waste[0] > MOST_WASTE:
        _waste[0] = 0
        unreal.SystemLibrary.collect_garbage()


LARGE = 8.0
"""Slate units above and below the label of a large button."""

Kind = TypeVar("Kind", bound=unreal.Widget)


class Renderer:
    """A panel in a box.

    Args:
        root: What is in it goes.
        panel: What is drawn.
    """

    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        root.clear_children()
        self._panel = panel
        self._items: tuple[Item, ...] | None = None
        self._box = _Box(root, panel)

    def refresh(self) -> None:
        """Draw what has changed since the last time."""
        items = self._panel.items()
        if items != self._items:
            self._box.show(items)
            self._items = items


class _Drawn:
    """An item and its widgets."""

    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        self._owner, self._panel = root, panel
        self._is_setting = False
        self.widget: unreal.Widget

    def update(self, item: Item) -> None:
        """Show an item of the same kind and name."""
        self._is_setting = True
        try:
            self._show(item)
        finally:
            self._is_setting = False

    def _show(self, item: Item) -> None:
        raise NotImplementedError

    def _make(self, kind: type[Kind]) -> Kind:
        return unreal.new_object(kind, self._owner)

    def _set(self, name: str, value: object) -> None:
        if not self._is_setting:
            self._panel.set(name, value)


class _Box:
    """Items one after the other in a container."""

    def __init__(self, container: unreal.PanelWidget, panel: Panel) -> None:
        self._container, self._panel = container, panel
        self._drawn: list[tuple[Hashable, _Drawn]] = []

    def show(self, items: Sequence[Item]) -> None:
        """Draw the items."""
        keys = [_key(item) for item in items]
        same = 0
        while same < min(len(keys), len(self._drawn)) and keys[same] == self._drawn[same][0]:
            same += 1
        for _, drawn in self._drawn[same:]:
            self._container.remove_child(drawn.widget)
        del self._drawn[same:]
        for key, item in zip(keys[same:], items[same:], strict=True):
            drawn = _drawer(item)(self._container, self._panel)
            self._container.add_child(drawn.widget)
            self._drawn.append((key, drawn))
        for (_, drawn), item in zip(self._drawn, items, strict=True):
            drawn.update(item)


class _Text(_Drawn):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self.widget = self._text = self._make(unreal.TextBlock)
        self._text.set_auto_wrap_text(True)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Text)
        self._text.set_text(item.text)
        self._text.set_color_and_opacity(_color(item.tone))


class _Button(_Drawn):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._button, self._label = self._make(unreal.Button), self._make(unreal.TextBlock)
        self.widget = self._button
        self._action = ""
        slot = self._button.add_child(self._label)
        self._slot = slot if isinstance(slot, unreal.ButtonSlot) else None
        self._on_clicked = self._clicked
        self._button.on_clicked.add_callable(self._on_clicked)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Button)
        self._action = item.action
        self._label.set_text(item.label)
        self._button.set_tool_tip_text(item.help)
        self._button.set_is_enabled(item.is_enabled)
        if self._slot is not None:
            margin = LARGE if item.is_large else 0.0
            self._slot.set_padding(unreal.Margin(0.0, margin, 0.0, margin))

    def _clicked(self) -> None:
        self._panel.do(self._action)


class _Labelled(_Drawn):
    """An item with a label on the left."""

    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._line = self._make(unreal.HorizontalBox)
        self.widget = self._line
        self._label = self._make(unreal.TextBlock)
        self._add(self._label, LABEL_SHARE)
        self._name = ""

    def _add(self, widget: unreal.Widget, share: float) -> None:
        slot = self._line.add_child_to_horizontal_box(widget)
        slot.set_size(unreal.SlateChildSize(share, unreal.SlateSizeRule.FILL))
        slot.set_vertical_alignment(unreal.VerticalAlignment.V_ALIGN_CENTER)

    def _title(self, item: Entry | Number | Toggle | Choice) -> None:
        self._name = item.name
        self._label.set_text(item.label)
        self.widget.set_tool_tip_text(item.help)


class _Entry(_Labelled):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._field = self._make(unreal.EditableTextBox)
        self._add(self._field, VALUE_SHARE)
        self._on_committed = self._committed
        self._field.on_text_committed.add_callable(self._on_committed)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Entry | Number)
        self._title(item)
        if not self._field.has_keyboard_focus():
            value = item.value if isinstance(item, Entry) else f"{item.value:.0f}"
            self._field.set_text(value)

    def _committed(self, text: unreal.Text, _how: unreal.TextCommit) -> None:
        self._set(self._name, str(text))


class _Digits(_Entry):
    """A whole number that is too large for the engine's number boxes."""

    def _committed(self, text: unreal.Text, _how: unreal.TextCommit) -> None:
        typed = str(text).strip()
        self._set(self._name, int(typed) if typed.lstrip("-").isdecimal() else typed)


class _Paragraph(_Labelled):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._field = self._make(unreal.MultiLineEditableTextBox)
        self._add(self._field, VALUE_SHARE)
        self._on_committed = self._committed
        self._field.on_text_committed.add_callable(self._on_committed)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Entry)
        self._title(item)
        if not self._field.has_keyboard_focus():
            self._field.set_text(item.value)

    def _committed(self, text: unreal.Text, _how: unreal.TextCommit) -> None:
        self._set(self._name, str(text))


class _Number(_Labelled):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._field = self._make(unreal.SpinBox)
        self._add(self._field, VALUE_SHARE)
        self._is_whole = False
        self._on_committed = self._committed
        self._field.on_value_committed.add_callable(self._on_committed)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Number)
        self._title(item)
        self._is_whole = item.is_whole
        self._bound(item)
        self._field.set_editor_property("delta", float(item.step))
        self._field.set_editor_property("max_fractional_digits", 0 if item.is_whole else 3)
        self._field.set_editor_property("enable_slider", item.is_slider)
        if not self._field.has_keyboard_focus():
            self._field.set_value(float(item.value))

    def _bound(self, item: Number) -> None:
        if item.minimum is not None:
            self._field.set_min_value(float(item.minimum))
            self._field.set_min_slider_value(float(item.minimum))
        if item.maximum is not None:
            self._field.set_max_value(float(item.maximum))
            self._field.set_max_slider_value(float(item.maximum))

    def _committed(self, value: float, _how: unreal.TextCommit) -> None:
        self._set(self._name, round(value) if self._is_whole else float(value))


class _Toggle(_Labelled):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._field = self._make(unreal.CheckBox)
        self._add(self._field, VALUE_SHARE)
        self._on_changed = self._changed
        self._field.on_check_state_changed.add_callable(self._on_changed)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Toggle)
        self._title(item)
        self._field.set_is_checked(item.value)

    def _changed(self, is_checked: bool) -> None:
        self._set(self._name, bool(is_checked))


class _Choice(_Labelled):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self._field = self._make(unreal.ComboBoxString)
        self._add(self._field, VALUE_SHARE)
        self._values: dict[str, str] = {}
        self._on_changed = self._changed
        self._field.on_selection_changed.add_callable(self._on_changed)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Choice)
        self._title(item)
        values = {label: value for value, label in item.choices}
        if values != self._values:
            self._values = values
            self._field.clear_options()
            for label in values:
                self._field.add_option(label)
        chosen = next((label for label, value in values.items() if value == item.value), None)
        if chosen is None:
            self._field.clear_selection()
        elif str(self._field.get_selected_option()) != chosen:
            self._field.set_selected_option(chosen)

    def _changed(self, label: str, _how: unreal.SelectInfo) -> None:
        value = self._values.get(str(label))
        if value is not None:
            self._set(self._name, value)


class _Progress(_Drawn):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        box = self._make(unreal.VerticalBox)
        self._bar, self._words = self._make(unreal.ProgressBar), self._make(unreal.TextBlock)
        box.add_child(self._bar)
        box.add_child(self._words)
        self.widget = box

    def _show(self, item: Item) -> None:
        assert isinstance(item, Progress)
        self._bar.set_percent(item.fraction)
        self._words.set_text(item.words)


class _Picture(_Drawn):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        self.widget = self._image = self._make(unreal.Image)
        self._shown: tuple[str, int] | None = None
        self._texture: unreal.Texture2D | None = None

    def _show(self, item: Item) -> None:
        assert isinstance(item, Picture)
        if self._shown == (item.path, item.serial):
            return
        texture = self._loaded(item.path)
        if texture is None:  # it is being replaced: the next look finds it
            return
        self._shown, self._texture = (item.path, item.serial), texture
        self._image.set_brush_from_texture(texture, True)
        width, height = texture.blueprint_get_size_x(), texture.blueprint_get_size_y()
        scale = item.width / max(width, 1)
        self._image.set_desired_size_override(unreal.Vector2D(item.width, height * scale))

    def _loaded(self, path: str) -> unreal.Texture2D | None:
        if path.startswith("/Game/"):
            found = unreal.EditorAssetLibrary.load_asset(path)
            return found if isinstance(found, unreal.Texture2D) else None
        texture = unreal.RenderingLibrary.import_file_as_texture2d(self._image, path)
        if texture is not None:
            _count_waste(texture)
        return texture


class _Row(_Drawn):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        line = self._make(unreal.HorizontalBox)
        self.widget = line
        self._box = _Box(line, panel)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Row)
        self._box.show(item.items)


class _Group(_Drawn):
    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        column = self._make(unreal.VerticalBox)
        self.widget = column
        self._box = _Box(column, panel)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Group)
        self._box.show(item.items)


class _Section(_Drawn):
    """A title that folds what is below it."""

    def __init__(self, root: unreal.PanelWidget, panel: Panel) -> None:
        super().__init__(root, panel)
        box = self._make(unreal.VerticalBox)
        self._header, self._title = self._make(unreal.Button), self._make(unreal.TextBlock)
        self._header.add_child(self._title)
        content = self._make(unreal.VerticalBox)
        box.add_child(self._header)
        box.add_child(content)
        self.widget = box
        self._box = _Box(content, panel)
        self._name, self._is_open = "", True
        self._on_clicked = self._clicked
        self._header.on_clicked.add_callable(self._on_clicked)

    def _show(self, item: Item) -> None:
        assert isinstance(item, Section)
        self._name, self._is_open = item.name, item.is_open
        self._title.set_text(f"{'▾' if item.is_open else '▸'} {item.title}")
        self._box.show(item.items)

    def _clicked(self) -> None:
        self._panel.set(self._name, not self._is_open)


def _drawer(item: Item) -> type[_Drawn]:
    if isinstance(item, Entry) and item.is_multiline:
        return _Paragraph
    return _Digits if _is_long(item) else _DRAWN[type(item)]


def _key(item: Item) -> Hashable:
    """Return what decides whether an item can keep another's widgets."""
    parts = tuple(_key(part) for part in item.items) if isinstance(item, Row) else ()
    return _drawer(item), getattr(item, "name", ""), parts


def _is_long(item: Item) -> bool:
    return isinstance(item, Number) and item.is_whole and (item.maximum or LARGEST_EXACT) > LARGEST_EXACT


def _color(tone: str) -> unreal.SlateColor:
    return unreal.SlateColor(unreal.LinearColor(*COLORS[tone]))


_DRAWN: dict[type, type[_Drawn]] = {
    Text: _Text,
    Button: _Button,
    Entry: _Entry,
    Number: _Number,
    Toggle: _Toggle,
    Choice: _Choice,
    Progress: _Progress,
    Picture: _Picture,
    Row: _Row,
    Group: _Group,
    Section: _Section,
}
