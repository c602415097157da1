import pytest

from bridge.protocol import Binding, Named, Names, SceneObject, distinct, names_of, select

NAMES = Names(
    (
        SceneObject("Car", collections=(1, 2)),
        SceneObject("Car", "lib.blend", within=("Traffic",), collections=(2,)),
        SceneObject("Car.001", collections=(2,)),
        SceneObject("Tree, old?"),
        SceneObject("日本*"),
    ),
    (Named("Heroes"), Named("Vehicles"), Named("Empty")),
    (Named("Paint"), Named("Paint", "lib.blend"), Named("Glass")),
)


@pytest.mark.parametrize(
    ("kind", "name", "library", "numbers"),
    [
        ("object", "Car", "", {1}),
        ("object", "Car", "lib.blend", {2}),
        ("object", "car", "", set()),
        ("object", "Traffic", "", {2}),
        ("object", "日本*", "", {5}),
        ("collection", "Vehicles", "", {1, 2, 3}),
        ("collection", "Empty", "", set()),
        ("material", "Paint", "lib.blend", {2}),
    ],
)
def test_a_host_means_exactly_what_it_names(kind, name, library, numbers):
    assert select(NAMES, Binding(kind, name, library=library)).numbers == numbers


@pytest.mark.parametrize(
    ("kind", "pattern", "numbers"),
    [
        ("object", "car", {1, 2}),
        ("object", "CAR*", {1, 2, 3}),
        ("object", "Car.00?", {3}),
        ("object", "Car [lib.blend]", {2}),
        ("object", "traffic", {2}),
        ("object", "the car", {1, 2}),
        ("object", '"tree, old?", Car.001', {3, 4}),
        ("object", '"日本*"', {5}),
        ("collection", "hero*", {1}),
        ("material", "*", {1, 2, 3}),
    ],
)
def test_patterns_are_what_people_type(kind, pattern, numbers):
    found = select(NAMES, Binding(kind, pattern, is_pattern=True))
    assert found.numbers == numbers
    assert found.missing == ()
    assert found.kind == ("material" if kind == "material" else "object")


def test_what_is_missing_is_told_and_the_rest_is_found():
    found = select(NAMES, Binding("object", 'Car.001, Lorry, "Bus, red"', is_pattern=True))
    assert found.numbers == {3}
    assert found.missing == ("Lorry", "Bus, red")


def test_names_are_listed_once():
    assert names_of(NAMES, "object") == ["Car", "Traffic", "Car.001", "Tree, old?", "日本*"]


def test_a_thing_belongs_to_the_first_that_selects_it():
    wanted = [Binding("object", "Car"), Binding("collection", "Vehicles"), Binding("material", "Glass")]
    assert [each.numbers for each in distinct([select(NAMES, each) for each in wanted])] == [{1}, {2, 3}, {3}]
