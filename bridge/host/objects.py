"""Prompts of single objects: what the list in the panel says, as presets take it."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BridgeError
from ..protocol import Binding, read_bindings, write_bindings
from .preset import OBJECTS, SELECTION, Preset
from .recipe import Recipe

KINDS = (
    (
        "object",
        "Object",
        "One object, with all its instances; an empty stands for what it instances or holds",
    ),
    ("collection", "Collection", "All objects of a collection, and of those in it"),
    ("material", "Material", "Every surface that has this material"),
)
"""Value, label and help of what may be bound."""

PAINTS = (
    ("with", "Together", "Repaint it together with everything else"),
    (
        "only",
        "Only This",
        "Keep everything as it was captured but what says so; its pixels stay exactly the same",
    ),
    ("keep", "Keep", "Keep this as it was captured; its pixels stay exactly the same"),
)
"""Value, label and help of what is done with what is bound."""

TINTS = (
    (230, 80, 60), (60, 150, 230), (90, 190, 80), (230, 180, 50),
    (170, 90, 210), (50, 190, 190), (240, 130, 180), (150, 120, 90),
)  # fmt: skip
"""Colours that tell bindings apart in the preview of their masks: u8, sRGB."""


def wants_objects(preset: Preset) -> bool:
    """Tell whether a preset takes prompts of single objects."""
    return preset.find(OBJECTS) is not None


def with_objects(
    recipe: Recipe, preset: Preset, bindings: Sequence[Binding] | None, selection: Sequence[Binding]
) -> Recipe:
    """Return a recipe that says what the scene's objects are to become, where its preset asks for it.

    Args:
        recipe: What the panel asks for besides.
        preset: Of the recipe.
        bindings: Of the list in the panel; ``None`` where the recipe has them as a text already.
        selection: The objects that are selected.

    Raises:
        BridgeError: ``no_selection`` if the preset repaints what is selected, and nothing is.
    """
    if preset.find(SELECTION) is not None:
        if not selection:
            raise BridgeError(
                f'"{preset.title}" works on what is selected, and nothing is',
                code="no_selection",
                hint="Select one or more objects that the view shows.",
            )
        recipe = recipe.with_values(**{SELECTION: write_bindings(selection)})
    if bindings is None or not wants_objects(preset):
        return recipe
    return recipe.with_values(**{OBJECTS: write_bindings(bindings)})


def name_in_lines(kind: str, name: str) -> str:
    """Return a name as lines have it: with its kind, and in quotes where it holds what means something."""
    needs_quotes = any(mark in name for mark in "*?,:/") or name != name.strip()
    plain = f'"{name}"' if needs_quotes and '"' not in name else name
    return plain if kind == "object" else f"{kind}/{plain}"


def with_line(text: str, name: str, prompt: str) -> str:
    """Return lines of bindings with one more.

    Args:
        text: The lines so far.
        name: What ``name_in_lines`` gives.
        prompt: What it should look like.
    """
    return "\n".join(filter(None, (text.rstrip(), f"{name}: {prompt.strip() or name}")))


def bindings_of(recipe: Recipe) -> tuple[Binding, ...]:
    """Return all that a recipe says of single objects.

    Raises:
        BridgeError: ``bad_objects``.
    """
    texts = (recipe.values.get(name, "") for name in (OBJECTS, SELECTION))
    return tuple(binding for text in texts for binding in read_bindings(str(text)))


def named_kinds(recipe: Recipe) -> frozenset[str]:
    """Return what a capture must tell by name for a recipe: ``object``, ``material``, or both."""
    return frozenset(
        "material" if binding.kind == "material" else "object" for binding in bindings_of(recipe)
    )
