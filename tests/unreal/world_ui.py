"""The editor's widgets, tabs and menus: what an artist sees, and can click."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .world import World

PANELS = ("PanelWidget",)


class Screen:
    """What is on the screen of a scripted editor.

    Args:
        world: Whose editor it is.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.tabs: dict[str, Any] = {}
        """Tab id → widget."""

        self.menus: dict[str, Menu] = {}
        self.focused: Any = None
        self.opened = 0
        for name, holder in (
            ("Widget", WidgetCalls(self)),
            ("PanelWidget", PanelCalls(self)),
            ("HorizontalBox", LineCalls(self)),
            ("TextBlock", TextCalls()),
            ("EditableTextBox", TextCalls()),
            ("MultiLineEditableTextBox", TextCalls()),
            ("SpinBox", SpinCalls()),
            ("CheckBox", CheckCalls()),
            ("ComboBoxString", ComboCalls(self)),
            ("ProgressBar", BarCalls()),
            ("Image", ImageCalls()),
            ("PanelSlot", SlotCalls()),
            ("HorizontalBoxSlot", SlotCalls()),
            ("ButtonSlot", SlotCalls()),
            ("EditorUtilityLibrary", SourceCalls()),
            ("EditorUtilitySubsystem", TabCalls(self)),
            ("EditorUtilityWidget", FindCalls()),
            ("BlueprintEditorLibrary", CompileCalls()),
            ("ToolMenus", MenusCalls(self)),
            ("ToolMenu", MenuCalls(self)),
            ("ToolMenuEntry", EntryCalls()),
        ):
            world.scripts.behave(name, holder)
        world.scripts.script("SystemLibrary.get_command_line", lambda: "UnrealEditor Demo.uproject")
        world.scripts.script("SystemLibrary.collect_garbage", lambda: None)

    # ---- for tests -------------------------------------------------------------------------------

    @property
    def widget(self) -> Any:
        """The one tab's widget."""
        (widget,) = self.tabs.values()
        return widget

    def all(self, kind: str) -> list[Any]:
        """Return the widgets of a class that are shown, from top to bottom."""
        return [found for found in _within(self.widget._root) if type(found).__name__ == kind]

    def texts(self) -> list[str]:
        """Return what is written, from top to bottom."""
        return [found._text for found in self.all("TextBlock")]

    def button(self, label: str) -> Any:
        """Return the button of this label."""
        for button in self.all("Button"):
            if any(child._text == label for child in button._children):
                return button
        raise AssertionError(f"no button {label!r} in {self.texts()}")

    def click(self, label: str) -> None:
        """Press a button, as an artist does."""
        button = self.button(label)
        assert button._values.get("is_enabled", True), f"{label} is greyed out"
        _broadcast(button.on_clicked)

    def field(self, label: str) -> Any:
        """Return the field beside a label."""
        for line in self.all("HorizontalBox"):
            first = line._children[0] if line._children else None
            if type(first).__name__ == "TextBlock" and first._text == label and len(line._children) == 2:
                return line._children[1]
        raise AssertionError(f"no field {label!r} in {self.texts()}")

    def type(self, label: str, text: str) -> None:
        """Type into a field and press Enter."""
        field = self.field(label)
        field._text = text
        commit = self._world.unreal.TextCommit.ON_ENTER
        _broadcast(field.on_text_committed, self._world.unreal.Text(text), commit)

    def drag(self, label: str, value: float) -> None:
        """Change a number."""
        field = self.field(label)
        field._number = value
        _broadcast(field.on_value_committed, value, self._world.unreal.TextCommit.ON_ENTER)

    def tick(self, label: str, is_checked: bool) -> None:
        """Change a check box."""
        field = self.field(label)
        field._is_checked = is_checked
        _broadcast(field.on_check_state_changed, is_checked)

    def choose(self, label: str, option: str) -> None:
        """Choose an option."""
        field = self.field(label)
        assert option in field._options, field._options
        field._option = option
        _broadcast(field.on_selection_changed, option, self._world.unreal.SelectInfo.ON_MOUSE_CLICK)

    def close_tab(self) -> None:
        """Close the tab, as an artist does: its widgets are no more."""
        for widget in self.tabs.values():
            widget._destroy() if hasattr(widget, "_destroy") else setattr(widget, "_is_destroyed", True)
        self.tabs.clear()

    def entries(self, menu: str) -> list[Any]:
        """Return the entries of a menu."""
        return self.menus[menu].entries if menu in self.menus else []


class Menu:
    """A menu of the editor."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.sections: list[str] = []


def _broadcast(delegate: Any, *arguments: Any) -> None:
    for function in list(delegate._bound):
        function(*arguments)


def _within(widget: Any) -> Iterator[Any]:
    yield widget
    for child in _children(widget):
        yield from _within(child)


def _children(widget: Any) -> list[Any]:
    if "_children" not in vars(widget):
        object.__setattr__(widget, "_children", [])
    children: list[Any] = widget._children
    return children


def _keep(widget: Any, name: str, value: Any) -> None:
    object.__setattr__(widget, name, value)


class WidgetCalls:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def set_tool_tip_text(self, widget: Any, text: Any) -> None:
        _keep(widget, "_tip", str(text))

    def set_is_enabled(self, widget: Any, is_enabled: bool) -> None:
        widget._values["is_enabled"] = is_enabled

    def has_keyboard_focus(self, widget: Any) -> bool:
        return widget is self._screen.focused


class PanelCalls:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def add_child(self, panel: Any, content: Any) -> Any:
        _children(panel).append(content)
        unreal = self._screen._world.unreal
        kind = {"Button": unreal.ButtonSlot, "HorizontalBox": unreal.HorizontalBoxSlot}
        return kind.get(type(panel).__name__, unreal.PanelSlot)(panel)

    def remove_child(self, panel: Any, content: Any) -> bool:
        children = _children(panel)
        was_there = content in children
        if was_there:
            children.remove(content)
        return was_there

    def clear_children(self, panel: Any) -> None:
        _children(panel).clear()


class LineCalls:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def add_child_to_horizontal_box(self, line: Any, content: Any) -> Any:
        _children(line).append(content)
        return self._screen._world.unreal.HorizontalBoxSlot(line)


class SlotCalls:
    def set_size(self, slot: Any, size: Any) -> None:
        """Lay out."""

    def set_padding(self, slot: Any, padding: Any) -> None:
        """Lay out."""

    def set_vertical_alignment(self, slot: Any, alignment: Any) -> None:
        """Lay out."""


class TextCalls:
    def set_text(self, widget: Any, text: Any) -> None:
        _keep(widget, "_text", str(text))

    def set_auto_wrap_text(self, widget: Any, wraps: bool) -> None:
        """Lay out."""

    def set_color_and_opacity(self, widget: Any, color: Any) -> None:
        _keep(widget, "_color", color)


class SpinCalls:
    def set_value(self, widget: Any, value: float) -> None:
        _keep(widget, "_number", value)
        _broadcast(widget.on_value_changed, value)

    def set_min_value(self, widget: Any, value: float) -> None:
        """Bound it."""

    def set_max_value(self, widget: Any, value: float) -> None:
        """Bound it."""

    def set_min_slider_value(self, widget: Any, value: float) -> None:
        """Bound it."""

    def set_max_slider_value(self, widget: Any, value: float) -> None:
        """Bound it."""


class CheckCalls:
    def set_is_checked(self, widget: Any, is_checked: bool) -> None:
        _keep(widget, "_is_checked", is_checked)


class ComboCalls:
    """A combo box tells of every change, also of one from code."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def clear_options(self, widget: Any) -> None:
        _keep(widget, "_options", [])
        _keep(widget, "_option", "")

    def add_option(self, widget: Any, option: str) -> None:
        widget._options.append(option)

    def clear_selection(self, widget: Any) -> None:
        self._select(widget, "")

    def set_selected_option(self, widget: Any, option: str) -> None:
        assert option in widget._options
        self._select(widget, option)

    def get_selected_option(self, widget: Any) -> str:
        return getattr(widget, "_option", "")

    def _select(self, widget: Any, option: str) -> None:
        _keep(widget, "_option", option)
        _broadcast(widget.on_selection_changed, option, self._screen._world.unreal.SelectInfo.DIRECT)


class BarCalls:
    def set_percent(self, widget: Any, percent: float) -> None:
        assert 0.0 <= percent <= 1.0
        _keep(widget, "_percent", percent)


class ImageCalls:
    def set_brush_from_texture(self, widget: Any, texture: Any, match_size: bool = False) -> None:
        _keep(widget, "_texture", texture)

    def set_desired_size_override(self, widget: Any, size: Any) -> None:
        _keep(widget, "_size", (size.x, size.y))


class SourceCalls:
    def add_source_widget(self, blueprint: Any, kind: type, name: str, parent: str) -> Any:
        assert str(parent) == "None", "the tree is empty: what is added first has no parent"
        source = kind(blueprint, str(name))
        _keep(blueprint, "_source", (kind, str(name)))
        return source


class FindCalls:
    def find_child_widget_by_name(self, widget: Any, name: str) -> Any:
        root = widget._root
        return root if root is not None and str(name) == widget._root_name else None


class CompileCalls:
    def compile_blueprint(self, blueprint: Any) -> None:
        _keep(blueprint, "_compiled", getattr(blueprint, "_source", None))


class TabCalls:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def spawn_and_register_tab_and_get_id(self, _: Any, blueprint: Any) -> tuple[Any, str]:
        widget = self.find_utility_widget_from_blueprint(_, blueprint)
        tab = f"Tab_{blueprint.get_name()}"
        if widget is None:
            unreal = self._screen._world.unreal
            widget = unreal.EditorUtilityWidget(blueprint)
            kind, name = getattr(blueprint, "_compiled", None) or (None, "")
            _keep(widget, "_root", kind(widget, name) if kind else None)
            _keep(widget, "_root_name", name)
            self._screen.tabs[tab] = widget
        self._screen.opened += 1
        return widget, tab

    def find_utility_widget_from_blueprint(self, _: Any, blueprint: Any) -> Any:
        return self._screen.tabs.get(f"Tab_{blueprint.get_name()}")

    def close_tab_by_id(self, _: Any, tab: Any) -> bool:
        return self._screen.tabs.pop(str(tab), None) is not None


class MenusCalls:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._menus: Any = None

    def get(self) -> Any:
        if self._menus is None:
            self._menus = self._screen._world.unreal.ToolMenus()
        return self._menus

    def extend_menu(self, _: Any, name: Any) -> Any:
        menu = self._screen._world.unreal.ToolMenu()
        _keep(menu, "_menu", self._screen.menus.setdefault(str(name), Menu()))
        _keep(menu, "_path", str(name))
        return menu

    def unregister_owner_by_name(self, _: Any, owner: Any) -> None:
        for menu in self._screen.menus.values():
            menu.entries = [entry for entry in menu.entries if str(entry.owner._values["name"]) != str(owner)]

    def refresh_all_widgets(self, _: Any) -> None:
        """Draw menus again."""


class MenuCalls:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def add_section(self, menu: Any, section: Any, label: Any = "") -> None:
        menu._menu.sections.append(str(section))

    def add_sub_menu(self, menu: Any, owner: Any, section: Any, name: Any, label: Any, tip: Any = "") -> Any:
        made = self._screen._world.unreal.ToolMenu()
        path = f"{menu._path}.{name}"
        _keep(made, "_menu", self._screen.menus.setdefault(path, Menu()))
        _keep(made, "_path", path)
        return made

    def add_menu_entry(self, menu: Any, section: Any, entry: Any) -> None:
        assert str(section) in menu._menu.sections
        menu._menu.entries.append(entry)


class EntryCalls:
    def set_label(self, entry: Any, label: Any) -> None:
        _keep(entry, "_label", str(label))

    def set_tool_tip(self, entry: Any, tip: Any) -> None:
        _keep(entry, "_tip", str(tip))

    def set_string_command(self, entry: Any, kind: Any, custom: Any, command: str) -> None:
        _keep(entry, "_command", command)
