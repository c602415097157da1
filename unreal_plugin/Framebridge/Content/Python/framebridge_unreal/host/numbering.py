"""Number actors for the length of a capture, with the custom stencil; what they had before comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import unreal

from .._bridge.errors import BridgeError
from .level import actors, open_world, primitives_of, selected_actors

MOST = 255
"""A stencil has 8 bits, and 0 is for the rest."""

_SWITCH, WITH_STENCIL = "r.CustomDepth", 3
"""The project's "Custom Depth-Stencil Pass", as a console variable."""

_NAMES = ("render_custom_depth", "custom_depth_stencil_value")


def chosen() -> list[unreal.Actor]:
    """Return the selected actors.

    Raises:
        BridgeError: ``no_selection`` or ``too_many_actors``.
    """
    found = selected_actors()
    if not found:
        raise BridgeError(
            "no actor is selected for the masks",
            code="no_selection",
            hint="Select actors in the level, or turn Actor Masks off.",
        )
    if len(found) > MOST:
        raise BridgeError(
            f"{len(found)} actors are selected; masks tell {MOST} apart",
            code="too_many_actors",
            hint="Select fewer actors.",
        )
    return found


@contextmanager
def numbered(found: Sequence[unreal.Actor]) -> Iterator[None]:
    """Give actors the numbers 1, 2, 3 … and all others none, and put everything back."""
    with ExitStack() as undo:
        _switch_on(undo)
        numbers = {actor.get_path_name(): number for number, actor in enumerate(found, start=1)}
        for actor in actors():
            number = numbers.get(actor.get_path_name())
            for component in primitives_of(actor):
                if number is not None or component.get_editor_property("render_custom_depth"):
                    _number(component, number, undo)
        yield


def _switch_on(undo: ExitStack) -> None:
    """Have stencils drawn, which projects do not by default."""
    former = int(unreal.SystemLibrary.get_console_variable_int_value(_SWITCH))
    if former != WITH_STENCIL:
        world = open_world()
        undo.callback(unreal.SystemLibrary.execute_console_command, world, f"{_SWITCH} {former}")
        unreal.SystemLibrary.execute_console_command(world, f"{_SWITCH} {WITH_STENCIL}")


def _number(component: unreal.PrimitiveComponent, number: int | None, undo: ExitStack) -> None:
    for name in _NAMES:
        undo.callback(_set, component, name, component.get_editor_property(name))
    component.set_render_custom_depth(number is not None)
    component.set_custom_depth_stencil_value(number or 0)


def _set(component: unreal.PrimitiveComponent, name: str, value: object) -> None:
    if name == "render_custom_depth":
        component.set_render_custom_depth(bool(value))
    elif isinstance(value, int):
        component.set_custom_depth_stencil_value(value)
