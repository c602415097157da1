"""Weight types."""

import pytest

from bridge.diffusion.ip_adapter.emphasis import SILENT, Part, Voice, WeightType, voice
from bridge.errors import InputError


@pytest.mark.parametrize(
    ("weight_type", "first", "middle", "last"),
    [
        ("linear", 0.8, 0.8, 0.8),
        ("ease in", 0.8, 0.42, 0.0875),
        ("ease out", 0.04, 0.42, 0.7525),
        ("ease in-out", 0.04, 0.8, 0.135),
        ("reverse in-out", 0.8, 0.04, 0.705),
        ("weak input", 0.16, 0.8, 0.8),
        ("weak output", 0.8, 0.8, 0.16),
        ("weak middle", 0.8, 0.16, 0.8),
        ("strong middle", 0.16, 0.8, 0.16),
    ],
)
def test_weight_is_spread_over_the_unet(
    weight_type: WeightType, first: float, middle: float, last: float
) -> None:
    places: list[tuple[int, Part]] = [(0, "input"), (8, "middle"), (15, "output")]
    weights = [voice(weight_type, 0.8, index, 16, part).weight for index, part in places]
    assert weights == pytest.approx([first, middle, last])


def speaking(weight_type: WeightType, count: int) -> dict[int, float]:
    voices = {index: voice(weight_type, 2.0, index, count, "input") for index in range(count)}
    return {index: each.weight for index, each in voices.items() if each != SILENT}


def test_style_and_composition_are_single_transformers() -> None:
    assert speaking("style transfer", 11) == {6: 2.0}
    assert speaking("composition", 11) == {3: 2.0}
    assert speaking("composition", 16) == {4: 0.5, 5: 2.0}
    assert set(speaking("strong style transfer", 11)) == set(range(11)) - {3}
    assert set(speaking("strong style transfer", 16)) == set(range(16)) - {4, 5}


def test_both_together_compose_at_full_weight() -> None:
    assert speaking("style and composition", 11) == {3: 1.0, 6: 2.0}


def test_precise_types_turn_the_other_half_against_the_picture() -> None:
    assert voice("style transfer precise", 1.0, 3, 11, "input") == Voice(1.0, is_inverted=True)
    assert voice("style transfer precise", 1.0, 6, 11, "output") == Voice(1.0)
    assert voice("composition precise", 1.0, 0, 11, "input") == Voice(0.1, is_inverted=True)
    assert voice("composition precise", 1.0, 5, 16, "input") == Voice(1.0)


def test_single_transformers_are_not_guessed_in_other_unets() -> None:
    with pytest.raises(InputError, match="this UNet has 4"):
        voice("style transfer", 1.0, 0, 4, "input")
