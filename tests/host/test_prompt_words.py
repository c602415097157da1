import pytest

from bridge.host.prompt_words import MOST, suggestions

WORDS = ["photo", "oil painting", "pixel art", "pink", "ink sketch"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", WORDS),
        ("pi", ["pixel art", "pink"]),
        ("neon, Pi", ["neon, pixel art", "neon, pink"]),
        ("a (pin", ["a (pink"]),
        ("{photo|oi", ["{photo|oil painting"]),
        ("sk", ["ink sketch"]),
        ("pa", ["oil painting"]),
        ("pink, pi", ["pink, pixel art"]),
        ("nothing like it", []),
    ],
)
def test_words_go_on_from_what_is_typed(text: str, found: list[str]) -> None:
    assert suggestions(text, WORDS) == found


def test_not_more_are_offered_than_anybody_reads() -> None:
    assert len(suggestions("", [f"w{number}" for number in range(1000)])) == MOST
