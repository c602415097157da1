import pytest

from bridge.errors import InputError
from bridge.host.axis import Axis, cells, read_axis


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("3.seed=1,2,3", "3.seed", ("1", "2", "3")),
        ("3.seed=1..4", "3.seed", ("1", "2", "3", "4")),
        ("steps=8..2:3,20", "steps", ("8", "5", "2", "20")),
        ("3.cfg=0.2..1:0.4", "3.cfg", ("0.2", "0.6", "1.0")),
        ('6.text="a cat, sitting", a dog', "6.text", ("a cat, sitting", "a dog")),
        (
            "4.ckpt_name=a=b.safetensors,v1..5.safetensors",
            "4.ckpt_name",
            ("a=b.safetensors", "v1..5.safetensors"),
        ),
        ("7.text=,blurry", "7.text", ("", "blurry")),
        ("3.seed=1,1,2", "3.seed", ("1", "2")),
    ],
)
def test_values_are_lists_ranges_and_quoted_texts(text: str, name: str, values: tuple[str, ...]) -> None:
    assert read_axis(text) == Axis(name, values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.seed",
        "3.seed=",
        "=1",
        'a="x',
        "a=1..100",
        "a=1..2:0",
        "a=" + "1,2," * 30 + ",".join(map(str, range(60))),
    ],
)
def test_what_is_no_axis_is_refused_with_an_example_or_a_limit(text: str) -> None:
    with pytest.raises(InputError) as raised:
        read_axis(text)
    assert raised.value.code == "bad_axis"
    assert raised.value.hint


@pytest.mark.parametrize("text", ["steps", 'prompt="a'])
def test_the_example_for_a_preset_names_its_controls(text: str) -> None:
    with pytest.raises(InputError) as raised:
        read_axis(text, of_preset=True)
    assert '"steps=2,4,8"' in raised.value.hint


def test_cells_come_row_by_row() -> None:
    assert cells(Axis("a", ("1", "2")), Axis("b", ("x", "y"))) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert cells(Axis("a", ("1", "2")), None) == [(0, 0), (1, 0)]


def test_too_many_cells_and_an_axis_twice_are_refused() -> None:
    many = Axis("a", tuple(map(str, range(30))))
    with pytest.raises(InputError, match="30 × 30"):
        cells(many, Axis("b", many.values))
    with pytest.raises(InputError, match="both axes"):
        cells(many, many)
