"""Captures of a scripted level: what is drawn, and that nothing of it stays."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from .editing import refusal, with_console
from .facts import Contract
from .world import World

SIZE = (96, 64)


@pytest.fixture
def world(tmp_path: Path, known: Contract) -> World:
    made = World(tmp_path / "Project", known=known)
    with_console(made)
    return made


def source(plugin: Any, **settings: Any) -> Any:
    return plugin("core.editor").Source(**{"size": SIZE, **settings})


def exr(data: bytes, folder: Path) -> np.ndarray:
    file = folder / "read.exr"
    file.write_bytes(data)
    with OpenEXR.File(str(file), separate_channels=True) as opened:
        return np.stack([np.asarray(opened.channels()[name].pixels, float) for name in "RGB"], axis=-1)


def state(world: World) -> Any:
    """All that a capture must leave as it is."""
    components = [
        (component.get_name(), component.render_custom_depth, component.custom_depth_stencil_value)
        for actor in world.actors
        for component in actor._components
        if isinstance(component, world.unreal.PrimitiveComponent)
    ]
    return len(world.actors), components, list(world.selected)


def test_capture_has_the_size_and_kinds_that_were_asked_for(plugin: Any, eye: Any, tmp_path: Path) -> None:
    view = eye.view(source(plugin))
    files = eye.capture(view, frozenset({"normal", "base_color"}))
    assert Image.open(io.BytesIO(files.color)).size == Image.open(io.BytesIO(files.base_color)).size == SIZE
    assert exr(files.depth, tmp_path).shape == exr(files.normal, tmp_path).shape == (64, 96, 3)
    assert files.object_id is None


def test_depth_is_where_the_projection_says(plugin: Any, eye: Any, tmp_path: Path) -> None:
    """The middle of the ground's nearer half, seen by the engine and computed from the view."""
    view = eye.view(source(plugin))
    depth = exr(eye.capture(view).depth, tmp_path)[..., 0]
    projector = plugin("core.projection").projector(view)
    for point in ((-150.0, 60.0, 0.0), (-200.0, -80.0, 0.0), (-100.0, 0.0, 0.0)):
        u, v, distance = projector.project(point)
        assert depth[int(v * 64), int(u * 96)] == pytest.approx(distance, rel=0.03)


def test_ids_count_the_chosen_actors_and_only_where_they_are_seen(
    plugin: Any, eye: Any, world: World, tmp_path: Path
) -> None:
    view = eye.view(source(plugin))
    world.select("Ball", "Box")
    ids = exr(eye.capture(view, frozenset({"object_id"})).object_id, tmp_path)[..., 0]
    assert set(np.unique(ids)) == {0.0, 1.0, 2.0}
    world.select("Box")
    ids = exr(eye.capture(view, frozenset({"object_id"})).object_id, tmp_path)[..., 0]
    assert set(np.unique(ids)) == {0.0, 1.0}


def binding(plugin: Any, kind: str, name: str, *, is_pattern: bool = False) -> Any:
    return plugin("_bridge.protocol").Binding(kind, name, is_pattern=is_pattern)


def test_ids_count_the_actors_that_prompts_are_bound_to(
    plugin: Any, eye: Any, world: World, tmp_path: Path
) -> None:
    world.actor("Box").set_folder_path("Props/Old")
    view = eye.view(source(plugin))
    by_folder, by_name = (
        binding(plugin, "collection", "Props"),
        binding(plugin, "object", "bal*", is_pattern=True),
    )
    files = eye.capture(view, bound=(by_folder, by_name))
    ids = exr(files.object_id, tmp_path)[..., 0]
    assert set(np.unique(ids)) == {0.0, 1.0, 2.0}
    named = [item.name for item in files.names.objects]
    assert set(named[:2]) == {"Ball", "Box"}
    assert len(named) > 2, "what is not bound is told, too"
    box = files.names.objects[named.index("Box")]
    assert [files.names.collections[number - 1].name for number in box.collections] == ["Props", "Props/Old"]


def test_actors_are_bound_by_their_material(plugin: Any, eye: Any, world: World, tmp_path: Path) -> None:
    material = plugin("host.materials").stencil_material()
    world.actor("Ball").static_mesh_component.set_material(0, material)
    bound = binding(plugin, "material", material.get_name())
    files = eye.capture(eye.view(source(plugin)), bound=(bound,))
    assert set(np.unique(exr(files.object_id, tmp_path)[..., 0])) == {0.0, 1.0}
    assert files.names.objects[0].name == "Ball"


def test_an_actor_that_was_renamed_is_in_no_pixel_and_its_new_name_is_told(
    plugin: Any, eye: Any, world: World, tmp_path: Path
) -> None:
    world.actor("Ball").set_actor_label("Sphere")
    files = eye.capture(eye.view(source(plugin)), bound=(binding(plugin, "object", "Ball"),))
    assert not exr(files.object_id, tmp_path)[..., 0].any()
    assert "Sphere" in [item.name for item in files.names.objects]


def test_more_bound_actors_than_a_stencil_tells_apart_are_refused(
    plugin: Any, eye: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin("host.naming"), "MOST", 1)
    with refusal(plugin, "too_many_actors"):
        eye.capture(eye.view(source(plugin)), bound=(binding(plugin, "object", "*", is_pattern=True),))


def test_capture_with_bound_actors_leaves_the_level_as_it_was(plugin: Any, eye: Any, world: World) -> None:
    plugin("host.materials").stencil_material()
    before, dirty, steps = state(world), set(world.dirty), len(world.history)
    eye.capture(eye.view(source(plugin)), bound=(binding(plugin, "object", "Ball"),))
    assert (state(world), world.dirty, len(world.history)) == (before, dirty, steps)


def test_capture_leaves_the_level_as_it_was(plugin: Any, eye: Any, world: World, tmp_path: Path) -> None:
    world.select("Ball")
    box = world.actor("Box").static_mesh_component
    box.set_render_custom_depth(True)
    box.set_custom_depth_stencil_value(77)
    plugin("host.materials").stencil_material()
    before, dirty, steps = state(world), set(world.dirty), len(world.history)
    eye.capture(eye.view(source(plugin)), frozenset({"object_id", "normal"}))
    assert state(world) == before
    assert world.dirty == dirty
    assert len(world.history) == steps
    assert not list((tmp_path / "Capture").iterdir())


@pytest.mark.parametrize("fault", ["refuses_render_targets", "exports_nothing", "exports_png_always"])
def test_refused_capture_is_told_and_leaves_nothing(
    plugin: Any, eye: Any, world: World, tmp_path: Path, fault: str
) -> None:
    world.select("Ball")
    plugin("host.materials").stencil_material()
    before = state(world)
    setattr(world.faults, fault, True)
    with refusal(plugin, "capture_failed"):
        eye.capture(eye.view(source(plugin)), frozenset({"object_id"}))
    assert state(world) == before
    assert not list((tmp_path / "Capture").iterdir())


@pytest.mark.parametrize(
    ("fault", "code"),
    [("has_no_level", "no_level"), ("is_playing", "no_level"), ("has_no_viewport", "no_viewport")],
)
def test_nothing_to_look_at_is_told(plugin: Any, eye: Any, world: World, fault: str, code: str) -> None:
    setattr(world.faults, fault, True)
    with refusal(plugin, code):
        eye.view(source(plugin))


def test_deleted_camera_is_told(plugin: Any, eye: Any, world: World) -> None:
    assert eye.cameras() == ["Camera"]
    wanted = source(plugin, kind="Camera", camera="Camera")
    assert eye.view(wanted).location == (-300.0, 0.0, 120.0)
    world.level.remove(world.actor("Camera"))
    with refusal(plugin, "no_camera"):
        eye.view(wanted)


def test_masks_without_a_selection_are_told(plugin: Any, eye: Any) -> None:
    with refusal(plugin, "no_selection"):
        eye.capture(eye.view(source(plugin)), frozenset({"object_id"}))


def test_what_is_seen_changes_with_an_actor_and_a_view_only(plugin: Any, eye: Any, world: World) -> None:
    view = eye.view(source(plugin))
    eye.seen(view)
    before = eye.seen(view)
    assert eye.seen(view) == before
    box = world.actor("Box")
    box.set_actor_location(world.unreal.Vector(0.0, 0.0, 200.0), False, False)
    moved = eye.seen(view)
    assert moved != before
    assert eye.seen(view) == moved
    world.viewport = ((0.0, 0.0, 300.0), (0.0, 0.0, 0.0))
    assert eye.seen(eye.view(source(plugin))) != moved


def test_camera_cut_is_looked_through_at_the_playhead(plugin: Any, eye: Any, world: World) -> None:
    cut = source(plugin, kind="Sequencer")
    with refusal(plugin, "no_sequence"):
        eye.view(cut)

    def pose(frame: int) -> Any:
        return (10.0 * frame, 0.0, 150.0), (0.0, -10.0, 0.0)

    sequence = world.sequences.add("/Game/Shot", 0, 20, pose=pose)
    library = world.unreal.LevelSequenceEditorBlueprintLibrary
    library.open_level_sequence(sequence)
    library.set_current_time(7)
    library.force_update()
    assert eye.view(cut).location == (70.0, 0.0, 150.0)
    library.set_current_time(30)
    with refusal(plugin, "no_camera"):
        eye.view(cut)


def test_field_of_view_is_the_best_that_this_engine_tells(plugin: Any, eye: Any, world: World) -> None:
    assert eye.view(source(plugin, field_of_view=77.0)).field_of_view == 77.0
    camera = world.actor("Camera")
    camera.camera_component.set_editor_property("field_of_view", 35.0)
    subsystem = world.unreal.get_editor_subsystem(world.unreal.LevelEditorSubsystem)
    subsystem.pilot_level_actor(camera)
    assert eye.view(source(plugin)).field_of_view == 35.0


@pytest.mark.parametrize(("longest", "size"), [(512, (512, 288)), (200, (200, 112)), (10, (64, 64))])
def test_sides_are_multiples_of_eight(plugin: Any, eye: Any, longest: int, size: tuple[int, int]) -> None:
    view = eye.view(plugin("core.editor").Source(longest_side=longest))
    assert view.width % 8 == view.height % 8 == 0
    assert (view.width, view.height) == size
