"""Results in a scripted editor: kept, shown in every way, and taken away again."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .editing import refusal, with_console, with_meshes
from .facts import Contract
from .plain import png_file
from .world import MAP, World

SIZE = (96, 64)
RECIPE = '{"prompt": "a castle"}'


@pytest.fixture
def world(tmp_path: Path, known: Contract) -> World:
    made = World(tmp_path / "Project", known=known)
    with_console(made)
    with_meshes(made)
    return made


@pytest.fixture
def shelf(plugin: Any, tmp_path: Path) -> Any:
    return plugin("host.shelf").UnrealShelf(tmp_path / "Results")


@pytest.fixture
def on_stage(plugin: Any, shelf: Any, tmp_path: Path) -> Any:
    return plugin("host.stage").UnrealStage(shelf, tmp_path / "Projections")


def kept(plugin: Any, eye: Any, shelf: Any, seed: int = 0, **settings: Any) -> tuple[str, Any]:
    """A result, and the view that it belongs to."""
    view = eye.view(plugin("core.editor").Source(size=SIZE, **settings))
    return shelf.keep(png_file(*SIZE, seed), RECIPE, view.to_json(), "Workflow"), view


def ours(world: World) -> list[Any]:
    return [actor for actor in world.actors if "Framebridge" in map(str, actor.tags)]


def overlay_of(world: World, label: str) -> Any:
    return world.actor(label).static_mesh_component.get_editor_property("overlay_material")


def paths(world: World, *labels: str) -> list[str]:
    return [world.actor(label).get_path_name() for label in labels]


def test_result_is_kept_with_its_metadata_and_pixels(plugin: Any, eye: Any, shelf: Any, world: World) -> None:
    asset, view = kept(plugin, eye, shelf)
    assert asset == "/Game/Framebridge/Results/FB_0001"
    (result,) = shelf.results()
    assert (result.asset, result.recipe, result.view, result.size) == (asset, RECIPE, view.to_json(), SIZE)
    assert shelf.picture(asset) == png_file(*SIZE)
    texture = world.assets.find(asset)
    assert texture.srgb
    assert texture.compression_settings.name == "TC_EDITOR_ICON"
    assert asset in world.assets.saved


def test_results_are_never_overwritten(
    plugin: Any, eye: Any, shelf: Any, world: World, tmp_path: Path
) -> None:
    there = world.assets.add("/Game/Framebridge/Results/FB_0007", world.unreal.Texture2D)
    there._pixels = np.zeros((8, 8, 4), np.uint8)
    assert kept(plugin, eye, shelf)[0].endswith("FB_0008")
    (tmp_path / "Results" / "FB_0011.png").write_bytes(b"of a deleted asset")
    assert kept(plugin, eye, shelf)[0].endswith("FB_0012")
    assert [one.asset[-4:] for one in shelf.results()] == ["0012", "0008", "0007"]


@pytest.mark.parametrize(
    ("fault", "code"), [("has_readonly_content", "content_unwritable"), ("refuses_imports", "import_failed")]
)
def test_result_that_cannot_be_kept_leaves_nothing(
    plugin: Any, eye: Any, shelf: Any, world: World, tmp_path: Path, fault: str, code: str
) -> None:
    setattr(world.faults, fault, True)
    with refusal(plugin, code):
        kept(plugin, eye, shelf)
    assert not list((tmp_path / "Results").glob("*"))
    assert not [path for path in world.assets.by_path if "FB_" in path]


def test_deleted_result_is_gone_but_not_while_it_is_shown(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    on_stage.show_plate(asset, view)
    with refusal(plugin, "in_use"):
        shelf.delete(asset)
    on_stage.clear()
    shelf.delete(asset)
    assert not shelf.results()
    with refusal(plugin, "no_result"):
        shelf.picture(asset)
    assert not [path for path in world.assets.by_path if "FB_0001" in path]


@pytest.mark.parametrize("is_stale", [False, True])
def test_result_that_was_projected_is_deleted_with_its_depth(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World, is_stale: bool
) -> None:
    asset, view = kept(plugin, eye, shelf)
    on_stage.project(asset, eye.capture(view))
    with refusal(plugin, "in_use"):
        shelf.delete(asset)
    if is_stale:
        write = world.unreal.MaterialEditingLibrary.set_material_instance_scalar_parameter_value
        write(overlay_of(world, "Box"), "Strength0", 0.0)
    on_stage.clear()
    shelf.delete(asset)
    assert not [path for path in world.assets.by_path if "FB_0001" in path]


def test_result_that_cannot_be_deleted_is_told_and_keeps_its_file(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    on_stage.show_plate(asset, view)
    on_stage.clear()
    before = set(world.assets.by_path)
    world.faults.has_readonly_content = True
    with refusal(plugin, "content_unwritable"):
        shelf.delete(asset)
    assert set(world.assets.by_path) == before
    assert shelf.picture(asset) == png_file(*SIZE)
    assert [one.asset for one in shelf.results()] == [asset]


@pytest.mark.parametrize("camera", [False, True])
def test_plate_fills_the_view_behind_everything(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World, camera: bool
) -> None:
    if camera:
        world.actor("Camera").set_actor_rotation(world.unreal.Rotator(15.0, -20.0, 40.0), False)
    asset, view = kept(plugin, eye, shelf, **({"kind": "Camera", "camera": "Camera"} if camera else {}))
    on_stage.show_plate(asset, view)
    (plate,) = ours(world)
    transform = plate.get_actor_transform()
    projector = plugin("core.projection").projector(view)
    corners = [
        projector.project((place.x, place.y, place.z))
        for x, y in ((-50, -50), (50, -50), (50, 50), (-50, 50))
        for place in [transform.transform_location(world.unreal.Vector(x, y, 0))]
    ]
    assert sorted((round(u, 3), round(v, 3)) for u, v, _ in corners) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for actor in world.actors:
        if actor is not plate:
            middle = actor.get_actor_location()
            assert projector.project((middle.x, middle.y, middle.z))[2] < corners[0][2]
    on_stage.show_plate(asset, view)
    assert len(ours(world)) == 1


def test_decal_encloses_what_its_view_sees(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    on_stage.show_decal(asset, view)
    (decal,) = ours(world)
    size = decal.decal.decal_size
    forward, right, up = (np.array(axis) for axis in view.basis())
    middle = decal.get_actor_location()
    for actor in world.actors:
        if actor is not decal and actor.get_actor_label() in ("Ball", "Box"):
            place = actor.get_actor_location()
            way = np.array((place.x - middle.x, place.y - middle.y, place.z - middle.z))
            limits = (size.x, size.y, size.z)
            assert all(
                abs(axis @ way) < limit for axis, limit in zip((forward, right, up), limits, strict=True)
            )
    assert size.y / size.x == pytest.approx(2 * math.tan(math.radians(view.field_of_view) / 2))


def test_blend_is_set_again_without_another_volume_and_hidden(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, _ = kept(plugin, eye, shelf)
    on_stage.show_blend(asset, 0.5, 0.25)
    (volume,) = ours(world)
    on_stage.show_blend(asset, 0.75, 0.5)
    assert ours(world) == [volume]
    look = volume.settings.weighted_blendables.array[0].object
    read = world.unreal.MaterialEditingLibrary.get_material_instance_scalar_parameter_value
    assert (read(look, "Opacity"), read(look, "Split")) == (0.75, 0.5)
    on_stage.hide_blend()
    assert not ours(world)


def test_projection_paints_what_is_seen_and_gives_back_what_was_there(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    former = world.assets.add("/Game/Looks/Frost", world.unreal.MaterialInstanceConstant)
    world.actor("Ball").static_mesh_component.set_editor_property("overlay_material", former)
    asset, view = kept(plugin, eye, shelf)
    assert on_stage.project(asset, eye.capture(view), strength=0.5) == 3
    assert on_stage.views() == [(asset, 0.5)]
    look = overlay_of(world, "Box")
    assert overlay_of(world, "Ball") is overlay_of(world, "Ground") is look is not former
    depth = world.assets.find("/Game/Framebridge/Projections/FB_0001_Depth")
    assert (depth.srgb, depth.filter.name, depth.compression_settings.name) == (False, "TF_NEAREST", "TC_HDR")
    on_stage.remove_projection(asset)
    assert overlay_of(world, "Ball") is former
    assert overlay_of(world, "Box") is None
    assert on_stage.views() == []


def test_views_are_blended_until_there_are_too_many(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    assets = []
    for number in range(5):
        asset, view = kept(plugin, eye, shelf, number)
        assets.append(asset)
        files = eye.capture(view)
        if number < 4:
            on_stage.project(asset, files, paths(world, "Box"))
    with refusal(plugin, "too_many_views"):
        on_stage.project(assets[4], files, paths(world, "Box"))
    assert on_stage.views() == [(asset, 1.0) for asset in assets[:4]]
    assert world.assets.find("/Game/Framebridge/Projections/FB_0005_Depth") is None
    on_stage.remove_projection(assets[1])
    on_stage.project(assets[0], files, paths(world, "Box"), 0.3)
    assert on_stage.views() == [(assets[0], 0.3), (assets[2], 1.0), (assets[3], 1.0)]
    assert overlay_of(world, "Ball") is None


def test_selected_actor_is_painted_and_not_another_of_its_label(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    ball, box = world.actor("Ball"), world.actor("Box")
    box.set_actor_label("Ball")
    world.selected = [box]
    asset, view = kept(plugin, eye, shelf)
    assert eye.selected() == ["Ball"]
    assert on_stage.project(asset, eye.capture(view), eye.selected_paths()) == 1
    overlays = [actor.static_mesh_component.get_overlay_material() for actor in (ball, box)]
    assert overlays[0] is None
    assert overlays[1] is not None


def test_parameters_are_those_of_the_view(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    on_stage.project(asset, eye.capture(view))
    look = overlay_of(world, "Box")
    read = world.unreal.MaterialEditingLibrary.get_material_instance_vector_parameter_value
    projector = plugin("core.projection").projector(view)
    wanted = {"Location0": projector.location, "Across0": projector.across, "Up0": projector.up}
    for name, expected in wanted.items():
        color = read(look, name)
        assert (color.r, color.g, color.b) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_undo_takes_a_projection_back_in_one_step(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    files = eye.capture(view)
    steps = len(world.history)
    on_stage.project(asset, files)
    assert len(world.history) == steps + 1
    other, _ = kept(plugin, eye, shelf, 1)
    on_stage.project(other, files)
    world.undo()
    assert on_stage.views() == [(asset, 1.0)]
    world.undo()  # that the second result was kept
    world.undo()
    assert overlay_of(world, "Box") is None
    assert on_stage.views() == []


def projected(plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World, count: int) -> list[str]:
    """Results that are projected in a level, which is saved then."""
    assets = []
    for number in range(count):
        asset, view = kept(plugin, eye, shelf, number)
        on_stage.project(asset, eye.capture(view))
        assets.append(asset)
    world.save_level()
    return assets


def parameters(look: Any) -> dict[str, Any]:
    return {name: str(value) for name, value in look._parameters.items()}


@pytest.mark.parametrize("name", ["Other", MAP], ids=["in the new level", "in the former"])
def test_projections_go_on_in_a_level_saved_under_another_name(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World, name: str
) -> None:
    first, second = projected(plugin, eye, shelf, on_stage, world, 2)
    shared = overlay_of(world, "Box")
    before = parameters(shared)
    world.save_level("/Game/Maps/Other")
    if name == MAP:
        world.save_level(MAP)
    assert on_stage.views() == [(first, 1.0), (second, 1.0)]
    asset, view = kept(plugin, eye, shelf, 2)
    on_stage.project(asset, eye.capture(view), paths(world, "Ball"), 0.5)
    assert on_stage.views() == [(first, 1.0), (second, 1.0), (asset, 0.5)]
    own = overlay_of(world, "Ball")
    assert own is overlay_of(world, "Box") is not shared
    assert parameters(shared) == before, "which the other level shows"
    on_stage.remove_projection(first)
    assert on_stage.views() == [(second, 1.0), (asset, 0.5)]
    assert overlay_of(world, "Ball") is own
    on_stage.clear()
    assert overlay_of(world, "Box") is None
    assert parameters(shared) == before
    shelf.delete(asset)
    with refusal(plugin, "in_use"):
        shelf.delete(second)


def test_a_view_that_another_level_shows_too_is_taken_away_here_alone(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    first, second = projected(plugin, eye, shelf, on_stage, world, 2)
    shared = overlay_of(world, "Box")
    before = parameters(shared)
    world.save_level("/Game/Maps/Other")
    on_stage.remove_projection(first)
    assert on_stage.views() == [(second, 1.0)]
    world.undo()
    assert (overlay_of(world, "Box"), len(on_stage.views())) == (shared, 2)
    on_stage.remove_projection()
    assert overlay_of(world, "Box") is None
    assert parameters(shared) == before


def test_a_result_projected_again_leaves_other_levels_their_depth(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    on_stage.project(asset, eye.capture(view))
    world.save_level()
    shared, value = overlay_of(world, "Box"), world.assets.materials.value
    depth = value(shared, "Depth0")
    before = depth._pixels.copy()
    world.save_level("/Game/Maps/Other")
    world.actor("Ball").set_actor_location(world.unreal.Vector(-100, 0, 50), False, False)
    for _ in range(2):
        on_stage.project(asset, eye.capture(view))
        assert value(overlay_of(world, "Box"), "Depth0").get_name() == "FB_0001_Depth_2"
    assert value(shared, "Depth0") is depth
    assert np.array_equal(depth._pixels, before)
    on_stage.clear()
    shared._parameters.clear()
    world.assets.save(shared)
    shelf.delete(asset)
    assert not [path for path in world.assets.by_path if "FB_0001" in path]


def test_levels_do_not_share_an_instance_by_their_names(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    projected(plugin, eye, shelf, on_stage, world, 1)
    saved = overlay_of(world, "Box")
    before = parameters(saved)
    world.save_level("/Game/Maps/Renamed")
    world.assets.references.pop(MAP)
    world.open_map(MAP)
    world.level.furnish()
    assert on_stage.views() == []
    on_stage.clear()
    asset, view = kept(plugin, eye, shelf, 1)
    on_stage.project(asset, eye.capture(view))
    assert on_stage.views() == [(asset, 1.0)]
    assert parameters(saved) == before


def test_an_actor_with_a_file_of_its_own_belongs_to_its_level(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    (first,) = projected(plugin, eye, shelf, on_stage, world, 1)
    used = world.assets.references.pop(MAP)
    world.assets.references["/Game/__ExternalActors__/Maps/Demo/0/AB/KEY"] = used
    look = overlay_of(world, "Box")
    asset, view = kept(plugin, eye, shelf, 1)
    on_stage.project(asset, eye.capture(view))
    assert overlay_of(world, "Box") is look
    assert on_stage.views() == [(first, 1.0), (asset, 1.0)]


def test_nothing_is_painted_where_content_cannot_be_written(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    files = eye.capture(view)
    world.faults.has_readonly_content = True
    for show in (
        lambda: on_stage.project(asset, files),
        lambda: on_stage.show_plate(asset, view),
        lambda: on_stage.show_decal(asset, view),
        lambda: on_stage.show_blend(asset, 1.0, 0.0),
    ):
        with refusal(plugin, "content_unwritable"):
            show()
    assert not ours(world)
    assert overlay_of(world, "Box") is None


def test_clear_takes_everything_out_of_the_level(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    world.select("Ball")
    asset, view = kept(plugin, eye, shelf)
    files = eye.capture(view)
    on_stage.show_plate(asset, view)
    on_stage.show_decal(asset, view)
    on_stage.show_blend(asset, 1.0, 0.0)
    on_stage.project(asset, files)
    assert len(ours(world)) == 3
    on_stage.clear()
    assert not ours(world)
    assert overlay_of(world, "Box") is None
    assert world.selected == [world.actor("Ball")]


def test_capture_does_not_see_what_we_show(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    asset, view = kept(plugin, eye, shelf)
    before = eye.capture(view)
    on_stage.show_plate(asset, view)
    after = eye.capture(view)
    assert (after.depth, after.color) == (before.depth, before.color)


def test_what_cannot_be_shown_is_told(plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World) -> None:
    asset, view = kept(plugin, eye, shelf)
    files = eye.capture(view)
    with refusal(plugin, "no_result"):
        on_stage.show_plate("/Game/Framebridge/Results/FB_9999", view)
    with refusal(plugin, "unknown_actor"):
        on_stage.project(asset, files, ["Nobody"])
    with refusal(plugin, "no_mesh"):
        on_stage.project(asset, files, paths(world, "Camera"))
    world.faults.refuses_spawns = True
    with refusal(plugin, "spawn_failed"):
        on_stage.show_plate(asset, view)
    world.faults.has_no_level = True
    with refusal(plugin, "no_level"):
        on_stage.show_decal(asset, view)


def test_material_is_made_anew_when_the_shader_has_changed(plugin: Any, world: World) -> None:
    materials, library = plugin("host.materials"), world.unreal.EditorAssetLibrary
    made = materials.material(materials.PROJECTION)
    calls = len(world.scripts.called("MaterialEditingLibrary.recompile_material"))
    assert materials.material(materials.PROJECTION) is made
    assert len(world.scripts.called("MaterialEditingLibrary.recompile_material")) == calls
    library.set_metadata_tag(made, materials.VERSION_TAG, "older")
    assert materials.material(materials.PROJECTION) is made
    assert len(world.scripts.called("MaterialEditingLibrary.recompile_material")) == calls + 1


def test_result_whose_projection_was_undone_can_be_deleted(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    first, _ = projected(plugin, eye, shelf, on_stage, world, 2)
    on_stage.remove_projection()
    on_stage.project(first, eye.capture(eye.view(plugin("core.editor").Source(size=SIZE))))
    world.save_level()
    asset, view = kept(plugin, eye, shelf, 2)
    on_stage.project(asset, eye.capture(view))
    world.undo()
    assert on_stage.views() == [(first, 1.0)]
    shelf.delete(asset)
    assert on_stage.views() == [(first, 1.0)]
    assert not [path for path in world.assets.by_path if "FB_0003" in path]


def test_result_that_only_a_deleted_level_showed_can_be_deleted(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    first, second = projected(plugin, eye, shelf, on_stage, world, 2)
    world.open_map("/Game/Maps/Other")
    with refusal(plugin, "in_use"):
        shelf.delete(first)
    world.assets.references.pop(MAP)
    shelf.delete(first)
    assert [result.asset for result in shelf.results()] == [second]


def test_overlay_set_by_hand_over_a_projection_stays(
    plugin: Any, eye: Any, shelf: Any, on_stage: Any, world: World
) -> None:
    frost = world.assets.add("/Game/Looks/Frost", world.unreal.MaterialInstanceConstant)
    asset, view = kept(plugin, eye, shelf)
    for is_painted_again in (False, True):
        on_stage.project(asset, eye.capture(view))
        world.actor("Ball").static_mesh_component.set_editor_property("overlay_material", frost)
        if is_painted_again:
            assert on_stage.project(asset, eye.capture(view)) == 3
            assert overlay_of(world, "Ball") is overlay_of(world, "Box")
        on_stage.clear()
        assert (overlay_of(world, "Ball"), overlay_of(world, "Box")) == (frost, None)
