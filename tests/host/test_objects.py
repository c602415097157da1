import pytest

from bridge.errors import BridgeError
from bridge.host.objects import bindings_of, named_kinds, wants_objects, with_objects
from bridge.host.preset import Control, Preset
from bridge.host.recipe import Recipe, recipe_from_json
from bridge.protocol import Binding

CAR = Binding("object", "Car", "gold")
RECIPE = Recipe("p", {"prompt": "clay"})


def preset(*controls):
    return Preset("p", "P", "", tuple(Control(name, name, "text", "") for name in controls))


def test_a_recipe_says_what_is_bound_and_what_is_selected():
    chosen = Binding("collection", "Cars", paint="only")
    recipe = with_objects(RECIPE, preset("objects", "selection"), [CAR], [chosen])
    assert bindings_of(recipe_from_json(recipe.to_json())) == (CAR, chosen)
    assert recipe.values["prompt"] == "clay"


def test_a_preset_that_does_not_ask_is_not_told():
    assert with_objects(RECIPE, preset("prompt"), [CAR], [CAR]) == RECIPE
    assert not wants_objects(preset("prompt"))
    assert wants_objects(preset("objects"))
    assert bindings_of(RECIPE) == ()


def test_nothing_selected_is_an_error_where_it_is_what_is_repainted():
    with pytest.raises(BridgeError, match='"P" works on what is selected') as caught:
        with_objects(RECIPE, preset("selection"), [], [])
    assert caught.value.code == "no_selection"
    assert caught.value.problem.hint


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        ([], set()),
        (["object", "collection"], {"object"}),
        (["material"], {"material"}),
        (["collection", "material"], {"object", "material"}),
    ],
)
def test_a_capture_tells_by_name_what_is_asked_for(kinds, named):
    bindings = [Binding(kind, "x") for kind in kinds]
    assert named_kinds(with_objects(RECIPE, preset("objects"), bindings, [])) == named
