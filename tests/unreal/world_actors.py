"""Methods of actors and their components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import World


class ActorCalls:
    """Methods of Actor."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _root(self, actor: Any) -> Any:
        return actor._values["root_component"]

    def get_actor_label(self, actor: Any, create_if_none: bool = True) -> str:
        return str(actor._label)

    def set_actor_label(self, actor: Any, label: str, mark_dirty: bool = True) -> None:
        self._world.change(actor, "_label", label)
        if mark_dirty:
            self._world.touch(actor)

    def get_folder_path(self, actor: Any) -> Any:
        return self._world.unreal.Name(actor._folder or "None")

    def set_folder_path(self, actor: Any, path: Any) -> None:
        self._world.change(actor, "_folder", str(path))
        self._world.touch(actor)

    def get_actor_location(self, actor: Any) -> Any:
        return self._root(actor)._values["relative_location"].copy()

    def get_actor_rotation(self, actor: Any) -> Any:
        return self._root(actor)._values["relative_rotation"].copy()

    def get_actor_scale3d(self, actor: Any) -> Any:
        return self._root(actor)._values["relative_scale3d"].copy()

    def get_actor_transform(self, actor: Any) -> Any:
        return self._world.maths.transform(
            self.get_actor_location(actor), self.get_actor_rotation(actor), self.get_actor_scale3d(actor)
        )

    def set_actor_location(self, actor: Any, location: Any, sweep: bool, teleport: bool) -> None:
        self._put(actor, "relative_location", location)

    def set_actor_rotation(self, actor: Any, rotation: Any, teleport: bool) -> bool:
        self._put(actor, "relative_rotation", rotation)
        return True

    def set_actor_location_and_rotation(
        self, actor: Any, location: Any, rotation: Any, sweep: bool, teleport: bool
    ) -> None:
        self._put(actor, "relative_location", location)
        self._put(actor, "relative_rotation", rotation)

    def set_actor_scale3d(self, actor: Any, scale: Any) -> None:
        self._put(actor, "relative_scale3d", scale)

    def set_actor_transform(self, actor: Any, transform: Any, sweep: bool, teleport: bool) -> None:
        self._put(actor, "relative_location", transform.translation)
        self._put(actor, "relative_rotation", self._world.maths.rotator(transform.rotation))
        self._put(actor, "relative_scale3d", transform.scale3d)

    def get_components_by_class(self, actor: Any, kind: type) -> list[Any]:
        return [component for component in actor._components if isinstance(component, kind)]

    def get_component_by_class(self, actor: Any, kind: type) -> Any:
        return next(iter(self.get_components_by_class(actor, kind)), None)

    def is_temporarily_hidden_in_editor(self, actor: Any, include_parent: bool = False) -> bool:
        return bool(actor._is_hidden_ed)

    def set_is_temporarily_hidden_in_editor(self, actor: Any, is_hidden: bool) -> None:
        self._world.change(actor, "_is_hidden_ed", is_hidden)

    def is_hidden_ed(self, actor: Any) -> bool:
        return bool(actor._is_hidden_ed)

    def set_actor_hidden_in_game(self, actor: Any, hidden: bool) -> None:
        self._world.level.put(actor, "hidden", hidden)

    def get_actor_bounds(self, actor: Any, only_colliding: bool, include_children: bool = False) -> Any:
        least, most = self._world.level.bounds(actor)
        vector = self._world.maths.vector
        return vector(((least + most) / 2).tolist()), vector(((most - least) / 2).tolist())

    def actor_has_tag(self, actor: Any, tag: Any) -> bool:
        return tag in actor.tags

    def get_level(self, actor: Any) -> Any:
        return actor._outer

    def get_attach_parent_actor(self, actor: Any) -> None:
        return None

    def destroy_actor(self, actor: Any) -> None:
        self._world.level.remove(actor)

    def _put(self, actor: Any, name: str, value: Any) -> None:
        self._world.level.put(self._root(actor), name, value.copy())
        self._world.touch(actor)


class ComponentCalls:
    """Methods of SceneComponent; all of an actor's are where the actor is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._actors = ActorCalls(world)

    def get_world_location(self, component: Any) -> Any:
        return self._actors.get_actor_location(component._outer)

    def get_world_rotation(self, component: Any) -> Any:
        return self._actors.get_actor_rotation(component._outer)

    def get_world_scale(self, component: Any) -> Any:
        return self._actors.get_actor_scale3d(component._outer)

    def get_world_transform(self, component: Any) -> Any:
        return self._actors.get_actor_transform(component._outer)

    def set_world_transform(self, component: Any, transform: Any, sweep: bool, teleport: bool) -> None:
        self._actors.set_actor_transform(component._outer, transform, sweep, teleport)

    def set_world_location_and_rotation(
        self, component: Any, location: Any, rotation: Any, sweep: bool, teleport: bool
    ) -> None:
        self._actors.set_actor_location_and_rotation(component._outer, location, rotation, sweep, teleport)

    def is_visible(self, component: Any) -> bool:
        return bool(component._values.get("visible", True))

    def set_visibility(self, component: Any, is_visible: bool, propagate_to_children: bool = False) -> None:
        self._world.level.put(component, "visible", is_visible)


class PrimitiveCalls:
    """Methods of PrimitiveComponent."""

    def __init__(self, world: World) -> None:
        self._world = world

    def set_render_custom_depth(self, component: Any, value: bool) -> None:
        self._world.level.put(component, "render_custom_depth", value)

    def set_custom_depth_stencil_value(self, component: Any, value: int) -> None:
        self._world.level.put(component, "custom_depth_stencil_value", min(max(value, 0), 255))

    def set_material(self, component: Any, element_index: int, material: Any) -> None:
        found = list(component._values.get("override_materials") or [])
        found += [None] * (element_index + 1 - len(found))
        found[element_index] = material
        kind = self._world.unreal.convert("Array[MaterialInterface]", found, "set_material")
        self._world.level.put(component, "override_materials", kind)
        self._world.touch(component)

    def get_material(self, component: Any, element_index: int) -> Any:
        found = component._values.get("override_materials") or []
        return found[element_index] if element_index < len(found) else None

    def get_num_materials(self, component: Any) -> int:
        return 1
