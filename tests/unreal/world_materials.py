"""Materials as scripts build them: expressions and connections, refused where the editor would.

An input is found by the short name that its pin has (``UVs``, ``A``, ``Alpha``), of a custom expression by
the name it was given, and by an empty name the first; an output by its name or channel, and by an empty
name the first. What is not there is not connected, and ``False`` comes back.

Source of the names: pins in Epic's material expression reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import World

TWO, NONE, ONE = ("A", "B"), (), ("",)
INPUTS: dict[str, tuple[str, ...]] = {
    "Abs": ONE,
    "Add": TWO,
    "AppendVector": TWO,
    "Ceil": ONE,
    "Clamp": ("", "Min", "Max"),
    "ComponentMask": ONE,
    "Distance": TWO,
    "Divide": TWO,
    "DotProduct": TWO,
    "Floor": ONE,
    "Fmod": TWO,
    "Frac": ONE,
    "If": ("A", "B", "A > B", "A == B", "A < B"),
    "LinearInterpolate": ("A", "B", "Alpha"),
    "Max": TWO,
    "Min": TWO,
    "Multiply": TWO,
    "Normalize": ("VectorInput",),
    "OneMinus": ONE,
    "Power": ("Base", "Exp"),
    "Saturate": ONE,
    "SceneDepth": ("UV",),
    "SceneTexture": ("UVs",),
    "Step": ("Y", "X"),
    "Subtract": TWO,
    "TextureSample": ("UVs", "Tex", "Level"),
    "TextureSampleParameter2D": ("UVs", "Tex", "Level"),
    "Transform": ONE,
    "TransformPosition": ONE,
    "TruncateLWC": ONE,
}
"""By class, without ``MaterialExpression``; classes that are not here have no input."""

CHANNELS = ("R", "G", "B", "A")
OUTPUTS: dict[str, tuple[str, ...]] = {
    "SceneTexture": ("Color", "Size", "InvSize"),
    "ScreenPosition": ("ViewportUV", "PixelPosition"),
    "TextureSample": ("RGB", *CHANNELS, "RGBA"),
    "TextureSampleParameter2D": ("RGB", *CHANNELS, "RGBA"),
    "VectorParameter": CHANNELS,
    "Constant3Vector": CHANNELS[:3],
    "Constant4Vector": CHANNELS,
    "ViewSize": NONE,
    "VertexColor": CHANNELS,
}
KINDS = {"scalar": "ScalarParameter", "vector": "VectorParameter", "texture": "Texture"}


class Materials:
    """Behaviour of MaterialEditingLibrary and of material instances."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults: list[str] = []
        """Connections that were refused."""

        self.recompiled: list[Any] = []
        scripts = world.scripts
        scripts.behave("MaterialEditingLibrary", self)
        for kind in KINDS:
            name = f"get_{kind}_parameter_value"
            scripts.script(f"MaterialInstanceConstant.{name}", self._reader(kind))
            scripts.script(
                f"MaterialEditingLibrary.set_material_instance_{kind}_parameter_value", self._writer(kind)
            )
            scripts.script(
                f"MaterialEditingLibrary.get_material_instance_{kind}_parameter_value", self._reader(kind)
            )
        scripts.script("MaterialInterface.get_base_material", lambda material: self._base(material))

    def create_material_expression(self, material: Any, kind: type, x: int = 0, y: int = 0) -> Any:
        """Add an expression."""
        expression = kind(material)
        expression._feeds = {}
        self._expressions(material).append(expression)
        self._world.touch(material)
        return expression

    def delete_all_material_expressions(self, material: Any) -> None:
        """Begin anew."""
        material._expressions, material._ends = [], {}

    def get_num_material_expressions(self, material: Any) -> int:
        """Count them."""
        return len(self._expressions(material))

    def connect_material_expressions(self, source: Any, output: str, target: Any, entrance: str) -> bool:
        """Feed an input."""
        if not self._has_output(source, output) or not self._has_input(target, entrance):
            self.faults.append(f"{short(source)}.{output} → {short(target)}.{entrance}")
            return False
        target._feeds[entrance or self._inputs(target)[0]] = (source, output)
        return True

    def connect_material_property(self, source: Any, output: str, what: Any) -> bool:
        """Feed the material."""
        if not self._has_output(source, output):
            self.faults.append(f"{short(source)}.{output} → {what.name}")
            return False
        material = source._outer
        self._expressions(material)
        material._ends[what.name] = (source, output)
        return True

    def layout_material_expressions(self, material: Any) -> None:
        """Tidy up."""

    def recompile_material(self, material: Any) -> None:
        """Compile: what it leads to has to be complete."""
        self.recompiled.append(material)

    def set_material_usage(self, material: Any, usage: Any) -> Any:
        """Allow a use; returns whether it needs a recompile."""
        material._usages = [*getattr(material, "_usages", []), usage.name]
        return True

    def update_material_instance(self, instance: Any) -> None:
        """Have changes shown."""

    def set_material_instance_parent(self, instance: Any, parent: Any) -> None:
        """Derive an instance from a material."""
        self._world.level.put(instance, "parent", parent)
        self._world.touch(instance)

    def clear_all_material_instance_parameters(self, instance: Any) -> None:
        """Forget what was set."""
        self._world.change(instance, "_parameters", {})

    def get_scalar_parameter_names(self, material: Any) -> list[str]:
        """Return the names of numbers."""
        return self._names(material, "scalar")

    def get_vector_parameter_names(self, material: Any) -> list[str]:
        """Return the names of vectors."""
        return self._names(material, "vector")

    def get_texture_parameter_names(self, material: Any) -> list[str]:
        """Return the names of textures."""
        return self._names(material, "texture")

    def expressions(self, material: Any) -> list[Any]:
        """Return the expressions of a material, those of the parent for an instance."""
        return self._expressions(self._base(material))

    def scene_textures(self, material: Any) -> set[str]:
        """Return the names of the scene textures that the emissive colour comes from."""
        base = self._base(material)
        self._expressions(base)
        end = base._ends.get("MP_EMISSIVE_COLOR")
        waiting, found = [end[0]] if end else [], set()
        while waiting:
            expression = waiting.pop()
            if short(expression) == "SceneTexture":
                found.add(expression.get_editor_property("scene_texture_id").name)
            elif short(expression) == "SceneDepth":
                found.add("PPI_SCENE_DEPTH")
            waiting += [source for source, _ in expression._feeds.values()]
        return found

    def unfed(self, material: Any) -> list[str]:
        """Return inputs of custom expressions that nothing feeds: such a material does not compile."""
        return [
            name
            for expression in self.expressions(material)
            if short(expression) == "Custom"
            for name in self._inputs(expression)
            if name not in expression._feeds
        ]

    def value(self, instance: Any, name: str) -> Any:
        """Return what a parameter of an instance was set to; ``None`` if it was not."""
        return getattr(instance, "_parameters", {}).get(name)

    def _expressions(self, material: Any) -> list[Any]:
        if not hasattr(material, "_expressions"):
            material._expressions, material._ends = [], {}
        return material._expressions  # type: ignore[no-any-return]

    def _base(self, material: Any) -> Any:
        while (parent := material._values.get("parent")) is not None:
            material = parent
        return material

    def _inputs(self, expression: Any) -> tuple[str, ...]:
        if short(expression) == "Custom":
            return tuple(
                str(one.get_editor_property("input_name")) for one in expression.get_editor_property("inputs")
            )
        return INPUTS.get(short(expression), NONE)

    def _has_input(self, expression: Any, name: str) -> bool:
        known = self._inputs(expression)
        return bool(known) if not name else name.lower() in (one.lower() for one in known)

    def _has_output(self, expression: Any, name: str) -> bool:
        return not name or name.lower() in (one.lower() for one in OUTPUTS.get(short(expression), NONE))

    def _names(self, material: Any, kind: str) -> list[str]:
        return [
            str(one.get_editor_property("parameter_name"))
            for one in self.expressions(material)
            if KINDS[kind] in short(one) and "Parameter" in short(one)
        ]

    def _reader(self, kind: str) -> Any:
        zeros = {
            "scalar": lambda: 0.0,
            "vector": lambda: self._world.unreal.LinearColor(),
            "texture": lambda: None,
        }

        def read(instance: Any, name: Any, *_: Any) -> Any:
            found = self.value(instance, str(name))
            return zeros[kind]() if found is None else found

        return read

    def _writer(self, kind: str) -> Any:
        def write(instance: Any, name: Any, value: Any, *_: Any) -> bool:
            base = self._base(instance)
            if base is instance or str(name) not in self._names(base, kind):
                return False
            parameters = dict(getattr(instance, "_parameters", {}))
            parameters[str(name)] = value.copy() if kind == "vector" else value
            self._world.change(instance, "_parameters", parameters)
            self._world.touch(instance)
            return True

        return write


def short(expression: Any) -> str:
    """Return an expression's class, without ``MaterialExpression``."""
    return type(expression).__name__.removeprefix("MaterialExpression")
