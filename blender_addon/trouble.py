# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says of the connection, and of what went wrong."""

import bpy

from ._bridge.errors import Problem
from ._bridge.host.words import sentence
from .drawing import draw_text
from .preferences import may_go_online, starts_daemon
from .studio import studio

CONNECTION_CODES = frozenset(
    [
        "bad_address",
        "bad_arguments",
        "bad_runtime_file",
        "connection_lost",
        "daemon_failed",
        "daemon_not_found",
        "not_allowed",
        "not_framebridge",
        "offline",
        "taken_over",
        "timeout",
        "unsafe_runtime_file",
        "unsupported_protocol",
    ]
)
"""Problems that another attempt, or the preferences, may mend."""


def draw_state(layout: bpy.types.UILayout) -> None:
    """Draw how the connection stands."""
    link = studio().link
    row = layout.row()
    icon = "CHECKMARK" if link.can_paint else "UNLINKED" if link.session is None else "TIME"
    row.label(text=studio().link.words, icon=icon)
    if link.session is None or link.is_hopeless:
        row.operator("framebridge.connect", text="Connect")


def draw_trouble(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draw the last fault and what to do, else what is worth knowing."""
    problem = studio().trouble
    if problem is not None and _is_asleep(problem):
        draw_text(layout, context, "A picture or Live starts it.", "INFO")
    elif problem is not None:
        box = layout.box()
        box.alert = True
        draw_text(box, context, sentence(Problem(problem.code, problem.message)), "ERROR")
        if problem.hint:
            draw_text(box, context, problem.hint)
        row = box.row(align=True)
        if problem.code in CONNECTION_CODES:
            row.operator(
                "framebridge.connect", text="Start" if problem.code == "connection_lost" else "Try Again"
            )
            row.operator("preferences.addon_show", text="Preferences").module = __package__
        row.operator("framebridge.diagnose")
        if problem != studio().link.trouble:
            row.operator("framebridge.dismiss", text="", icon="X")
    elif studio().notice:
        draw_text(layout, context, studio().notice, "INFO")
    elif not may_go_online() and studio().link.session is None:
        draw_text(layout, context, "Online Access is off: a daemon on this machine (loopback) needs none.")


def _is_asleep(problem: Problem) -> bool:
    """Tell whether a problem is only that no daemon has been needed yet."""
    link = studio().link
    return (
        problem.code == "connection_lost"
        and problem == link.trouble
        and not link.has_connected
        and starts_daemon()
    )
