"""The level: actors and their components, selection, the viewport, and the subsystems that know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .fake_objects import destroy, revive
from .raycast import HALF, turned
from .world_maths import angles, parts

if TYPE_CHECKING:
    from .world import World

COMPONENTS = {
    "SceneCapture2D": (("capture_component2d", "SceneCaptureComponent2D"),),
    "CineCameraActor": (("camera_component", "CineCameraComponent"),),
    "CameraActor": (("camera_component", "CameraComponent"),),
    "StaticMeshActor": (("static_mesh_component", "StaticMeshComponent"),),
    "DecalActor": (("decal", "DecalComponent"),),
    "PostProcessVolume": (("brush_component", "BrushComponent"),),
}
"""Components that actors of a class are made with: property, class."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "SceneComponent": {"visible": True, "relative_scale3d": (1.0, 1.0, 1.0)},
    "SceneCaptureComponent2D": {"fov_angle": 90.0, "capture_every_frame": True, "capture_on_movement": True},
    "CameraComponent": {"field_of_view": 90.0, "aspect_ratio": 16 / 9, "ortho_width": 1536.0},
    "PostProcessVolume": {"enabled": True, "blend_weight": 1.0},
}
"""What properties have that no test has set yet, where that is not nothing."""


class LevelCalls:
    """Behaviour of actors, components and the subsystems of the level."""

    def __init__(self, world: World) -> None:
        self.world, self.unreal = world, world.unreal
        scripts = world.scripts
        scripts.behave("Actor", ActorCalls(world))
        scripts.behave("SceneComponent", ComponentCalls(world))
        scripts.behave("PrimitiveComponent", PrimitiveCalls(world))
        scripts.behave("EditorActorSubsystem", ActorSubsystem(world))
        scripts.behave("UnrealEditorSubsystem", EditorSubsystem(world))
        scripts.behave("LevelEditorSubsystem", LevelSubsystem(world))
        scripts.behave("SystemLibrary", SystemCalls(world))
        scripts.behave("Paths", PathCalls(world))
        scripts.behave("EditorDialog", DialogCalls(world))
        scripts.computed("CineCameraComponent.field_of_view", _cine_angle)
        scripts.script("ActorComponent.get_owner", lambda component: component._outer)
        scripts.script("StaticMeshComponent.get_local_bounds", self._local_bounds)
        scripts.script("MeshComponent.set_overlay_material", self._set_overlay)
        scripts.script(
            "MeshComponent.get_overlay_material", lambda mesh: mesh._values.get("overlay_material")
        )
        scripts.script("DecalActor.set_decal_material", self._set_decal_material)
        scripts.script(
            "DecalActor.get_decal_material", lambda actor: actor.decal._values.get("decal_material")
        )
        scripts.script("DecalComponent.set_decal_material", self._set_decal_on_component)
        scripts.script(
            "DecalComponent.get_decal_material", lambda component: component._values.get("decal_material")
        )

    def furnish(self) -> None:
        """Put a checkered ground, a sphere, a box, a light and a camera into the level."""
        ground = self._mesh("Ground", "Plane", (0, 0, 0), (10, 10, 1), (0.8, 0.8, 0.8))
        ground.static_mesh_component._is_checkered = True
        self._mesh("Ball", "Sphere", (0, 100, 50), (1, 1, 1), (0.9, 0.2, 0.2))
        self._mesh("Box", "Cube", (100, -100, 50), (1, 1, 1), (0.2, 0.2, 0.9), (0, 0, 30))
        self.add(self.unreal.CameraActor, "Camera", (-300, 0, 120), (0, -10, 0))

    def add(
        self,
        kind: type,
        label: str,
        location: Sequence[float],
        rotation: Sequence[float] = (0, 0, 0),
        scale: Sequence[float] = (1, 1, 1),
    ) -> Any:
        """Make an actor with its components, in the level that is open."""
        actor = kind(self.world.persistent_level)
        actor._components, actor._label, actor._folder = [], label, ""
        actor._is_hidden_ed = actor._is_transient = False
        _defaults(actor)
        for base in kind.__mro__:
            for name, component_kind in COMPONENTS.get(base.__name__, ()):
                component = self._component(actor, component_kind, name)
                actor._values[name] = component
                if base.__name__ == "CineCameraActor":
                    actor._values["cine_camera_component"] = component
            if actor._components:
                break
        if not actor._components:
            self._component(actor, "SceneComponent", "Root")
        actor._values["root_component"] = root = actor._components[0]
        root._values |= {
            "relative_location": self.unreal.Vector(*map(float, location)),
            "relative_rotation": self.unreal.Rotator(*map(float, rotation)),
            "relative_scale3d": self.unreal.Vector(*map(float, scale)),
        }
        self.world.actors.append(actor)
        return actor

    def remove(self, actor: Any) -> None:
        """Destroy an actor, so that Undo brings it back."""
        world = self.world
        place, was_selected = world.actors.index(actor), actor in world.selected

        def back() -> None:
            for one in (actor, *actor._components):
                revive(one)
            world.actors.insert(place, actor)
            if was_selected:
                world.selected.append(actor)

        world.touch(actor)
        world.journal(back)
        world.actors.remove(actor)
        world.selected = [one for one in world.selected if one is not actor]
        for one in (actor, *actor._components):
            destroy(one)

    def close(self) -> None:
        """Leave the level: its actors are no more."""
        for actor in list(self.world.actors):
            for one in (actor, *actor._components):
                destroy(one)
        self.world.actors.clear()
        self.world.selected.clear()
        if hasattr(self.world, "editor_world"):
            destroy(self.world.editor_world)
            destroy(self.world.persistent_level)

    def bounds(self, actor: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the corners of the box in the world that holds an actor's meshes."""
        corners = []
        for component in actor._components:
            mesh = component._values.get("static_mesh")
            if mesh is not None:
                half = np.array([HALF, HALF, 0.0 if mesh.get_name() == "Plane" else HALF])
                signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
                root = actor._values["root_component"]._values
                scaled = signs * half * parts(root["relative_scale3d"])
                corners.append(
                    scaled @ turned(angles(root["relative_rotation"])).T + parts(root["relative_location"])
                )
        if not corners:
            place = np.array(parts(actor._values["root_component"]._values["relative_location"]))
            return place, place
        everything = np.concatenate(corners)
        return everything.min(axis=0), everything.max(axis=0)

    def _mesh(
        self,
        label: str,
        mesh: str,
        location: Sequence[float],
        scale: Sequence[float],
        color: Sequence[float],
        rotation: Sequence[float] = (0, 0, 0),
    ) -> Any:
        actor = self.add(self.unreal.StaticMeshActor, label, location, rotation, scale)
        component = actor.static_mesh_component
        component._values["static_mesh"] = self.world.assets.find(f"/Engine/BasicShapes/{mesh}")
        component._color = tuple(color)
        return actor

    def _component(self, actor: Any, kind: str, name: str) -> Any:
        component = getattr(self.unreal, kind)(actor, name)
        component._color, component._is_checkered, component._draws = (0.5, 0.5, 0.5), False, 0
        _defaults(component)
        actor._components.append(component)
        return component

    def _local_bounds(self, component: Any) -> Any:
        mesh = component._values.get("static_mesh")
        height = 0.0 if mesh is None or mesh.get_name() == "Plane" else HALF
        vector = self.world.maths.vector
        return vector((-HALF, -HALF, -height)), vector((HALF, HALF, height))

    def _set_overlay(self, mesh: Any, material: Any) -> None:
        self.put(mesh, "overlay_material", material)

    def _set_decal_material(self, actor: Any, material: Any) -> None:
        self.put(actor.decal, "decal_material", material)

    def _set_decal_on_component(self, component: Any, material: Any) -> None:
        self.put(component, "decal_material", material)

    def put(self, target: Any, name: str, value: Any) -> None:
        """Set a property as a function of the engine does: what it is saved in is not marked as changed."""
        before, was_set = target._values.get(name), name in target._values

        def back() -> None:
            if was_set:
                target._values[name] = before
            else:
                target._values.pop(name, None)

        self.world.journal(back)
        target._values[name] = value


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


class ActorSubsystem:
    """EditorActorSubsystem."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get_all_level_actors(self, _: Any) -> list[Any]:
        return list(self._world.actors)

    def get_selected_level_actors(self, _: Any) -> list[Any]:
        return list(self._world.selected)

    def set_selected_level_actors(self, _: Any, actors: Sequence[Any]) -> None:
        self._world.selected = list(actors)

    def select_nothing(self, _: Any) -> None:
        self._world.selected = []

    clear_actor_selection_set = select_nothing

    def spawn_actor_from_class(
        self, _: Any, kind: type, location: Any, rotation: Any, transient: bool = False
    ) -> Any:
        world = self._world
        if world.faults.refuses_spawns or world.faults.has_no_level or kind is None:
            return None
        label = f"{kind.__name__}{len(world.actors)}"
        actor = world.level.add(kind, label, parts(location), angles(rotation))
        actor._is_transient = transient
        world.touch(actor)
        world.selected = [actor]  # the editor selects what it has placed

        def back() -> None:
            if actor in world.actors:
                world.actors.remove(actor)
            for one in (actor, *actor._components):
                destroy(one)

        world.journal(back)
        return actor

    def spawn_actor_from_object(
        self, _: Any, source: Any, location: Any, rotation: Any, transient: bool = False
    ) -> Any:
        actor = self.spawn_actor_from_class(
            _, self._world.unreal.StaticMeshActor, location, rotation, transient
        )
        if actor is not None:
            actor.static_mesh_component._values["static_mesh"] = source
        return actor

    def destroy_actor(self, _: Any, actor: Any) -> bool:
        if actor is None or actor not in self._world.actors:
            return False
        self._world.level.remove(actor)
        return True

    def destroy_actors(self, _: Any, actors: Sequence[Any]) -> bool:
        gone = [self.destroy_actor(_, actor) for actor in list(actors)]
        return all(gone)


class EditorSubsystem:
    """UnrealEditorSubsystem."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get_editor_world(self, _: Any) -> Any:
        return None if self._world.faults.has_no_level else self._world.editor_world

    def get_game_world(self, _: Any) -> Any:
        return self._world.editor_world if self._world.faults.is_playing else None

    def get_level_viewport_camera_info(self, _: Any) -> Any:
        if self._world.faults.has_no_viewport:
            return None
        location, rotation = self._world.viewport
        return self._world.maths.vector(location), self._world.unreal.Rotator(*map(float, rotation))

    def set_level_viewport_camera_info(self, _: Any, location: Any, rotation: Any) -> None:
        self._world.viewport = parts(location), angles(rotation)


class LevelSubsystem:
    """LevelEditorSubsystem."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.pilot: Any = None

    def is_in_play_in_editor(self, _: Any) -> bool:
        return self._world.faults.is_playing or self._world.sequences.is_playing

    def get_active_viewport_config_key(self, _: Any) -> str:
        return "" if self._world.faults.has_no_viewport else "FourPanes2x2.Viewport 1.Viewport1"

    def get_pilot_level_actor(self, _: Any, key: Any = None) -> Any:
        return self.pilot

    def pilot_level_actor(self, _: Any, actor: Any, key: Any = None) -> None:
        self.pilot = actor

    def eject_pilot_level_actor(self, _: Any, key: Any = None) -> None:
        self.pilot = None

    def get_current_level(self, _: Any) -> Any:
        return None if self._world.faults.has_no_level else self._world.persistent_level

    def editor_invalidate_viewports(self, _: Any) -> None:
        pass

    def load_level(self, _: Any, path: str) -> bool:
        self._world.open_map(path)
        return True

    def save_current_level(self, _: Any) -> bool:
        self._world.dirty.discard(self._world.editor_world.get_outermost().get_name())
        return True


class SystemCalls:
    """SystemLibrary."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.opened: list[str] = []

    def is_valid(self, target: Any) -> bool:
        return target is not None

    def is_unattended(self) -> bool:
        return self._world.faults.is_unattended

    def get_engine_version(self) -> str:
        return f"{self._world.engine}-0+++UE5+Release"

    def get_path_name(self, target: Any) -> str:
        return str(target.get_path_name()) if target is not None else "None"

    def get_project_directory(self) -> str:
        return f"{self._world.folder}/"

    def get_project_saved_directory(self) -> str:
        return f"{self._world.folder}/Saved/"

    def get_project_content_directory(self) -> str:
        return f"{self._world.folder}/Content/"

    def launch_url(self, url: str) -> None:
        self.opened.append(url)

    def execute_console_command(self, context: Any, command: str, player: Any = None) -> None:
        name, _, value = command.partition(" ")
        if value:
            self._world.console[name] = value.strip()

    def get_console_variable_int_value(self, name: str) -> int:
        return int(float(self._world.console.get(name, "0")))

    def get_console_variable_float_value(self, name: str) -> float:
        return float(self._world.console.get(name, "0"))

    def get_console_variable_string_value(self, name: str) -> str:
        return self._world.console.get(name, "")


class PathCalls:
    """Paths: they are relative to the engine's program until they are made full."""

    def __init__(self, world: World) -> None:
        self._world = world

    def project_dir(self) -> str:
        return "../../../Demo/"

    def project_saved_dir(self) -> str:
        return "../../../Demo/Saved/"

    def project_content_dir(self) -> str:
        return "../../../Demo/Content/"

    def convert_relative_path_to_full(self, path: str, base_path: str = "") -> str:
        return path.replace("../../../Demo", str(self._world.folder))


class DialogCalls:
    """EditorDialog: what was asked is in ``shown``; ``answer`` is what the artist clicks."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.dialogs = self  # type: ignore[attr-defined]
        self.shown: list[tuple[str, str]] = []
        self.edit: Any = lambda target: False

    def show_message(
        self, title: Any, message: Any, message_type: Any, default_value: Any = None, category: Any = None
    ) -> Any:
        if not self._world.faults.is_unattended:
            self.shown.append((str(title), str(message)))
        return default_value

    def show_object_details_view(self, title: Any, target: Any, options: Any = None) -> bool:
        if self._world.faults.is_unattended:
            return False
        self.shown.append((str(title), ""))
        return bool(self.edit(target))


def _defaults(target: Any) -> None:
    for base in reversed(type(target).__mro__):
        for name, value in DEFAULTS.get(base.__name__, {}).items():
            kind, _ = target._member(name)
            target._values[name] = target._unreal.convert(kind, value, name)


def _cine_angle(component: Any) -> float:
    """A cine camera's field of view follows from its sensor and focal length."""
    sensor, focal = component.filmback.sensor_width, component.current_focal_length
    if not sensor or not focal:
        return float(component._values.get("field_of_view", 90.0))
    return float(np.degrees(2 * np.arctan(sensor / (2 * focal))))
