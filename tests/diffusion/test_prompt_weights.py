"""What parentheses in a prompt mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.diffusion.prompt_weights import MAX_DEPTH, parse_weights
from bridge.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a cat", [("a cat", 1.0)]),
        ("a (cat)", [("a ", 1.0), ("cat", 1.1)]),
        ("a ((cat))", [("a ", 1.0), ("cat", 1.21)]),
        ("a (cat:1.3) sits", [("a ", 1.0), ("cat", 1.3), (" sits", 1.0)]),
        ("(cat:0.5)", [("cat", 0.5)]),
        ("(cat:-1)", [("cat", -1.0)]),
        ("(cat: 1.2 )", [("cat", 1.2)]),
        ("(a:b:1.2)", [("a:b", 1.2)]),
        ("(cat:big)", [("cat:big", 1.1)]),
        ("(cat:nan)", [("cat:nan", 1.1)]),
        ("(cat:inf)", [("cat:inf", 1.1)]),
        ("(:1.2)", [(":1.2", 1.1)]),
        ("((cat:1.3))", [("cat", 1.3)]),
        ("(big (cat:1.3):0.8)", [("big ", 0.8), ("cat", 1.3)]),
        ("(big (cat):2)", [("big ", 2.0), ("cat", 2.2)]),
        ("[cat]", [("[cat]", 1.0)]),
        (r"smile \(happy\)", [("smile (happy)", 1.0)]),
        (r"(smile \(happy\):1.2)", [("smile (happy)", 1.2)]),
        ("()", []),
        ("(cat", [("(cat", 1.0)]),
        ("cat)", [("cat)", 1.0)]),
        ("a :) (cat)", [("a :) (cat)", 1.0)]),
        ("(a (cat)", [("a ", 1.1), ("(cat", 1.1)]),
        ("back\\slash", [("back\\slash", 1.0)]),
    ],
)
def test_pieces_and_weights(text: str, expected: list[tuple[str, float]]) -> None:
    pieces = parse_weights(text)
    assert [piece for piece, _ in pieces] == [piece for piece, _ in expected]
    assert [weight for _, weight in pieces] == pytest.approx([weight for _, weight in expected])


@given(st.text(alphabet="ab:.1() \\[]", max_size=40))
def test_no_prompt_breaks_it_and_nothing_is_invented(text: str) -> None:
    pieces = parse_weights(text)
    kept = "".join(piece for piece, _ in pieces)
    rest = iter(text)
    assert all(character in rest for character in kept)  # a subsequence of what was written
    assert all(weight == weight for _, weight in pieces)


@given(st.text(alphabet=st.characters(blacklist_characters="()\\"), min_size=1))
def test_text_without_parentheses_is_one_piece(text: str) -> None:
    assert parse_weights(text) == [(text, 1.0)]


def test_absurd_nesting_is_refused() -> None:
    deepest = "(" * MAX_DEPTH + "cat" + ")" * MAX_DEPTH
    assert [piece for piece, _ in parse_weights(deepest)] == ["cat"]
    with pytest.raises(InputError, match="nests parentheses"):
        parse_weights(f"({deepest})")


def test_a_long_malicious_prompt_takes_no_time() -> None:
    assert parse_weights("(" * 100_000) == [("(" * 100_000, 1.0)]
