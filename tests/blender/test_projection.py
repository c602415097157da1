"""Projection in real Blenders: pictures rendered again, from where they were made and from elsewhere.

Renders follow one ray through the middle of each pixel, so that a right projection shows each pixel of the
picture as it was; errors are of values 0..1. What is not painted is black, or the object's own colour.
"""

from typing import Any

import pytest

ROUNDING = 1e-4
"""The mean error that is left: a pixel in 3000 lies on an edge that the GPU and the ray see differently."""

CAMERAS = (
    "perspective",
    "orthographic",
    "shifted",
    "shifted_orthographic",
    "rolled_vertical_fit",
    "scaled_object",
)


@pytest.fixture(scope="module")
def projection(blender) -> dict[str, Any]:
    return blender.run("projection")


@pytest.fixture(scope="module")
def baking(blender) -> dict[str, Any]:
    return blender.run("projection_baking")


@pytest.fixture(scope="module")
def restored(blender) -> dict[str, Any]:
    return blender.run("projection_restore")


@pytest.fixture(scope="module")
def maths(blender) -> dict[str, Any]:
    return blender.run("projection_maths")


@pytest.mark.parametrize("camera", CAMERAS)
def test_camera_shows_its_picture_again(projection, camera):
    found = projection["cameras"][camera]
    assert found["mean"] < ROUNDING
    assert found["beyond"] < 5e-4


@pytest.mark.parametrize(
    ("display", "most"),
    [
        ("Standard", ROUNDING),
        ("Filmic", ROUNDING),
        ("AgX", 4e-3),  # Blender 4.2 inverts its table of AgX roughly: 0.0026; 5.0: 0.0002
        ("exposed", 4e-3),
        ("Khronos PBR Neutral", 1e-3),
        ("gamma", 2e-3),  # these three are inverted by a table of 17³ colours, in bytes
        ("punchy", 4e-3),
        ("contrast", 2e-3),
    ],
)
def test_colors_come_back_under_any_display(projection, blender, display, most):
    found = projection["displays"][display]
    print(
        f"Blender {blender.version}, {display}: mean error {found['mean']:.4f}, was {found['unmatched']:.4f}"
    )
    assert found["mean"] < most
    assert found["beyond"] < 6e-3
    assert found["unmatched"] > 0.03
    assert found["changed"]
    assert not found["again"]


def test_display_is_followed_a_picture_at_a_time_once_it_keeps_still(projection):
    found = projection["displays_followed"]
    assert found["while it moves"] == 0
    assert found["most a tick"] == 1
    assert found["tables"] == 1
    assert found["error"] < 2e-3
    assert found["exposed"] < 4e-3


def test_exposure_is_followed_at_once(projection):
    assert projection["displays_followed"]["for an exposure"] == [0, False]


def test_picture_may_be_larger_than_the_capture(projection):
    """It keeps its own detail, but for a capture's pixel along silhouettes."""
    assert projection["larger_picture"]["mean"] < 2e-3


def test_unit_of_the_scene_does_not_matter(projection):
    assert projection["centimetres"]["mean"] < ROUNDING


def test_what_the_camera_did_not_see_gets_no_paint(projection):
    found = projection["from_the_side"]
    assert found["visible"] > 1000
    assert found["hidden"] + found["outside"] > 500
    assert found["unpainted"] <= 2
    assert found["leaked"] <= 0.02 * (found["hidden"] + found["outside"])  # within a pixel of own creases
    assert found["wrong_at_edge"] <= 0.2 * found["edge"]  # paint reaches a pixel under a silhouette
    assert found["torus_pixels"] > 1000
    assert found["torus_painted"] < 0.02


def test_paint_has_the_color_that_a_ray_to_the_camera_finds(projection):
    assert projection["from_the_side"]["color_error"] < 1e-3


def test_second_view_covers_more_and_blends(projection):
    found = projection["two_views"]
    assert found["painted_before"] < 0.75
    assert found["painted_after"] > 0.999
    assert found["between"] > 0.999
    assert found["blended"] > 0.5
    assert found["new_is_second"] < 1e-3


def test_picture_from_the_same_camera_takes_the_place_of_the_one_before(projection):
    found = projection["same_camera"]
    assert found["kept"] == [["Framebridge View 2"], ["Framebridge View 1"]]
    assert found["maps"] == ["UVMap", "Framebridge View 2"]
    assert found["left"] == ["Framebridge View 3"]
    assert found["error"] < ROUNDING
    assert found["turned"] == 3  # it was turned, then seen through another lens


@pytest.mark.parametrize(("own", "views"), [("plain", 12), ("with a texture", 11)])
def test_last_view_that_has_room_is_told(projection, own, views):
    count, code, message = projection["crowded"][own]
    assert (count, code) == (views, "many_textures")
    assert message.endswith("more than 24 textures: Suzanne")


def test_views_can_be_turned_off_and_removed(projection):
    found = projection["two_views"]
    assert found["off"] == 0.0
    assert found["only_second"]["mean"] < ROUNDING
    assert found["removed"] == 0.0
    assert found["views"] == found["of_monkey"] == ["Framebridge View 1"]


def test_faces_turned_away_stay_bare(projection):
    """Of a sphere seen from afar, with 60° as the limit, a disc of sin 60° of its radius is painted."""
    assert projection["facing"]["painted_radius"] == pytest.approx(0.866, abs=0.015)


def test_paint_moves_with_the_objects(projection):
    assert projection["motion"]["mean"] < ROUNDING


def test_instances_are_painted_where_they_stand(projection):
    assert projection["instances"]["painted"]
    assert projection["instances"]["mean"] < ROUNDING


def test_projection_survives_saving(projection):
    found = projection["saved"]
    assert found["worst"] == 0.0
    assert found["error"] < 4e-3
    assert found["left"] == 0


def test_solid_shading_by_texture_shows_the_picture(projection):
    assert projection["solid_shading"]["pixels"] > 1000
    assert projection["solid_shading"]["mean"] < 0.02  # the map follows the mesh without its subdivision


def test_what_cannot_be_projected_is_told(projection):
    found = projection["refused"]
    assert {code for code, _ in found["codes"].values()} == {"bad_picture", "nothing_to_paint"}
    assert len(found["codes"]) == 4
    assert all(hint.endswith(".") for _, hint in found["codes"].values())
    assert found["warnings"] == [["left_out", "left out, being not a mesh, curve, surface or text: Lamp"]]
    assert found["unchanged"]


def test_object_whose_modifiers_hide_the_paint_is_left_out(projection):
    found = projection["set_by_modifiers"]
    assert found["warnings"] == [
        ["left out, being given materials by their modifiers: Suzanne, Cone"],
        ["left out, being given materials by their modifiers: Cone"],
    ]
    assert found["painted"] == [["Text"], ["Suzanne", "Text"]]


def test_objects_of_other_files_are_left_alone(projection):
    assert projection["linked"] == {
        "painted": ["Ours"],
        "warnings": ["left out, being linked from another file: Suzanne"],
        "unchanged": True,
    }


def test_namesake_of_a_linked_object_is_told_from_it(projection):
    found = projection["linked_namesake"]
    assert found["names"] == 2
    assert found["painted"] == ["Cone", "Half", "Plane", "Text"]
    assert found["warnings"] == ["left out, being linked from another file: Suzanne"]
    assert not found["is_in_world"]


def test_eevee_shows_the_picture_too(projection):
    assert projection["eevee"]["mean"] < 2e-4
    assert projection["eevee"]["beyond"] < 1e-3


@pytest.mark.parametrize(("size", "most"), [("512", 6e-3), ("1024", 3e-3)])
def test_bake_shows_the_picture_again(baking, blender, size, most):
    """The checker's edges are blurred by half a texel, which halves with each size."""
    found = baking["sizes"][size]
    print(
        f"Blender {blender.version}, {size}²: mean error {found['mean']:.4f}, {found['seconds']:.2f} s each"
    )
    assert found["mean"] < most
    assert found["beyond"] < 2e-3


def test_second_bake_takes_the_same_images(baking):
    assert baking["sizes"]["images"] == [
        "Cone Framebridge",
        "Framebridge View 1",
        "Framebridge View 1 (depth)",
        "Hidden Framebridge",
        "Plane Framebridge",
        "Suzanne Framebridge",
    ]


@pytest.mark.parametrize("display", ["Standard", "Filmic", "AgX", "exposed"])
def test_colors_of_a_bake_come_back(baking, display):
    assert baking["displays"][display]["mean"] < 6e-3


def test_bake_blends_views_as_the_shader_does(baking):
    assert baking["against_preview"]["mean"] < 4e-3
    assert baking["against_preview"]["beyond"] < 5e-3


def test_alpha_tells_what_was_painted_and_the_rest_keeps_its_color(baking):
    found = baking["cover"]
    assert found["bare"] > 10_000
    assert 0 < found["red"] < found["bare"]
    assert found["own"] > 0.99
    assert found["painted"] > 10_000
    assert 0.2 < found["ramps"][0] < found["ramps"][1] < 0.8  # the picture's, no colour of the monkey's
    assert found["color_space"] == "sRGB"


@pytest.mark.parametrize("case", ["own", "overlapping", "outside", "none", "collapsed"])
def test_a_uv_map_is_made_where_none_can_be_baked_to(baking, case):
    found = baking["uv_maps"][case]
    assert ("Framebridge Bake" in found["maps"]) == (case != "own")
    assert found["mean"] < 3e-3


def test_inside_out_mesh_is_baked(baking):
    assert baking["inside_out"]["mean"] < 3e-3


def test_mirrored_halves_share_a_texture_and_that_is_told(baking):
    found = baking["mirrored"]
    assert [code for code, _ in found["warnings"]] == ["shared_texture"]
    assert found["checker_colors"] > 0.7  # a mean of both would have a third colour in half of the area


def test_texture_of_mirrored_halves_is_that_of_the_half_that_is_seen(baking):
    assert max(baking["seen_halves"]) < 6e-3


def test_texture_goes_on_beyond_its_islands(baking):
    """The wall is painted all over, in values of 0.85 at most; its own grey is 0.91."""
    assert baking["gaps"]["least_alpha"] == 1.0
    assert baking["gaps"]["brightest"] < 0.87


def test_lit_bake_is_the_color_of_a_surface(baking):
    found = baking["lit"]
    assert found["shaders"] == ["BSDF_PRINCIPLED", "OUTPUT_MATERIAL", "TEX_IMAGE", "UVMAP"]
    assert found["color_space"] == "sRGB"


def test_bake_survives_saving(baking):
    assert baking["saved"]["worst"] == 0.0
    assert baking["saved"]["error"] < 3e-3


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        ("odd size", "bad_size"),
        ("not projected", "nothing_to_bake"),
        ("text only", "nothing_to_bake"),
        ("full", "nothing_to_bake"),
    ],
)
def test_what_cannot_be_baked_is_told(baking, attempt, code):
    told, message, hint = baking["refused"][attempt]
    assert told == code
    assert message
    assert hint.endswith(".")


@pytest.mark.parametrize(
    "steps",
    ["projected", "two views", "baked", "baked to new maps", "baked under AgX, projected again"],
)
def test_removal_restores_everything(restored, steps):
    assert restored["removed"][steps] == []


def test_removing_each_view_restores_everything(restored):
    assert restored["views_removed"] == []


def test_shared_mesh_keeps_its_slot_while_it_is_needed(restored):
    assert restored["one_of_two"] == {"slots": [1, 1, 0], "kept": [1, True], "materials_of_mesh": 0}


def test_duplicate_has_a_projection_of_its_own(restored):
    assert restored["duplicated"] == {"copy_shows": True, "views": 1, "restored": "Black", "left": 0}


@pytest.mark.parametrize(
    ("steps", "own"),
    [
        ("painted", ["Skin", "Steel"]),
        ("baked", ["Skin", "Steel"]),
        ("with an unpainted one", ["Gold", "Skin", "Steel"]),
        ("each view removed", ["Gold", "Skin", "Steel"]),
    ],
)
def test_joined_objects_get_their_own_materials_back(restored, steps, own):
    found = restored["joined"][steps]
    assert found["painted"]
    assert found["shown"] == own
    assert found["views"] == 0
    assert found["properties"] == []
    assert not [name for name in found["materials"] if "Framebridge" in name]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("chosen", ["Gold", "Blue"]),
        ("chosen, projected again", ["Gold", "Blue"]),
        ("baked, chosen, exposed", ["Gold", "Blue"]),
        ("chosen, baked", ["Gold", "Blue"]),
        ("chosen, a view removed", ["Gold", "Blue"]),
        ("chosen for the mesh", ["Gold", "Blue"]),
        ("moved", ["Red", "Blue"]),
        ("moved, projected again", ["Red", "Blue"]),
        ("own slots moved", ["Red", "Blue"]),
        ("slot removed", ["Blue", "Blue"]),
        ("slot added", ["Gold", "Blue"]),
        ("ours deleted", ["Red", "Blue"]),
    ],
)
def test_material_chosen_after_projecting_stays(restored, change, shown):
    assert restored["changed_since"][change] == shown


def test_material_chosen_for_a_slot_of_ours_stays(restored):
    assert restored["chosen_for_a_twin"] == "Gold"


def test_display_changes_only_the_image_and_strength_of_a_bake(restored):
    assert restored["exposed_bake"] == {
        "strength": 1.0,
        "transforms": {"AgX": "Suzanne Framebridge (display)", "Standard": "Suzanne Framebridge"},
        "exposed": 0.5,
        "same": True,
        "nodes": 5,
    }


def test_kept_bake_leaves_a_duplicate_its_projection(restored):
    assert restored["kept_beside_a_duplicate"] == ["Suzanne Framebridge.001", "Black"]


def test_view_stays_while_a_material_shows_it(restored):
    assert restored["left_to_a_joined_one"] == ["Framebridge View 1"]


def test_kept_bake_is_the_users(restored):
    assert restored["kept"] == {
        "material": "Suzanne Framebridge",
        "images": ["Suzanne Framebridge"],
        "properties": [],
        "views": 0,
        "uv_maps": ["UVMap"],
    }


def test_mode_and_selection_stay(restored):
    found = restored["user_state"]
    assert found["unchanged"]
    assert found["baked"]
    assert '"Cone" is in Edit Mode' in found["warnings"]


def test_projection_is_undone_and_redone(restored):
    assert restored["undone"] == {"undone": [0, "Black"], "redone": [1, 1], "left": 0}


def test_damaged_record_counts_as_none(restored):
    assert len(restored["damaged_records"]) == 16
    for name, found in restored["damaged_records"].items():
        assert found == [True, [], [], False], name


def test_damaged_record_is_removed(restored):
    assert restored["damage_removed"] == []


def test_damage_goes_with_another_projection(restored):
    assert restored["damaged_and_projected_anew"] == {"views": 1, "left": [], "shows": "Black"}


def test_lost_image_of_a_bake_does_no_harm(restored):
    assert restored["lost_bake"] == {"shows_bake": False, "matched": True, "left": [], "shows": "Black"}


def test_damaged_view_is_passed_over(restored):
    found = dict(restored["damaged_views"])
    assert found.pop("left") == []
    assert found.pop("shows") == "Black"
    assert found.pop("the one that paints") == [[], True]
    assert len(found) == 10
    for name, (views, matched) in found.items():
        assert views == ["Framebridge View 1"], name
        assert matched, name


@pytest.mark.parametrize("kind", ["perspective", "orthographic"])
def test_depth_has_two_layers_where_surfaces_overlap(maths, kind):
    found = maths["layers"][kind]
    assert found["plain_edges"] == found["missed"] == found["invented"] == 0
    assert found["offsets"] == [5.0, 3.0]  # one pixel to the right, and one to the left
    assert found["others"]
    assert found["sky"]
    assert found["tolerated"]


def test_unwrapped_faces_have_places_of_their_own(maths):
    assert len(maths["unwrapped"]) == 7
    for found in maths["unwrapped"].values():
        assert found["inside"]
        assert found["flat"] == 0
        assert found["shared"] < 0.02
        assert found["used"] > 0.25


def test_islands_grow_by_their_margin(maths):
    found = maths["grown"]
    assert found["rows"] == list(range(8))
    assert found["columns"] == list(range(7, 18))
    assert len(found["colors"]) == 1
    assert found["others"] == 0.0


def test_gaps_between_islands_are_filled(maths):
    found = maths["filled"]
    assert found["kept"]
    assert found["range"] == [0.25, 0.75]
    assert found["beside"] == [0.25, 0.75]
