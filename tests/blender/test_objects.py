"""Objects by name: what real Blenders tell of each pixel, and what the built-in model makes of it."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def objects(blender) -> dict[str, Any]:
    return blender.run("objects")


def test_shares_add_up_to_the_area_of_what_is_seen(objects):
    found = objects["shares"]
    assert found["area"] == pytest.approx(found["expected"], rel=0.002)
    assert found["levels"] == 10  # nine samples a pixel
    assert found["mixed"] > 50


def test_what_is_hidden_has_no_share_and_neighbours_have_no_seam(objects):
    assert objects["occlusion"] == {"back": 0.0, "least": 1.0, "most": 1.0}


def test_names_follow_their_objects_as_the_camera_moves(objects):
    for inside, of_another_colour in objects["motion"]:
        assert inside > 3000
        assert of_another_colour == 0


def test_materials_are_told_pixel_by_pixel_and_by_the_slots_of_the_object(objects):
    found = objects["materials"]
    assert found["first"] == {"Red": 512.0, "Blue": 512.0, "Own": 0.0}
    assert found["second"] == {"Red": 0.0, "Blue": 512.0, "Own": 512.0}
    assert found["sides"] == 0.0
    assert found["not_asked_for"]


def test_names_tell_collections_instances_empties_and_libraries(objects):
    found = objects["names"]
    assert found["objects"] == {
        "Car|": [[], ["Inner", "Outer"]],
        "Wheel|": [["Holder"], ["Outer"]],
        f"{found['long']}|": [[], []],
        "Kept|": [["Instancer"], ["Group"]],
        "Stranger|": [[], []],
        "Stranger|library.blend": [[], []],
    }
    assert found["travels"]


def test_bindings_follow_a_new_name_and_tell_what_is_gone(objects):
    found = objects["bindings"]
    assert found["first"] == [["Head", "head"], ["Ring", "ring"], ["Group", ""]]
    assert found["renamed"] == ["Kopf", "Ring", "Group"]
    assert found["deleted"] == ["Ring", True, "Ring"]
    assert found["unused"] == ["Ring", "Group"]
    assert found["selected"] == [["Cone", "only"], ["Crate", "only"]]


def test_a_recipe_brings_its_bindings_back(objects):
    assert objects["bindings"]["restored"]
    assert objects["bindings"]["known"] == [True, False]


def test_a_recipe_leaves_the_other_lines_there_unused(objects):
    found = objects["bindings"]
    asked = [["Cone", "gold", True], ["Gone", "ice", True]]
    others = [["Kopf", "head", False], ["Ring", "ring", False], ["Group", "", False]]
    assert found["kept"] == [*asked, *others]
    assert found["none"] == [[title for title, _, _ in (*asked, *others)], []]
    assert found["again"] == [True, 5]


def test_buttons_edit_the_list(objects):
    found = objects["bindings"]
    assert found["added"] == ["Cone", "Gone", "Crate", ""]
    assert found["left"] == ["Cone", "Gone", "Crate"]
    assert found["tint"] == [[64, 96, 4], [[230, 80, 60]]]


def test_a_final_render_tells_the_same_as_the_viewport(objects):
    for name, (drawn, rendered) in objects["final_render"].items():
        assert rendered == pytest.approx(drawn, rel=0.02, abs=3), name
