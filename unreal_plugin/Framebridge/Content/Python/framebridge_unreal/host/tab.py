"""The panel as a tab that can be docked: an Editor Utility Widget, made by script (Unreal 5.6 and later).

The widget's blueprint is an asset with nothing but an empty box in it, made once for a project; what is in
the box is drawn at run time.
"""

from __future__ import annotations

import time

import unreal

from .._bridge.errors import BridgeError
from ..core.items import Panel
from .level import FOLDER, is_playing, service
from .widgets import Renderer

NAME = "Panel"
ROOT = "Root"

LOOK_AGAIN_S = 2.0
"""Between two looks for a tab that was opened, or brought back, without us."""


class PanelTab:
    """The panel's tab.

    Args:
        panel: What is drawn.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._blueprint: unreal.EditorUtilityWidgetBlueprint | None = None
        self._widget: unreal.EditorUtilityWidget | None = None
        self._tab: unreal.Name | None = None
        self._renderer: Renderer | None = None
        self._look_again = 0.0

    @staticmethod
    def is_possible() -> bool:
        """Tell whether this engine lets a script make a widget."""
        has_source = hasattr(unreal.EditorUtilityLibrary, "add_source_widget")
        return has_source and hasattr(unreal.EditorUtilityWidget, "find_child_widget_by_name")

    def open(self) -> None:
        """Open the tab, or bring it to the front.

        Raises:
            BridgeError: ``content_unwritable`` if its asset cannot be made, ``panel_failed``.
        """
        subsystem = service(unreal.EditorUtilitySubsystem)
        self._blueprint = self._blueprint or _blueprint()
        widget, self._tab = subsystem.spawn_and_register_tab_and_get_id(self._blueprint)
        if widget is None:
            raise BridgeError(
                "the panel's tab could not be opened",
                code="panel_failed",
                hint=f"Delete {FOLDER}/{NAME} in the content browser, and open the panel again.",
            )
        self._draw_in(widget)

    def refresh(self) -> None:
        """Draw what has changed, in the widget that the tab has now.

        The engine makes a new one, empty, at every change of level, and brings a tab back from its last time
        with an empty one; the old one stays alive as long as Python knows it.
        """
        now = time.monotonic()
        if self._renderer is None and now < self._look_again:
            return
        self._look_again = now + LOOK_AGAIN_S
        shown = self._shown()
        if shown is None:
            self._widget, self._renderer = None, None
        elif shown != self._widget or self._renderer is None:
            self._draw_in(shown)
        else:
            self._renderer.refresh()

    def close(self) -> None:
        """Close the tab."""
        self._renderer, self._widget = None, None
        if self._tab is not None:
            service(unreal.EditorUtilitySubsystem).close_tab_by_id(self._tab)
            self._tab = None

    def _shown(self) -> unreal.EditorUtilityWidget | None:
        """Return the widget of the tab, if that is open."""
        if self._blueprint is None:
            self._blueprint = _known_blueprint()
        if self._blueprint is None:
            return None
        return service(unreal.EditorUtilitySubsystem).find_utility_widget_from_blueprint(self._blueprint)

    def _draw_in(self, widget: unreal.EditorUtilityWidget) -> None:
        root = widget.find_child_widget_by_name(ROOT)
        if not isinstance(root, unreal.PanelWidget):
            raise BridgeError(
                f"{FOLDER}/{NAME} is not the panel that Framebridge made",
                code="panel_failed",
                hint="Delete that asset in the content browser, and open the panel again.",
            )
        self._widget, self._renderer = widget, Renderer(root, self._panel)
        self._renderer.refresh()


def _known_blueprint() -> unreal.EditorUtilityWidgetBlueprint | None:
    """Return the asset, if it is there; while the editor starts nobody knows yet."""
    if unreal.AssetRegistryHelpers.get_asset_registry().is_loading_assets() or is_playing():
        return None
    path = f"{FOLDER}/{NAME}"
    if not unreal.EditorAssetLibrary.does_asset_exist(path):
        return None
    found = unreal.EditorAssetLibrary.load_asset(path)
    return found if isinstance(found, unreal.EditorUtilityWidgetBlueprint) else None


def _blueprint() -> unreal.EditorUtilityWidgetBlueprint:
    known = _known_blueprint()
    if known is not None:
        return known
    path = f"{FOLDER}/{NAME}"
    if unreal.EditorAssetLibrary.does_asset_exist(path):
        raise BridgeError(
            f"{path} is not the panel that Framebridge made",
            code="panel_failed",
            hint="Rename or delete that asset in the content browser, and open the panel again.",
        )
    made = unreal.AssetToolsHelpers.get_asset_tools().create_asset(
        NAME, FOLDER, unreal.EditorUtilityWidgetBlueprint, unreal.EditorUtilityWidgetBlueprintFactory()
    )
    if not isinstance(made, unreal.EditorUtilityWidgetBlueprint):
        raise BridgeError(
            f"the panel's asset {path} cannot be made",
            code="content_unwritable",
            hint="Make the project's Content folder writable, or check that asset out.",
        )
    unreal.EditorUtilityLibrary.add_source_widget(made, unreal.ScrollBox, ROOT, "None")
    made.set_editor_property("is_enabled_in_pie", True)  # Movie Render Queue plays, and can be stopped
    unreal.BlueprintEditorLibrary.compile_blueprint(made)
    unreal.EditorAssetLibrary.save_loaded_asset(made)
    return made
