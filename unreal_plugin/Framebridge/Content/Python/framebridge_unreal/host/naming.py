"""What the level calls its actors, their folders and materials; and the actors that prompts are bound to."""

from __future__ import annotations

from collections.abc import Sequence

import unreal

from .._bridge.errors import BridgeError
from .._bridge.protocol import Binding, Named, Names, SceneObject, select
from .level import actors, primitives_of
from .numbering import MOST

LISTED = 2048
"""Names that are told though they are not bound, so that the daemon can offer the nearest."""

NO_FOLDER = "None"
"""What the engine calls the folder of an actor that lies in none."""


def level_names() -> Names:
    """Return the names of the level's actors that can be seen, their folders, and their materials."""
    return _Level().names


def bound_actors(bindings: Sequence[Binding]) -> tuple[list[unreal.Actor], Names]:
    """Return the actors that bindings are about, and the names of a frame that numbers them 1, 2, 3 …

    Raises:
        BridgeError: ``too_many_actors``.
    """
    level = _Level()
    numbers = sorted({number for each in bindings for number in _meant(level.names, each)})
    if len(numbers) > MOST:
        raise BridgeError(
            f"prompts are bound to {len(numbers)} actors; masks tell {MOST} apart",
            code="too_many_actors",
            hint="Bind them to fewer: name actors rather than folders and materials.",
        )
    others = [number for number in range(1, len(level.actors) + 1) if number not in set(numbers)]
    described = [level.names.objects[number - 1] for number in (*numbers, *others[:LISTED])]
    names = Names(tuple(described), level.names.collections, level.names.materials)
    return [level.actors[number - 1] for number in numbers], names


def _meant(names: Names, binding: Binding) -> frozenset[int]:
    found = select(names, binding)
    if found.kind == "object":
        return found.numbers
    return frozenset(
        number for number, item in enumerate(names.objects, start=1) if found.numbers & {*item.materials}
    )


class _Level:
    """The actors that can be seen, and what they are called.

    Attributes:
        actors: In the engine's order.
        names: Of the same, in the same order.
    """

    def __init__(self) -> None:
        self.actors: list[unreal.Actor] = []
        self._folders: dict[str, int] = {}
        self._materials: dict[str, int] = {}
        described = []
        for actor in actors():
            primitives = primitives_of(actor)
            if primitives:
                self.actors.append(actor)
                described.append(self._described(actor, primitives))
        folders, materials = (tuple(map(Named, known)) for known in (self._folders, self._materials))
        self.names = Names(tuple(described), folders, materials)

    def _described(self, actor: unreal.Actor, primitives: Sequence[unreal.PrimitiveComponent]) -> SceneObject:
        folders = [_number(self._folders, path) for path in _paths(str(actor.get_folder_path()))]
        used = [_number(self._materials, name) for each in primitives for name in _materials_of(each)]
        within = tuple(
            str(parent.get_actor_label()) for parent in _parents(actor) if not primitives_of(parent)
        )
        label = str(actor.get_actor_label())
        return SceneObject(label, "", within, tuple(folders), tuple(dict.fromkeys(used)))


def _number(known: dict[str, int], name: str) -> int:
    return known.setdefault(name, len(known) + 1)


def _paths(folder: str) -> list[str]:
    """Return a folder of the outliner and those around it: ``Cars``, ``Cars/Old``."""
    parts = [] if folder in ("", NO_FOLDER) else folder.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _materials_of(component: unreal.PrimitiveComponent) -> list[str]:
    found = (component.get_material(slot) for slot in range(component.get_num_materials()))
    return [str(material.get_name()) for material in found if material is not None]


def _parents(actor: unreal.Actor) -> list[unreal.Actor]:
    found: list[unreal.Actor] = []
    parent = actor.get_attach_parent_actor()
    while parent is not None and len(found) < 16:
        found.append(parent)
        parent = parent.get_attach_parent_actor()
    return found
