"""The menu in the editor's menu bar, and the button in its toolbar."""

from __future__ import annotations

from collections.abc import Sequence

import unreal

from ..core.items import Action

OWNER = "Framebridge"
MENU_BAR = "LevelEditor.MainMenu"
TOOL_BAR = "LevelEditor.LevelEditorToolBar.User"
SECTION = "Framebridge"
TIP = "See the level through a diffusion model"


def register(actions: Sequence[Action]) -> None:
    """Add the menu and the button; what we had added before goes."""
    unregister()
    menus = unreal.ToolMenus.get()
    bar = menus.extend_menu(MENU_BAR)
    menu = bar.add_sub_menu(OWNER, "", OWNER, OWNER, TIP)
    menu.add_section(SECTION, OWNER)
    for action in actions:
        menu.add_menu_entry(SECTION, _entry(action, unreal.MultiBlockType.MENU_ENTRY))
    tools = menus.extend_menu(TOOL_BAR)
    tools.add_section(SECTION, OWNER)
    opening = Action(actions[0].name, OWNER, actions[0].help)
    tools.add_menu_entry(SECTION, _entry(opening, unreal.MultiBlockType.TOOL_BAR_BUTTON))
    menus.refresh_all_widgets()


def unregister() -> None:
    """Take away all that is ours."""
    menus = unreal.ToolMenus.get()
    menus.unregister_owner_by_name(OWNER)
    menus.refresh_all_widgets()


def _entry(action: Action, kind: unreal.MultiBlockType) -> unreal.ToolMenuEntry:
    entry = unreal.ToolMenuEntry(
        name=f"{OWNER}_{action.name}", owner=unreal.ToolMenuOwner(name=OWNER), type=kind
    )
    entry.set_label(action.label)
    entry.set_tool_tip(action.help)
    command = f"import framebridge_unreal; framebridge_unreal.do({action.name!r})"
    entry.set_string_command(unreal.ToolMenuStringCommandType.PYTHON, "", command)
    return entry
