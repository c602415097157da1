"""The level: actors and their components, selection, the viewport, and the subsystems that know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .fake_objects import destroy, revive
from .raycast import HALF, turned
from .world_actors import ActorCalls, ComponentCalls, PrimitiveCalls
from .world_maths import angles, parts
from .world_system import DialogCalls, PathCalls, SystemCalls

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
        self._world.save_level()
        return True


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
