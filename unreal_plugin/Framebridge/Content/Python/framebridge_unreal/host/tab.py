"""The panel as a tab that can be docked: an Editor Utility Widget, made by script (Unreal 5.6 and later).

The widget's blueprint is an asset with nothing but an empty box in it, made once for a project; what is in
the box is drawn at run time.
"""

from __future__ import annotations

import unreal

from .._bridge.errors import BridgeError
from ..core.items import Panel
from .level import FOLDER, service
from .widgets import Renderer

NAME = "Panel"
ROOT = "Root"


class PanelTab:
    """The panel's tab.

    Args:
        panel: What is drawn.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._widget: unreal.EditorUtilityWidget | None = None
        self._tab: unreal.Name | None = None
        self._renderer: Renderer | None = None
        self._take_over()

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
        widget, self._tab = subsystem.spawn_and_register_tab_and_get_id(_blueprint())
        if widget is None:
            raise BridgeError(
                "the panel's tab could not be opened",
                code="panel_failed",
                hint=f"Delete {FOLDER}/{NAME} in the content browser, and open the panel again.",
            )
        self._draw_in(widget)

    def refresh(self) -> None:
        """Draw what has changed, if the tab is there."""
        if self._renderer is None:
            return
        if self._widget is None or not unreal.SystemLibrary.is_valid(self._widget):
            self._widget, self._renderer = None, None  # the artist has closed it
            return
        self._renderer.refresh()

    def close(self) -> None:
        """Close the tab."""
        self._renderer, self._widget = None, None
        if self._tab is not None:
            service(unreal.EditorUtilitySubsystem).close_tab_by_id(self._tab)
            self._tab = None

    def _take_over(self) -> None:
        """Draw in a tab that the editor has brought back from its last time, which is empty."""
        if not unreal.EditorAssetLibrary.does_asset_exist(f"{FOLDER}/{NAME}"):
            return
        found = unreal.EditorAssetLibrary.load_asset(f"{FOLDER}/{NAME}")
        if isinstance(found, unreal.EditorUtilityWidgetBlueprint):
            widget = service(unreal.EditorUtilitySubsystem).find_utility_widget_from_blueprint(found)
            if widget is not None:
                self._draw_in(widget)

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


def _blueprint() -> unreal.EditorUtilityWidgetBlueprint:
    path = f"{FOLDER}/{NAME}"
    if unreal.EditorAssetLibrary.does_asset_exist(path):
        found = unreal.EditorAssetLibrary.load_asset(path)
        if isinstance(found, unreal.EditorUtilityWidgetBlueprint):
            return found
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
    unreal.BlueprintEditorLibrary.compile_blueprint(made)
    unreal.EditorAssetLibrary.save_loaded_asset(made)
    return made
