"""The scripted editor: drawn by the engine's conventions, undone, saved, and failing as editors fail."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from .facts import Stub
from .raycast import BOX, PLANE, SKY_CM, SPHERE, Lens, Shape, draw, pixel_of, turned
from .world import MAP, World
from .world_drawing import write_exr

SIZE = (96, 64)


@pytest.fixture
def world(tmp_path: Path, newest_stub: Stub) -> World:
    return World(tmp_path / "project", known=newest_stub)


def level_world(world: World) -> Any:
    unreal = world.unreal
    return unreal.get_editor_subsystem(unreal.UnrealEditorSubsystem).get_editor_world()


def capture(
    world: World,
    source: str,
    form: str = "RTF_RGBA16F",
    *,
    location: tuple[float, float, float] = (-300.0, 0.0, 120.0),
    rotation: tuple[float, float, float] = (0.0, -10.0, 0.0),
    draws: int = 2,
    **properties: Any,
) -> Any:
    """Capture and read the file: floats of an OpenEXR's R, G, B, or bytes of a PNG."""
    unreal = world.unreal
    subsystem = unreal.get_editor_subsystem(unreal.EditorActorSubsystem)
    actor = subsystem.spawn_actor_from_class(
        unreal.SceneCapture2D, unreal.Vector(*location), unreal.Rotator(*rotation), transient=True
    )
    component = actor.capture_component2d
    formats, sources = unreal.TextureRenderTargetFormat, unreal.SceneCaptureSource
    target = unreal.RenderingLibrary.create_render_target2d(level_world(world), *SIZE, getattr(formats, form))
    component.set_editor_property("texture_target", target)
    component.set_editor_property("capture_source", getattr(sources, source))
    for name, value in properties.items():
        component.set_editor_property(name, value)
    unreal.AutomationLibrary.finish_loading_before_screenshot()
    for _ in range(draws):
        component.capture_scene()
    unreal.RenderingLibrary.export_render_target(level_world(world), target, str(world.folder), "capture")
    unreal.RenderingLibrary.release_render_target2d(target)
    subsystem.destroy_actor(actor)
    return read(world.folder / "capture")


def read(file: Path) -> Any:
    data = file.read_bytes()
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture)
    named = file.with_suffix(".exr")
    named.write_bytes(data)
    with OpenEXR.File(str(named), separate_channels=True) as opened:
        channels = opened.channels()
        return np.stack([np.asarray(channels[name].pixels, float) for name in "RGB"], axis=-1)


# ---- conventions, by hand ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rotation", "forward", "right"),
    [
        ((0, 0, 0), (1, 0, 0), (0, 1, 0)),
        ((0, 0, 90), (0, 1, 0), (-1, 0, 0)),
        ((0, 90, 0), (0, 0, 1), (0, 1, 0)),
        ((90, 0, 0), (1, 0, 0), (0, 0, -1)),
    ],
)
def test_turns_are_unreals(rotation: Any, forward: Any, right: Any) -> None:
    axes = turned(rotation)
    assert np.allclose(axes[:, 0], forward, atol=1e-12)
    assert np.allclose(axes[:, 1], right, atol=1e-12)


def test_forward_is_that_of_a_rotator() -> None:
    pitch, yaw = math.radians(25), math.radians(-40)
    expected = (math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch))
    assert np.allclose(turned((70, 25, -40))[:, 0], expected)


def test_right_is_right_and_up_is_up_in_the_picture() -> None:
    lens = Lens((0, 0, 0), (0, 0, 0), 200, 100, 90.0)
    assert pixel_of(lens, (100, 0, 0)) == pytest.approx((100, 50, 100))
    assert pixel_of(lens, (100, 100, 0)) == pytest.approx((200, 50, 100)), "90° from left to right"
    assert pixel_of(lens, (100, 0, 50)) == pytest.approx((100, 0, 100))


@pytest.mark.parametrize("ortho_width", [0.0, 600.0])
def test_small_sphere_is_drawn_where_it_projects(ortho_width: float) -> None:
    lens = Lens((-200, 30, 80), (15, -12, 20), 160, 120, 70.0, ortho_width)
    point = (250.0, 120.0, 40.0)
    layers = draw(lens, [Shape(SPHERE, point, (0, 0, 0), (0.2, 0.2, 0.2), (1, 1, 1))])
    rows, columns = np.nonzero(layers.depth < SKY_CM)
    x, y, depth = pixel_of(lens, point)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=0.5)
    assert layers.depth.min() == pytest.approx(depth - 10, abs=0.5)


def test_depth_is_along_the_axis_not_the_ray() -> None:
    lens = Lens((0, 0, 100), (0, -90, 0), 64, 64, 90.0)
    layers = draw(lens, [Shape(PLANE, (0, 0, 0), (0, 0, 0), (10, 10, 1), (1, 1, 1))])
    assert np.allclose(layers.depth, 100.0)
    assert np.allclose(layers.normal, (0, 0, 1))


def test_box_shows_faces_that_look_here() -> None:
    lens = Lens((-200, 0, 0), (0, 0, 0), 64, 64, 60.0)
    layers = draw(lens, [Shape(BOX, (0, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, 1))])
    assert layers.depth[32, 32] == pytest.approx(150.0)
    assert np.allclose(layers.normal[32, 32], (-1, 0, 0))


# ---- captures ------------------------------------------------------------------------------------


def test_depth_of_the_ground_in_centimetres(world: World) -> None:
    depth = capture(
        world, "SCS_SCENE_DEPTH", location=(-300.0, 300.0, 200.0), rotation=(0.0, -90.0, 0.0), fov_angle=60.0
    )
    assert np.allclose(depth[..., 0], 200.0, atol=0.2)


def test_sky_is_the_largest_half(world: World) -> None:
    depth = capture(world, "SCS_SCENE_DEPTH", rotation=(0.0, 60.0, 0.0))
    assert (depth[..., 0] == SKY_CM).all()


def test_file_goes_by_the_format_not_the_name(world: World) -> None:
    assert capture(world, "SCS_SCENE_DEPTH", "RTF_RGBA16F").dtype == float
    assert capture(world, "SCS_SCENE_DEPTH", "RTF_RGBA32F").dtype == np.uint8
    assert capture(world, "SCS_FINAL_COLOR_LDR", "RTF_RGBA8_SRGB").shape == (SIZE[1], SIZE[0], 4)


def test_target_without_srgb_is_darker(world: World) -> None:
    encoded = capture(world, "SCS_FINAL_COLOR_LDR", "RTF_RGBA8_SRGB")
    linear = capture(world, "SCS_FINAL_COLOR_LDR", "RTF_RGBA8")
    assert linear[..., :3].mean() < 0.8 * encoded[..., :3].mean()


def test_first_draw_is_too_dark(world: World) -> None:
    first = capture(world, "SCS_FINAL_COLOR_LDR", "RTF_RGBA8", draws=1)
    later = capture(world, "SCS_FINAL_COLOR_LDR", "RTF_RGBA8", draws=3)
    assert first[..., :3].mean() < 0.6 * later[..., :3].mean()


def test_component_without_a_level_draws_black(world: World) -> None:
    unreal = world.unreal
    component = unreal.SceneCaptureComponent2D(unreal.Actor())
    component.texture_target = unreal.RenderingLibrary.create_render_target2d(level_world(world), *SIZE)
    component._values["primitive_render_mode"] = (
        unreal.SceneCapturePrimitiveRenderMode.PRM_RENDER_SCENE_PRIMITIVES
    )
    component.capture_scene()
    assert not component.texture_target._image.any()


def test_hidden_actors_are_not_drawn(world: World) -> None:
    seen = capture(world, "SCS_SCENE_DEPTH")
    world.actor("Ground").static_mesh_component.set_visibility(False)
    world.actor("Ball").set_is_temporarily_hidden_in_editor(True)
    without = capture(world, "SCS_SCENE_DEPTH", hidden_actors=[world.actor("Box")])
    assert (without[..., 0] == SKY_CM).all()
    assert not (seen[..., 0] == SKY_CM).all()


def test_only_listed_actors_are_drawn(world: World) -> None:
    modes = world.unreal.SceneCapturePrimitiveRenderMode
    depth = capture(
        world,
        "SCS_SCENE_DEPTH",
        show_only_actors=[world.actor("Ball")],
        primitive_render_mode=modes.PRM_USE_SHOW_ONLY_LIST,
    )
    share = (depth[..., 0] < SKY_CM).mean()
    assert 0 < share < 0.1


def test_stencil_shines_through_unless_the_material_looks_at_depth(world: World) -> None:
    shapes = [
        Shape(BOX, (0, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, 1)),
        Shape(SPHERE, (200, 0, 0), (0, 0, 0), (1, 1, 1), (1, 1, 1), stencil=7),
    ]
    layers = draw(Lens((-200, 0, 0), (0, 0, 0), 64, 64, 60.0), shapes)
    assert layers.stencil.max() == 7
    assert layers.stencil_in_front.max() == 0


# ---- the level -----------------------------------------------------------------------------------


def test_capture_leaves_no_trace(world: World) -> None:
    before = list(world.actors)
    capture(world, "SCS_SCENE_DEPTH")
    assert (world.actors, world.dirty, world.history, world.drawing.targets) == (before, set(), [], [])


def test_undo_takes_a_transaction_back(world: World) -> None:
    unreal, ball = world.unreal, world.actor("Ball")
    before = ball.get_actor_location()
    material = world.assets.add("/Game/M", unreal.MaterialInstanceConstant)
    with unreal.ScopedEditorTransaction("Outer"), unreal.ScopedEditorTransaction("Inner"):
        ball.set_actor_location(unreal.Vector(1, 2, 3), False, True)
        ball.static_mesh_component.set_overlay_material(material)
        ball.tags = ["one"]
        made = unreal.get_editor_subsystem(unreal.EditorActorSubsystem).spawn_actor_from_class(
            unreal.DecalActor, unreal.Vector()
        )
        world.actor("Box").destroy_actor()
    assert len(world.history) == 1
    assert world.dirty >= {MAP}
    assert world.undo() == "Outer"
    assert ball.get_actor_location() == before
    assert ball.static_mesh_component.get_overlay_material() is None
    assert list(ball.tags) == []
    assert made not in world.actors
    assert world.actor("Box").get_actor_label() == "Box"


def test_map_change_ends_all_actors(world: World) -> None:
    ball = world.actor("Ball")
    world.open_map("/Game/Maps/Other")
    with pytest.raises(Exception, match="destroyed"):
        ball.get_actor_label()
    assert level_world(world).get_path_name() == "/Game/Maps/Other.Other"


def test_turning_there_and_back(world: World) -> None:
    unreal = world.unreal
    for angles in ((10, 20, 30), (-170, 5, 100), (0, -89, 45), (35, 90, 0)):
        turn = unreal.Rotator(*map(float, angles))
        again = turn.quaternion().rotator()
        assert np.allclose(
            turned((turn.roll, turn.pitch, turn.yaw)), turned((again.roll, again.pitch, again.yaw))
        )
    assert unreal.Transform().scale3d == unreal.Vector(1, 1, 1)


@pytest.mark.parametrize("label", ["Ball", "Box"])
def test_bounds_hold_the_mesh(world: World, label: str) -> None:
    middle, half = world.actor(label).get_actor_bounds(False)
    assert middle == world.actor(label).get_actor_location()
    wide = 50 * (math.cos(math.radians(30)) + math.sin(math.radians(30))) if label == "Box" else 50
    assert (half.x, half.z) == pytest.approx((wide, 50))


# ---- assets --------------------------------------------------------------------------------------


def imported(world: World, file: Path, name: str = "T", **settings: Any) -> Any:
    unreal = world.unreal
    task = unreal.AssetImportTask()
    wanted = {"filename": str(file), "destination_path": "/Game/A", "destination_name": name} | settings
    for key, value in wanted.items():
        task.set_editor_property(key, value)
    unreal.AssetToolsHelpers.get_asset_tools().import_asset_tasks([task])
    return unreal.EditorAssetLibrary.load_asset(f"/Game/A/{name}")


def picture(folder: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / "p.png")
    return folder / "p.png"


def test_import_keeps_the_pixels(world: World) -> None:
    file = picture(world.folder)
    texture = imported(world, file)
    with Image.open(file) as expected:
        assert (texture._pixels[..., :3] == np.asarray(expected)).all()
    assert (texture.blueprint_get_size_x(), texture.get_path_name()) == (12, "/Game/A/T.T")
    write_exr(world.folder / "d.exr", np.full((4, 4, 4), 123.0))
    assert imported(world, world.folder / "d.exr", "D")._pixels.max() == 123.0


def test_import_replaces_only_if_told(world: World) -> None:
    first = imported(world, picture(world.folder))._pixels
    write_exr(world.folder / "d.exr", np.zeros((4, 4, 4)))
    assert imported(world, world.folder / "d.exr")._pixels is first
    assert imported(world, world.folder / "d.exr", replace_existing=True)._pixels is not first


def test_read_only_content_takes_nothing(world: World) -> None:
    unreal = world.unreal
    texture = imported(world, picture(world.folder))
    world.faults.has_readonly_content = True
    library, tools = unreal.EditorAssetLibrary, unreal.AssetToolsHelpers.get_asset_tools()
    assert imported(world, picture(world.folder), "Other") is None
    assert tools.create_asset("M", "/Game/A", unreal.Material, unreal.MaterialFactoryNew()) is None
    assert not library.save_loaded_asset(texture)
    assert not library.delete_asset("/Game/A/T")
    assert not library.make_directory("/Game/B")


def test_name_is_taken_once(world: World) -> None:
    unreal = world.unreal
    tools = unreal.AssetToolsHelpers.get_asset_tools()
    made = tools.create_asset("M", "/Game/A", unreal.Material, unreal.MaterialFactoryNew())
    assert tools.create_asset("M", "/Game/A", unreal.Material, unreal.MaterialFactoryNew()) is None
    unreal.EditorAssetLibrary.set_metadata_tag(made, "Key", "value")
    assert unreal.EditorAssetLibrary.get_metadata_tag(made, "Key") == "value"
    assert world.dirty == {"/Game/A/M"}
    assert unreal.EditorAssetLibrary.save_loaded_asset(made)
    assert (world.dirty, world.assets.saved) == (set(), {"/Game/A/M"})


def test_connections_go_only_where_there_is_something(world: World) -> None:
    unreal, editing = world.unreal, world.unreal.MaterialEditingLibrary
    material = world.assets.add("/Game/M", unreal.Material)
    add = lambda kind: editing.create_material_expression(material, kind)  # noqa: E731
    scene, product = add(unreal.MaterialExpressionSceneTexture), add(unreal.MaterialExpressionMultiply)
    scene.set_editor_property("scene_texture_id", unreal.SceneTextureId.PPI_CUSTOM_STENCIL)
    assert editing.connect_material_expressions(scene, "Color", product, "A")
    assert not editing.connect_material_expressions(scene, "Colour", product, "A")
    assert not editing.connect_material_expressions(scene, "", product, "C")
    assert world.assets.materials.scene_textures(material) == set(), "nothing leads to the colour yet"
    assert editing.connect_material_property(product, "", unreal.MaterialProperty.MP_EMISSIVE_COLOR)
    assert world.assets.materials.scene_textures(material) == {"PPI_CUSTOM_STENCIL"}


def test_instance_takes_only_parameters_of_its_parent(world: World) -> None:
    unreal, editing = world.unreal, world.unreal.MaterialEditingLibrary
    material = world.assets.add("/Game/M", unreal.Material)
    instance = world.assets.add("/Game/I", unreal.MaterialInstanceConstant)
    number = editing.create_material_expression(material, unreal.MaterialExpressionScalarParameter)
    number.set_editor_property("parameter_name", "Opacity")
    editing.set_material_instance_parent(instance, material)
    assert editing.set_material_instance_scalar_parameter_value(instance, "Opacity", 0.5)
    assert not editing.set_material_instance_scalar_parameter_value(instance, "Opacty", 0.5)
    assert instance.get_scalar_parameter_value("Opacity") == 0.5


# ---- Movie Render Queue --------------------------------------------------------------------------


def test_queue_draws_a_moving_camera(world: World) -> None:
    unreal = world.unreal
    world.sequences.add(
        "/Game/S", 0, 4, pose=lambda frame: ((-300.0 + 20 * frame, 0.0, 120.0), (0.0, -10.0, 0.0))
    )
    queue = unreal.MoviePipelineQueue()
    job = queue.allocate_new_job(unreal.MoviePipelineExecutorJob)
    job.sequence = unreal.SoftObjectPath("/Game/S.S")
    config = job.get_configuration()
    output = config.find_or_add_setting_by_class(unreal.MoviePipelineOutputSetting)
    output.output_directory = unreal.DirectoryPath(str(world.folder / "out"))
    output.file_name_format = "{render_pass}.{frame_number}"
    output.zero_pad_frame_numbers = 4
    output.output_resolution = unreal.IntPoint(*SIZE)
    output.use_custom_playback_range = True
    output.custom_start_frame, output.custom_end_frame = 1, 3
    for kind in (unreal.MoviePipelineImageSequenceOutput_PNG, unreal.MoviePipelineDeferredPassBase):
        config.find_or_add_setting_by_class(kind)
    executor, ended = unreal.MoviePipelinePIEExecutor(), []
    executor.on_executor_finished_delegate.add_callable(lambda one, success: ended.append(success))
    executor.execute(queue)
    world.tick(3)
    assert ended == [True]
    files = sorted((world.folder / "out").iterdir())
    assert [file.name for file in files] == ["FinalImage.0001.png", "FinalImage.0002.png"]
    assert (read(files[0]) != read(files[1])).any()
    assert world.actor("Camera").get_actor_location().x == -300.0


def test_queue_that_is_off_is_not_there(tmp_path: Path, newest_stub: Stub) -> None:
    unreal = World(tmp_path, known=newest_stub, has_queue=False).unreal
    assert not hasattr(unreal, "MoviePipelineQueueSubsystem")


# ---- faults --------------------------------------------------------------------------------------


def test_faults_are_those_of_editors(world: World) -> None:
    unreal, faults = world.unreal, world.faults
    context = level_world(world)
    faults.has_no_level = faults.has_no_viewport = faults.refuses_render_targets = True
    subsystem = unreal.get_editor_subsystem(unreal.UnrealEditorSubsystem)
    assert subsystem.get_editor_world() is None
    assert subsystem.get_level_viewport_camera_info() is None
    assert unreal.RenderingLibrary.create_render_target2d(context, 8, 8) is None
    spawner = unreal.get_editor_subsystem(unreal.EditorActorSubsystem)
    assert spawner.spawn_actor_from_class(unreal.Actor, unreal.Vector()) is None


def test_export_can_fail(world: World) -> None:
    world.folder.mkdir()
    world.faults.exports_nothing = True
    with pytest.raises(FileNotFoundError):
        capture(world, "SCS_SCENE_DEPTH")
    world.faults.exports_nothing = False
    world.faults.exports_channels = ("Y",)
    with pytest.raises(KeyError):
        capture(world, "SCS_SCENE_DEPTH")
