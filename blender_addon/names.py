# SPDX-License-Identifier: GPL-3.0-or-later
"""Number what the viewport shows by what the artist calls it: objects, their collections, materials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import bpy
import numpy as np

from ._bridge.protocol import MAX_NAMES, Named, Names, SceneObject
from .passes import Matte
from .ranks import Identity, Ranked, ranked_shares
from .viewport import Viewport

Item = TypeVar("Item", Named, SceneObject)

MOST_PARENTS = 16
"""Empties above an object, and what instances it, that stand for it."""


MOST_COLLECTIONS = 256
"""Of one object, those around its own included."""


class Naming:
    """Gives numbers to objects and materials as they are drawn.

    All instances of an object by the same instancer are one; datablocks are known by their pointers while
    this lives, which is as long as nothing of the file changes.
    """

    def __init__(self) -> None:
        self._collections, self._lying_in = _collections()
        self._objects: dict[tuple[int, int], int] = {}
        self._found: list[SceneObject] = []
        self._materials: dict[int, int] = {}
        self._named: list[Named] = []

    @property
    def objects(self) -> tuple[SceneObject, ...]:
        """The object with number n is the n-th."""
        return tuple(self._found)

    def object_number(self, instance: bpy.types.DepsgraphObjectInstance) -> int:
        """Return the number of an object that is drawn, from 1."""
        item = instance.object.original
        instancer = instance.parent.original if instance.is_instance else None
        if instancer == item:  # a curve's faces are an instance by the curve
            instancer = None
        key = item.as_pointer(), instancer.as_pointer() if instancer is not None else 0
        if key not in self._objects:
            self._found.append(self._described(item, instancer))
            self._objects[key] = len(self._found)
        return self._objects[key]

    def material_number(self, material: bpy.types.Material | None) -> int:
        """Return the number of a material, from 1; 0 for none."""
        if material is None:
            return 0
        material = material.original
        key = material.as_pointer()
        if key not in self._materials:
            self._named.append(Named(whole(material.name), library_of(material)))
            self._materials[key] = len(self._named)
        return self._materials[key]

    def names(self, objects: np.ndarray, materials: np.ndarray) -> Names:
        """Return the names that a frame holds.

        Args:
            objects: The place of each object's number among the names; 0 for none.
            materials: The same of materials.
        """
        return Names(
            tuple(item for number, item in enumerate(self._found, start=1) if objects[number]),
            self._collections,
            tuple(item for number, item in enumerate(self._named, start=1) if materials[number]),
        )

    @property
    def collections(self) -> tuple[Named, ...]:
        """The collection with number n is the n-th."""
        return self._collections

    @property
    def materials(self) -> tuple[Named, ...]:
        """The material with number n is the n-th."""
        return tuple(self._named)

    def _described(self, item: bpy.types.Object, instancer: bpy.types.Object | None) -> SceneObject:
        owners = [item, instancer] if instancer is not None else [item]
        within = [instancer] if instancer is not None else []
        for owner in owners:
            within += _empties_above(owner)
        numbers = sorted(set().union(*(self._lying_in.get(owner.as_pointer(), ()) for owner in owners)))
        return SceneObject(
            whole(item.name),
            library_of(item),
            tuple(dict.fromkeys(whole(owner.name) for owner in within[:MOST_PARENTS])),
            tuple(numbers[:MOST_COLLECTIONS]),
        )


def named_passes(viewport: Viewport, objects: Matte | None, materials: Matte | None) -> Identity:
    """Name what a render tells: by its name alone, so that linked things of one name are one."""
    naming = Naming()
    for instance in viewport.view_layer.depsgraph.object_instances:
        if instance.show_self and instance.object.type != "EMPTY":
            naming.object_number(instance)
            for slot in instance.object.material_slots:
                naming.material_number(slot.material)
    found, numbers_of_objects = _merged(naming.objects)
    kinds, numbers_of_materials = _merged(naming.materials)
    names = Names(found[:MAX_NAMES], naming.collections, kinds[:MAX_NAMES])
    return Identity(names, _numbered(objects, numbers_of_objects), _numbered(materials, numbers_of_materials))


def _merged(items: Sequence[Item]) -> tuple[tuple[Item, ...], dict[str, int]]:
    """Make things of one name one, which lies where any of them does; and return their numbers by name."""
    merged: dict[str, Item] = {}
    for item in items:
        known = merged.get(item.name)
        if known is None:
            merged[item.name] = item
        elif isinstance(known, SceneObject):
            merged[item.name] = replace(
                known,
                within=tuple(dict.fromkeys((*known.within, *item.within))),
                collections=tuple(sorted({*known.collections, *item.collections})),
            )
    return tuple(merged.values()), {name: number for number, name in enumerate(merged, start=1)}


def _numbered(matte: Matte | None, numbers: dict[str, int]) -> Ranked | None:
    """Replace hashes by the numbers of their names."""
    if matte is None:
        return None
    hashes, index = np.unique(matte.hashes, return_inverse=True)
    found = np.array([numbers.get(matte.names.get(value, ""), 0) for value in hashes.tolist()])
    return ranked_shares(
        np.where(found > MAX_NAMES, 0, found)[index].reshape(matte.hashes.shape), matte.shares
    )


def whole(name: str) -> str:
    """Return a name without the half characters that an old file may hold, which no message can."""
    return name.encode("utf-8", "replace").decode("utf-8")


def library_of(item: bpy.types.ID) -> str:
    """Return the name of the file that a datablock is linked from; empty for one of this file."""
    return whole(item.library.name) if item.library is not None else ""


def _empties_above(item: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the empties that hold an object: artists take them for the thing itself."""
    found = []
    while item.parent is not None and len(found) < MOST_PARENTS:
        item = item.parent
        if item.type == "EMPTY":
            found.append(item)
    return found


def _collections() -> tuple[tuple[Named, ...], dict[int, set[int]]]:
    """Return the collections, and by an object's pointer the numbers of those it lies in, parents too."""
    everything = list(bpy.data.collections)[:MAX_NAMES]
    number_of = {collection.as_pointer(): number for number, collection in enumerate(everything, start=1)}
    lying_in: dict[int, set[int]] = {}
    for collection in everything:
        number = number_of[collection.as_pointer()]
        for item in collection.all_objects:
            lying_in.setdefault(item.as_pointer(), set()).add(number)
    named = tuple(Named(whole(each.name), library_of(each)) for each in everything)
    return named, lying_in
