import pytest
import torch

from bridge.packs.inputs import plain, read_input, socket_type


def read(*declared):
    return read_input("x", declared, is_required=True)


@pytest.mark.parametrize("declared", [(), "INT", ("INT", 3), (5,), (None, {})])
def test_what_is_no_type_with_options_is_refused(declared):
    with pytest.raises(TypeError, match=r"x|socket type"):
        read_input("x", declared, is_required=True)


@pytest.mark.parametrize(
    ("kind", "options", "choices"),
    [
        (["a", 2, True], {}, ("a", 2, True)),
        (("a", "b"), {}, ("a", "b")),
        ("COMBO", {"options": ["a"]}, ("a",)),
        ("COMBO", {"remote": {"route": "/x"}}, None),
        ([], {}, ()),
    ],
)
def test_choices_are_a_list_or_an_option(kind, options, choices):
    entry = read(kind, options)
    assert (entry.type, entry.choices) == ("COMBO", choices)


def test_several_choices_may_be_taken_at_once():
    entry = read(["a", "b"], {"multi_select": True})
    assert (entry.type, entry.choices) == ("COMBO_LIST", None)
    assert entry.options["options"] == ["a", "b"]


def test_pictures_to_upload_are_looked_up_in_their_folder():
    assert read(["a.png"], {"image_upload": True}).choices_from == "input"
    assert read(["a.png"], {"image_upload": True, "image_folder": "output"}).choices_from == "output"


def test_what_json_cannot_say_is_left_out():
    options = {
        "default": torch.ones(1),
        "max": 2**70,
        "min": float("-inf"),
        "step": True,
        "deep": {"a": [1, {2}]},
    }
    entry = read("FLOAT", options)
    assert (entry.default, entry.maximum, entry.minimum, entry.step) == (None, None, None, None)
    assert entry.options == {"deep": {"a": [1, None]}}


def test_what_nests_for_ever_has_an_end():
    endless = []
    endless.append(endless)
    assert str(plain(endless)).count("[") < 30


def test_half_characters_are_replaced():
    assert plain("a\ud800") == "a?"


def test_a_type_is_a_text():
    assert socket_type("IMAGE,MASK") == "IMAGE,MASK"
    with pytest.raises(TypeError):
        socket_type(5)
