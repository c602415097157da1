"""What the panel's buttons do in real Blenders, with a real daemon."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def panel(blender, daemon_home) -> dict[str, Any]:
    return blender.run("panel", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_first_click_connects_captures_and_brings_a_picture(panel):
    found = panel["generated"]
    assert found["ends"] == ["FINISHED"]
    assert found["trouble"] == "None"
    assert found["size"] == [128, 72]
    assert found["colors"] > 50  # a picture, not a colour


def test_picture_is_all_that_is_added_and_it_survives(panel):
    found = panel["generated"]
    assert [name for name in found["added"] if name != "images/Render Result"] == ["images/Framebridge 001"]
    assert found["same_after_reload"]
    assert found["prompt_after_reload"] == found["settings_after_reload"] == "neon"


def test_picture_is_made_from_a_final_render(panel):
    assert panel["final_render"] == {
        "ends": ["FINISHED"],
        "size": [128, 96],
        "added": ["images/Framebridge 001"],
        "engine": "BLENDER_WORKBENCH",
    }


def test_seed_modes(panel):
    assert panel["seeds"]["FIXED"] == [7, 7, 7]
    assert panel["seeds"]["INCREMENT"] == [7, 8, 9]
    first, second, shown = panel["seeds"]["RANDOM"]
    assert first != second == shown


def test_note_tells_what_a_final_render_leaves_out(panel):
    strips, nodes = "the video sequencer", "the compositor"
    assert panel["left_out"] == [
        "",
        f"Rendered without {strips}",
        f"Rendered without {nodes} and {strips}",
        f"Rendered without {strips}",
        "",
    ]


def test_settings_of_a_result_are_used_again(panel):
    assert panel["used_again"] == {
        "prompt": "watercolor 水彩 🎨 ‏عربي",
        "strength": 0.5,
        "steps": 2,
        "edges": True,
        "depth": False,
        "weights": [1.0, 0.0],
        "mode": "FIXED",
    }


def test_history_lists_saves_and_deletes(panel):
    found = panel["history"]
    assert found["listed"] == ["snow", "clay", "toon"]
    assert found["looked_at"] == "clay"
    assert found["saved"]
    assert found["left"] == ["clay", "toon"]
    assert found["mine"]


def test_results_go_where_they_are_wanted_and_replace_nothing(panel):
    found = panel["destinations"]
    assert found["backgrounds"] == ["Storyboard", "Framebridge 002"]
    assert found["editor"] == "Framebridge 002"
    assert found["editor_of_the_user"] == "Storyboard"
    assert found["files"] == [f"framebridge_000{number}.png" for number in (1, 2, 3)]
    assert found["trouble"] == "None"


def test_result_goes_behind_the_camera_that_it_was_made_with(panel):
    found = panel["behind_cameras"]
    one_picture = [["Framebridge 001"], []]
    assert found["made"] == found["shown"] == one_picture
    assert found["grid"][0].startswith("Framebridge 002")
    assert found["grid"][1] == one_picture  # of several pictures: behind no camera
    assert found["trouble"] == "None"


def test_result_follows_its_camera_to_a_new_name(panel):
    found = panel["renamed_camera"]
    assert found["made"] == found["shown"] == [["Framebridge 001"], []]


def test_deleted_camera_is_deleted_and_that_is_told(panel):
    found = panel["renamed_camera"]
    assert found["is_deleted"]
    for told in found["told"]:
        assert 'camera "perspective" that this was seen through is gone' in told
        assert "untick" in told


def test_deleted_result_leaves_nothing_behind_a_camera(panel):
    assert panel["behind_cameras"]["deleted"] == [["Storyboard"], []]


def test_words_are_added_and_taken_out(panel):
    found = panel["prompts"]
    assert found["added"] == "clay, on a hill oil painting"
    assert found["removed"] == "on a hill"
    assert found["words"] > 20


def test_prompt_is_carried_to_another_preset(panel):
    assert panel["prompts"]["preset"] == "stylize-sd15"


def test_every_map_can_be_seen(panel):
    assert panel["mapped"] == {"names": ["depth", "canny", "normal", "edges"], "trouble": "None"}


def test_diagnosis_goes_through_the_whole_chain_and_leaves_nothing(panel):
    found = panel["diagnosed"]
    assert found["ends"] == ["FINISHED"]
    assert found["steps"] == [
        [name, "good"] for name in ("Daemon", "Token", "Models", "Capture", "Picture", "Write Back")
    ]
    assert found["left"] == []


def test_no_operator_leaves_an_orphan(panel):
    found = panel["orphans"]
    assert found["ran"] == [["FINISHED"]] * len(found["ran"])
    assert found["unused"] == []
    assert found["added"] == []


@pytest.mark.parametrize(
    ("what", "message", "hint"),
    [
        ("no camera", "no active camera", "Add a camera"),
        ("all sky", "nothing but sky", "turn the view"),
        ("too large", "more than the daemon takes", "Choose at most"),
        ("unsaved file", "not saved yet", "Save the file"),
        ("folder is a file", "cannot be written", "Choose a folder"),
        ("unknown preset", 'no preset "gone"', "Choose another"),
        ("no frames", "holds no frames", "Render the animation first"),
        ("no camera for the background", "no camera to put the result behind", "untick"),
        ("no viewport", "workspace has a 3D viewport", "Open a 3D viewport"),
    ],
)
def test_what_cannot_work_says_why_and_what_to_do(panel, what, message, hint):
    found = panel["refusals"][what]
    assert found["ends"] == ["CANCELLED"]
    assert message in found["message"]
    assert hint in found["message"]
    assert "Traceback" not in found["message"]


@pytest.mark.parametrize("what", ["unsaved file", "folder is a file", "no camera for the background"])
def test_picture_is_kept_though_it_cannot_go_everywhere(panel, what):
    assert panel["refusals"][what]["left"] == ["images/Framebridge 001"]


@pytest.mark.parametrize("what", ["no camera", "all sky", "too large", "unknown preset"])
def test_what_is_refused_leaves_nothing(panel, what):
    assert panel["refusals"][what]["left"] == []


def test_odd_scenes_and_prompts_work(panel):
    assert panel["odd_but_fine"] == {
        "broken driver": ["FINISHED"],
        "camera in a mesh": ["FINISHED"],
        "any unicode": ["FINISHED"],
    }


def test_values_of_another_version_of_a_preset_are_noticed(panel):
    found = panel["changed_preset"]
    assert found["digest"]
    assert found["is_noticed"]
    assert found["again"] == ["FINISHED"]
    assert found["prompt"] == "toon"


def test_properties_of_strangers_are_no_fault(panel):
    found = panel["strangers_file"]
    assert found["ends"] == ["FINISHED"]
    assert found["refused"] == 4


def test_image_with_a_file_of_its_own_is_not_written_over(panel):
    assert panel["strangers_file"]["is_new"]


def test_one_odd_preset_does_not_keep_the_others_from_working(panel):
    assert panel["long_names"] == {"long": ["Long"], "code": "bad_preset", "left": ["Long"]}


def test_unregistering_leaves_nothing(panel):
    found = panel["cleared"]
    assert found["threads"] == ["MainThread"]
    assert not found["scene"]
    assert found["classes"] == found["operators"] == found["handlers"] == []
    assert found["again"] == ["FINISHED"]
