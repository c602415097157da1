import pytest

from bridge.host.prompt_words import MOST, suggestions

WORDS = ["photo", "oil painting", "pixel art", "pink", "ink sketch"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pi", ["pixel art", "pink"]),
        ("neon, Pi", ["neon, pixel art", "neon, pink"]),
        ("neon pi", ["neon pixel art", "neon pink"]),
        ("a (pin", ["a (pink"]),
        ("{photo|oi", ["{photo|oil painting"]),
        ("ink", ["ink sketch"]),
        ("ink ", ["ink sketch"]),
        ("a pink ink sk", ["a pink ink sketch"]),
        ("pink, ", ["pink, photo", "pink, oil painting", "pink, pixel art", "pink, ink sketch"]),
    ],
)
def test_words_go_on_from_what_is_typed_which_comes_first(text: str, found: list[str]) -> None:
    assert suggestions(text, WORDS) == [text, *found]


def test_an_empty_prompt_is_offered_all_words() -> None:
    assert suggestions("", WORDS) == WORDS


@pytest.mark.parametrize("text", ["ink sketch", "neon, ink sketch", "nothing like it", "a (oil painting)"])
def test_nothing_is_offered_where_a_word_is_whole_or_unknown(text: str) -> None:
    assert suggestions(text, WORDS) == []


def test_not_more_are_offered_than_anybody_reads() -> None:
    assert len(suggestions("", [f"w{number}" for number in range(1000)])) == MOST
