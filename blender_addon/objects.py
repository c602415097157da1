# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts of single objects, as a scene keeps them: by pointer, so that they follow a new name."""

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty

from ._bridge.errors import BridgeError
from ._bridge.host.objects import KINDS, PAINTS, TINTS, bindings_of
from ._bridge.host.recipe import Recipe
from ._bridge.protocol import Binding, select
from .names import library_of, whole
from .ranks import Identity

SHOWN = frozenset({"MESH", "CURVE", "SURFACE", "FONT", "META", "EMPTY"})
"""Types of objects that a mask can be made of: what has a surface, and empties for what they hold."""


def _note_name(bound: "Bound", _: bpy.types.Context) -> None:
    """Keep the name of what was chosen, to tell of what is missing once it is gone."""
    item = bound.item
    if item is not None:
        bound.label = item.name


class Bound(bpy.types.PropertyGroup):
    """What is asked for of an object, a collection or a material."""

    is_used: BoolProperty(name="Use", description="Whether this counts", default=True)
    kind: EnumProperty(name="Kind", description="What the prompt is for", items=KINDS)
    object: PointerProperty(
        name="Object",
        description="The object; an empty stands for what it instances or holds",
        type=bpy.types.Object,
        poll=lambda _, item: item.type in SHOWN,
        update=_note_name,
    )
    collection: PointerProperty(
        name="Collection",
        description="All objects in it, and in the collections within it",
        type=bpy.types.Collection,
        update=_note_name,
    )
    material: PointerProperty(
        name="Material",
        description="Every surface that has it",
        type=bpy.types.Material,
        update=_note_name,
    )
    label: StringProperty(options={"HIDDEN"})
    prompt: StringProperty(
        name="Prompt", description="What it should look like; empty for the prompt of the whole picture"
    )
    control: FloatProperty(
        name="Control",
        description="What the weight of every control unit is multiplied by there: "
        "less lets the prompt change the shape, 0 lets go of it",
        default=1.0,
        min=0.0,
        max=2.0,
        step=5,
    )
    paint: EnumProperty(name="Repaint", description="What of the picture changes", items=PAINTS)

    @property
    def item(self) -> bpy.types.ID | None:
        """What is chosen, if it still is in the file."""
        item = getattr(self, self.kind)
        # A deleted object stays in the file for as long as we point at it, outside of all collections.
        is_gone = self.kind == "object" and item is not None and not item.users_collection
        return None if is_gone else item

    @property
    def title(self) -> str:
        """What to call it in a list: its name of now, or else that it had."""
        return self.item.name if self.item is not None else self.label

    def binding(self) -> Binding | None:
        """Return it as it travels; nothing if nothing is chosen. What is missing goes by its last name."""
        name, item = self.title, self.item
        if name != self.label:  # it was renamed since
            self.label = name
        if not name or not self.is_used:
            return None
        library = library_of(item) if item is not None else ""
        control = float(f"{self.control:.4g}")
        return Binding(self.kind, whole(name), self.prompt.strip(), library, control, self.paint)


def bindings_in(scene: bpy.types.Scene) -> list[Binding]:
    """Return what a scene asks for of single objects, in the order of precedence."""
    found = (bound.binding() for bound in scene.framebridge.objects)
    return [binding for binding in found if binding is not None]


def selected_in(scene: bpy.types.Scene) -> list[Binding]:
    """Return the selected objects of a scene, each to be repainted alone."""
    layer = bpy.context.view_layer if bpy.context.scene == scene else scene.view_layers[0]
    return [
        Binding("object", whole(item.name), library=library_of(item), paint="only")
        for item in layer.objects.selected
        if item.type in SHOWN
    ]


def add(scene: bpy.types.Scene, item: bpy.types.ID | None, kind: str = "object") -> Bound:
    """Add a line to the list, and go to it."""
    settings = scene.framebridge
    bound = settings.objects.add()
    bound.kind = kind
    if item is not None:
        setattr(bound, kind, item)
    settings.objects_index = len(settings.objects) - 1
    return bound


def restore(scene: bpy.types.Scene, recipe: Recipe) -> None:
    """Set the list to what a recipe says, in front of the lines that it has not, which are not used then.

    What is not in the file any more is kept by its name.
    """
    try:
        bindings = bindings_of(recipe)
    except BridgeError:  # a preset's text that a program has written: there is no list of it
        return
    everything = {
        "object": bpy.data.objects,
        "collection": bpy.data.collections,
        "material": bpy.data.materials,
    }
    lines = scene.framebridge.objects
    for place in reversed(range(len(lines))):
        if _is_replaced(lines[place], bindings):
            lines.remove(place)
        else:
            lines[place].is_used = False
    for place, binding in enumerate(bindings):
        fitting = (item for item in everything[binding.kind] if item.name == binding.name)
        found = next((item for item in fitting if library_of(item) == binding.library), None)
        bound = add(scene, found, binding.kind)
        bound.label, bound.prompt = binding.name, binding.prompt
        bound.control, bound.paint = binding.control, binding.paint
        lines.move(len(lines) - 1, place)
    scene.framebridge.objects_index = 0


def tinted(identity: Identity, bindings: list[Binding]) -> np.ndarray:
    """Return a picture of what each binding covers, uint8 (H, W, 4), straight alpha, rows downwards."""
    ranked = identity.objects or identity.materials
    shape = ranked.numbers.shape[:2]
    color, left = np.zeros((*shape, 3), np.float32), np.ones(shape, np.float32)
    for place, binding in enumerate(bindings):
        share = np.minimum(_share(identity, binding), left)
        left -= share
        color += share[..., None] * np.array(TINTS[place % len(TINTS)], np.float32)
    alpha = 1.0 - left
    color /= np.maximum(alpha, 1e-3)[..., None]
    picture = np.concatenate([color, 0.75 * 255.0 * alpha[..., None]], axis=-1)
    return np.rint(np.clip(picture, 0.0, 255.0)).astype(np.uint8)


def _is_replaced(bound: Bound, bindings: tuple[Binding, ...]) -> bool:
    """Tell whether a line counted for what one of these is for, or says the same."""
    what = bound.kind, whole(bound.title)
    prompts = [binding.prompt for binding in bindings if (binding.kind, binding.name) == what]
    return bool(prompts) if bound.is_used else bound.prompt.strip() in prompts


def _share(identity: Identity, binding: Binding) -> np.ndarray:
    """Return a binding's share of each pixel, float32 (H, W)."""
    ranked = identity.materials if binding.kind == "material" else identity.objects
    wanted = np.isin(ranked.numbers, [*select(identity.names, binding).numbers])
    return (wanted * ranked.shares).sum(-1, dtype=np.float32) / np.float32(255)
